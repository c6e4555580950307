"""Scales of the questions that raters answer: one entry per scale, with everything that differs between scales.

To add a scale, add an entry to `SCALES`. Rating pages, checks, statistics, exports and the report read it from there.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from analysis.ratings import Metric, Scale
from app.errors import AppError

MAX_TEXT = 2_000
"""Characters of a free text."""
SLIDER = tuple(str(step) for step in range(101))
Block = Literal["choices", "marked", "range", "checkboxes", "textarea"]
"""How templates/rating/questions.html shows a question: a list of choices, choices with a mark and a colour each,
a slider, boxes to check, or a text field."""
KeyRule = Literal["none", "digits", "own", "free"]
"""Which keys choose the answers: digits 1 to 9 and 0, each choice's own letter, or the next free letters."""


class Question(Protocol):
    """A question to raters: a row of the database or an entry of a study file."""

    @property
    def label(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def options(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Choice:
    """One answer to choose: the value stored, the word shown, and its own letter on the keyboard, if any."""

    value: str
    word: str
    key: str = ""


@dataclass(frozen=True)
class Control:
    """The Label Studio control that shows a question (labelstud.io/tags), and the form of its results.

    A result is `{"type": tag in small letters, "value": {value_field: ...}}`, with a number if `is_number`, otherwise
    with a list of words.
    """

    tag: str
    value_field: str
    attributes: dict[str, str] = field(default_factory=dict)
    is_number: bool = False


ONE_CHOICE = Control("Choices", "choices", {"choice": "single"})


@dataclass(frozen=True)
class RatingScale:
    """A scale with fixed answers. Subclasses take their answers from the question's options, or are free."""

    key: str
    """The scale's name in study files and in the database."""
    title: str
    """Its name in the form for new studies."""
    description: str
    """What the report's methods paragraph says about it."""
    choices: tuple[Choice, ...] = ()
    """The fixed answers in the order shown."""
    block: Block = "choices"
    keys: KeyRule = "none"
    option_counts: Collection[int] = (0,)
    """How many `options` a question of this scale may have."""
    metric: Metric | None = None
    """How far apart answers are, for agreement statistics; None if no agreement is computed."""
    levels: tuple[str, ...] = ()
    """The answers from worst to best, if that is not the order shown."""
    missing: frozenset[str] = frozenset()
    """Answers that are no vote."""
    step: int = 0
    """Values that a tolerance of 1 spans when an answer is compared with the right one; 0 if it must be equal.

    A clip is disputed if two of its answers are further apart.
    """
    has_consensus: bool = False
    """True if answers are accept or reject: a strict majority of them is the consensus that filters are judged by."""
    control: Control = ONE_CHOICE

    @property
    def has_agreement(self) -> bool:
        """True if agreement is computed."""
        return self.metric is not None

    @property
    def has_points(self) -> bool:
        """True if answers are numbers in order, so that means, bias and drift of raters exist."""
        return self.metric not in (None, "nominal")

    @property
    def is_one_choice(self) -> bool:
        """True if raters choose one answer of a short list."""
        return self.block in ("choices", "marked")

    def shown(self, options: Sequence[str]) -> tuple[Choice, ...]:  # noqa: ARG002 - subclasses read the options
        """What the rating page shows: the choices, or the words at the ends of a slider."""
        return self.choices

    def words(self, options: Sequence[str]) -> dict[str, str]:
        """Every value and its word in the order shown; empty for free text."""
        return {choice.value: choice.word for choice in self.shown(options)}

    def parts(self, value: str) -> list[str]:
        """The single values in a stored answer: more than one only if several can be chosen."""
        return [value]

    def read(self, question: Question, given: str) -> str:
        """A given answer as it is stored; "" if nothing was chosen. Raises AppError if it is off the scale."""
        if given not in self.words(question.options):
            raise _no_value(question, given)
        return given

    def rule(self, options: Sequence[str]) -> str:
        """In words, which values an answer may have."""
        return ", ".join(self.words(options))


@dataclass(frozen=True)
class StepScale(RatingScale):
    """Steps from worst to best; the question's options are their words."""

    def shown(self, options: Sequence[str]) -> tuple[Choice, ...]:
        """The steps 1, 2, ... with their words."""
        return tuple(Choice(str(step), word) for step, word in enumerate(options, start=1))


@dataclass(frozen=True)
class SliderScale(RatingScale):
    """Whole numbers from 0 to 100; the question's options are the words at both ends."""

    def shown(self, options: Sequence[str]) -> tuple[Choice, ...]:
        """The words at both ends."""
        return tuple(Choice("", word) for word in options)

    def words(self, options: Sequence[str]) -> dict[str, str]:  # noqa: ARG002 - the same for every question
        """Every number is its own word."""
        return {value: value for value in SLIDER}

    def rule(self, options: Sequence[str]) -> str:  # noqa: ARG002 - the same for every question
        """In words, which values an answer may have."""
        return "0 to 100"


@dataclass(frozen=True)
class TagScale(RatingScale):
    """Any number of the question's options; an answer is a JSON list of the chosen ones in the study file's order."""

    def shown(self, options: Sequence[str]) -> tuple[Choice, ...]:
        """Every option."""
        return tuple(Choice(tag, tag) for tag in options)

    def parts(self, value: str) -> list[str]:
        """The chosen tags; none if the value is no list.

        >>> SCALES["tags"].parts('["blur", "noise"]')
        ['blur', 'noise']
        """
        try:
            return [str(tag) for tag in json.loads(value)]
        except (ValueError, TypeError, RecursionError):
            return []

    def read(self, question: Question, given: str) -> str:
        """The chosen tags in the study file's order, each once."""
        try:
            chosen = json.loads(given)
        except (ValueError, RecursionError):
            chosen = None
        if not isinstance(chosen, list) or not all(isinstance(tag, str) for tag in chosen):
            raise AppError(f"{question.label} could not be read.", "Reload the page and answer again.", status=422)
        unknown = [tag for tag in chosen if tag not in question.options]
        if unknown:
            raise _no_value(question, unknown[0])
        kept = [tag for tag in question.options if tag in chosen]
        return json.dumps(kept, ensure_ascii=False) if kept else ""

    def rule(self, options: Sequence[str]) -> str:
        """In words, which values an answer may have."""
        return f"a JSON list of {', '.join(options)}"


@dataclass(frozen=True)
class TextScale(RatingScale):
    """Free text of up to `MAX_TEXT` characters."""

    def read(self, question: Question, given: str) -> str:
        """The text itself."""
        if len(given) > MAX_TEXT:
            raise AppError(f"{question.label} is too long.", f"Keep to {MAX_TEXT:,} characters.", status=422)
        if "\0" in given:  # PostgreSQL stores no such text
            raise AppError(f"{question.label} holds a character that is no text.", "Type it anew.", status=422)
        return given

    def rule(self, options: Sequence[str]) -> str:  # noqa: ARG002 - the same for every question
        """In words, which values an answer may have."""
        return f"text of up to {MAX_TEXT:,} characters"


_ENTRIES = (
    RatingScale(
        key="acceptable",
        title="Acceptable or not",
        description="acceptable or unacceptable",
        choices=(Choice("accept", "Acceptable", "A"), Choice("reject", "Unacceptable", "R")),
        block="marked",
        keys="own",
        metric="nominal",
        levels=("reject", "accept"),
        has_consensus=True,
    ),
    RatingScale(
        key="verdict",
        title="Accept, reject, unsure",
        description="accept, reject or unsure",
        choices=(Choice("accept", "Accept", "A"), Choice("reject", "Reject", "R"), Choice("unsure", "Unsure", "U")),
        block="marked",
        keys="own",
        metric="nominal",
        levels=("reject", "accept"),
        missing=frozenset({"unsure"}),
        has_consensus=True,
    ),
    RatingScale(
        key="acr5",
        title="Bad to excellent (1 to 5)",
        description="five categories from Bad to Excellent, ITU-T P.910",
        # ITU-T P.910 category rating; the words are fixed.
        choices=(
            Choice("1", "Bad"),
            Choice("2", "Poor"),
            Choice("3", "Fair"),
            Choice("4", "Good"),
            Choice("5", "Excellent"),
        ),
        keys="digits",
        metric="ordinal",
        step=1,
        control=Control("Rating", "rating", {"maxRating": "5"}, is_number=True),
    ),
    StepScale(
        key="likert",
        title="Likert",
        description="a Likert scale",
        keys="digits",
        option_counts=range(2, 12),
        metric="ordinal",
        step=1,
    ),
    SliderScale(
        key="slider",
        title="Slider, 0 to 100",
        description="a slider from 0 to 100",
        block="range",
        option_counts=(0, 2),
        metric="interval",
        step=10,  # a tenth of the range, about as much as one of five categories
        control=Control("Number", "number", {"min": "0", "max": "100", "slider": "true"}, is_number=True),
    ),
    TagScale(
        key="tags",
        title="Tags",
        description="any number of tags",
        block="checkboxes",
        keys="free",
        option_counts=range(1, 31),
        control=Control("Choices", "choices", {"choice": "multiple"}),
    ),
    TextScale(
        key="text",
        title="Free text",
        description="free text",
        block="textarea",
        control=Control("TextArea", "text"),
    ),
)
SCALES: dict[str, RatingScale] = {entry.key: entry for entry in _ENTRIES}
"""Every scale by its key, in the order in which forms list them."""


def named(key: str) -> RatingScale:
    """A scale by its key. Raises AppError with the keys there are."""
    if key not in SCALES:
        raise AppError(f"There is no scale {key!r}.", f"Scales: {', '.join(SCALES)}.")
    return SCALES[key]


def of(question: Question) -> RatingScale:
    """The scale of a question."""
    return named(question.scale)


def without_options() -> list[RatingScale]:
    """The scales whose questions need no options."""
    return [scale for scale in SCALES.values() if 0 in scale.option_counts]


def fixed_words() -> frozenset[str]:
    """The words of all fixed answers: those that are translated, unlike a researcher's own options."""
    return frozenset(choice.word for scale in SCALES.values() for choice in scale.choices)


def values_of(question: Question) -> tuple[str, ...]:
    """The values an answer may have, in the order shown; none for free text."""
    return tuple(of(question).words(question.options))


def word(question: Question, value: str) -> str:
    """A stored answer in words: those of the page it was given on.

    >>> from app.models import Criterion
    >>> quality = Criterion(study_id=1, position=0, key="quality", label="Quality", question="?", scale="acr5")
    >>> word(quality, "4")
    'Good'
    """
    return ", ".join(words_of(question, value))


def words_of(question: Question, value: str) -> list[str]:
    """A stored answer in words, one for each single value in it."""
    scale = of(question)
    words = scale.words(question.options)
    return [words.get(part, part) for part in scale.parts(value)]


def checked(question: Question, value: str | None) -> str | None:
    """An answer as it is stored; None for an optional question without one. Raises AppError if it is off the scale."""
    given = (value or "").strip()
    stored = of(question).read(question, given) if given else ""
    if stored:
        return stored
    if question.required:
        raise AppError(f"{question.label} is not answered yet.", "Choose one value for every question.", status=422)
    return None


def statistical(question: Question) -> Scale:
    """A question's scale as agreement statistics read it. Raises ValueError if no agreement is computed."""
    scale = of(question)
    if scale.metric is None:
        raise ValueError(f"no agreement is computed over the scale {scale.key}")
    levels = scale.levels or tuple(value for value in values_of(question) if value not in scale.missing)
    return Scale(scale.key, levels, scale.metric, scale.missing)


def counted(question: Question, values: Sequence[str]) -> tuple[tuple[str, str, int], ...]:
    """Each value, its word, and how many answers hold it; a slider's values only if one does, none of free text."""
    scale = of(question)
    single = [part for value in values for part in scale.parts(value)]
    return tuple(
        (value, word, single.count(value))
        for value, word in scale.words(question.options).items()
        if value in single or scale.block != "range"
    )


def _no_value(question: Question, given: str) -> AppError:
    return AppError(f"{question.label} has no value {given[:20]!r}.", "Choose one of those shown.", status=422)
