"""What the rating page shows: plain values, decided by the server, so that the template holds no rule."""

from dataclasses import dataclass
from typing import Literal

Reveal = Literal["shown", "hidden", "later", "revealed"]
"""shown: scores beside the clip; hidden: never sent; later: sent after the answer; revealed: sent now, answered."""


@dataclass(frozen=True)
class Option:
    """One step of a scale: the value stored, the word shown, the key that chooses it (as printed, such as ⇧3)."""

    value: str
    label: str
    key: str
    code: str
    """What the keyboard sends: `Digit3`, `Shift+Digit3`, `KeyA`."""


@dataclass(frozen=True)
class CriterionView:
    """One question about the clip. `tone` tells the verdict's colours from a neutral scale's."""

    key: str
    label: str
    question: str
    options: tuple[Option, ...]
    tone: Literal["scale", "verdict"]
    chosen: str | None = None

    @property
    def field(self) -> str:
        """The form field's name."""
        return f"answer-{self.key}"


@dataclass(frozen=True)
class ScoreView:
    """One automated score as a rater may see it: `movement 97.9  ≥ 80  ✓`. `passed` is None where there is no score."""

    title: str
    value: str
    cut: str
    passed: bool | None


@dataclass(frozen=True)
class Progress:
    """How far the rater has come; `minutes_left` is None until six answers tell the pace."""

    done: int
    total: int
    minutes_left: int | None


@dataclass(frozen=True)
class Room:
    """Everything on the rating page for one clip."""

    study: str
    sender: str
    """A mark of this rater: answers that a browser still keeps for somebody else are not sent from this page."""
    guidelines_html: str
    assignment_id: int
    submission: str
    """A fresh id for browsers without script; the player replaces it by its own before sending."""
    media: str
    next_media: str | None
    criteria: tuple[CriterionView, ...]
    reveal: Reveal
    scores: tuple[ScoreView, ...]
    progress: Progress
    editing: bool
    """True when the rater came back (Undo) to an answer already given."""
    undo: str | None
    """Address of the rater's previous answer, if there is one."""
    problem: str | None = None
    """What was wrong with the answer just sent, in words."""


@dataclass(frozen=True)
class Ended:
    """There is no clip for this rater now; `waiting` when others still hold some that could come free."""

    study: str
    sender: str
    done: int
    undo: str | None
    waiting: bool
