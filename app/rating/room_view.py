"""What the rating page shows: plain values, decided by the server, so that the template holds no rule."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.rating.completion import Farewell
from app.studies.documents import RubricView
from app.studies.scales import Block

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
    """One question about the clip; `own_words` when the options are the researcher's words, never translated."""

    key: str
    label: str
    question: str
    options: tuple[Option, ...]
    block: Block
    chosen: str | None = None
    selected: frozenset[str] = frozenset()
    """The values that are chosen now."""
    required: bool = True
    own_words: bool = False

    @property
    def field(self) -> str:
        """The form field's name; tags are the one field that may be sent several times."""
        return f"{'tag' if self.has_several else 'answer'}-{self.key}"

    @property
    def has_several(self) -> bool:
        """True if any number of the options may be chosen."""
        return self.block == "checkboxes"

    @property
    def is_long(self) -> bool:
        """Whether the options stand in lines of their own: many, or long words."""
        return len(self.options) > 5 or any(len(option.label) > 14 for option in self.options)

    def has(self, option: Option) -> bool:
        """Whether this option is chosen."""
        return option.value in self.selected


@dataclass(frozen=True)
class Curve:
    """A score second by second, as the timeline draws it: `line` and `cuts` in a box of 1000 x 100, y downwards.

    `worst` is the second with the worst value, None where no second has one.
    """

    line: str
    cuts: tuple[float, ...]
    seconds: int
    worst: int | None


@dataclass(frozen=True)
class ScoreView:
    """One automated score as a rater may see it: `movement 97.9  ≥ 80  ✓`. `passed` is None where there is no score."""

    title: str
    value: str | None
    cut: str
    passed: bool | None
    curve: Curve | None = None


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
    rubrics: tuple[RubricView, ...]
    assignment_id: int
    submission: str
    """A fresh id for browsers without script; the player replaces it by its own before sending."""
    media: str
    next_media: tuple[str, ...]
    """The clips the browser loads meanwhile, the nearest first."""
    criteria: tuple[CriterionView, ...]
    reveal: Reveal
    scores: tuple[ScoreView, ...]
    progress: Progress
    editing: bool
    """True when the rater came back (Undo) to an answer already given."""
    locked: bool
    """Whether the answer unlocks only when the clip has been seen to its end."""
    break_after: int
    """Minutes of rating after which a break is offered."""
    undo: str | None
    """Address of the rater's previous answer, if there is one."""
    practice: str = ""
    """training or qualification, before the work; empty in it."""
    marks: str = "[]"
    """The moments marked with an answer that is being changed, in JSON."""
    problem: str | None = None
    """What was wrong with the answer just sent, in words."""


@dataclass(frozen=True)
class PastAnswer:
    """A line of the rater's list of answers: when, what was said (question and words), and where to change it."""

    number: int
    """Which of the rater's clips it was, from 1."""
    address: str
    at: datetime
    said: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ended:
    """There is no clip for this rater now; `waiting` when others still hold some that could come free."""

    study: str
    sender: str
    done: int
    undo: str | None
    waiting: bool
    farewell: Farewell
    """What the rater takes back to where they were recruited."""
