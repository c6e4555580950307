"""What the rating page shows, as plain values: the server decides, so that the template holds no rules."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.rating.completion import CompletionCode
from app.studies.documents import RubricView
from app.studies.scales import Block

Reveal = Literal["shown", "hidden", "later", "revealed"]
"""shown: with the clip; hidden: never sent; later: sent after the answer; revealed: sent now, after the answer."""


@dataclass(frozen=True)
class Option:
    """One option of a question: the stored value, the word shown, and the key that chooses it (as printed: ⇧3)."""

    value: str
    label: str
    key: str
    code: str
    """What the keyboard sends: `Digit3`, `Shift+Digit3`, `KeyA`."""


@dataclass(frozen=True)
class CriterionView:
    """A question about the clip. `own_words`: the options are the researcher's words and are not translated."""

    key: str
    label: str
    question: str
    options: tuple[Option, ...]
    block: Block
    chosen: str | None = None
    selected: frozenset[str] = frozenset()
    """The chosen values."""
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
        """True if the options need a line each, because there are many or their words are long."""
        return len(self.options) > 5 or any(len(option.label) > 14 for option in self.options)

    def has(self, option: Option) -> bool:
        """True if this option is chosen."""
        return option.value in self.selected


@dataclass(frozen=True)
class Curve:
    """A score per second, as the timeline draws it: `line` and `thresholds` in a box of 1000 x 100, y downwards.

    `worst` is the second with the worst value; None if no second has a value.
    """

    line: str
    thresholds: tuple[float, ...]
    seconds: int
    worst: int | None


@dataclass(frozen=True)
class ScoreView:
    """An automated score as a rater sees it: `movement 97.9  ≥ 80  ✓`. `passed` is None if there is no score."""

    name: str
    title: str
    value: str | None
    threshold: str
    passed: bool | None
    curve: Curve | None = None


@dataclass(frozen=True)
class Progress:
    """The rater's progress. `minutes_left` is None before the sixth answer."""

    done: int
    total: int
    minutes_left: int | None


@dataclass(frozen=True)
class RatingPage:
    """Everything on the rating page for one clip."""

    study: str
    sender: str
    """Identifies the rater to the browser, so that unsent answers of another rater are not sent from this page."""
    guidelines_html: str
    rubrics: tuple[RubricView, ...]
    assignment_id: int
    submission: str
    """A new submission id for browsers without script; the script replaces it before sending."""
    media: str
    next_media: tuple[str, ...]
    """The clips that the browser loads in the meantime, the next one first."""
    criteria: tuple[CriterionView, ...]
    reveal: Reveal
    scores: tuple[ScoreView, ...]
    progress: Progress
    editing: bool
    """True if the rater came back to an answer already given (Undo)."""
    locked: bool
    """True if the clip must be watched to its end before it can be answered."""
    break_after: int
    """Minutes of rating after which a break is offered."""
    undo: str | None
    """Address of the rater's previous answer, if there is one."""
    practice: str = ""
    """"training" or "qualification" before the work; empty during the work."""
    marks: str = "[]"
    """The moments marked in an answer that is being changed, as JSON."""
    problem: str | None = None
    """What was wrong with the answer that was just sent."""


@dataclass(frozen=True)
class PastAnswer:
    """An entry in the rater's list of answers: its time, the questions with their answers, the address to change it."""

    number: int
    """The position among the rater's clips, from 1."""
    address: str
    at: datetime
    said: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class NoMoreClips:
    """There is no clip for this rater now. `waiting`: other raters hold clips that may become free."""

    study: str
    sender: str
    done: int
    undo: str | None
    waiting: bool
    completion_code: CompletionCode
    """The code for the recruitment platform."""
