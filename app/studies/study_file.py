"""Read and check study files: TOML texts that define a study before its clips are drawn."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from app.errors import AppError
from app.markdown import hidden_images
from app.sampling.designs import SamplingPlan
from app.settings import HERE
from app.studies import scales
from app.studies.rules import Rules, StudyTable
from app.toml_errors import REMEDY, wrong_keys
from app.toml_text import Name, parsed, place_of, read_text

PRESETS = ("acr", "talkvid")
START = "Start from a preset: clipjury preset acr > study.toml"


class Rubric(StudyTable):
    """Descriptions of good, fair and poor for a criterion, and example clips of the pool."""

    good: str = ""
    fair: str = ""
    poor: str = ""
    good_clip: str = ""
    fair_clip: str = ""
    poor_clip: str = ""


def _known_scale(name: str) -> str:
    if name not in scales.SCALES:
        raise ValueError(f"it must be one of {', '.join(scales.SCALES)}")
    return name


def _options(allowed: Collection[int]) -> str:
    """How many options a scale takes, in words.

    >>> _options((0,)), _options((0, 2)), _options(range(2, 12))
    ('no options', 'none or 2 options', '2 to 11 options')
    """
    least, most = min(allowed), max(allowed)
    return "no options" if most == 0 else f"none or {most} options" if least == 0 else f"{least} to {most} options"


class CriterionSpec(StudyTable):
    """A question for raters, on one of the scales in `scales.SCALES`."""

    key: Name
    label: str
    question: str
    scale: Annotated[str, AfterValidator(_known_scale)]
    required: bool = True
    options: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = ()
    rubric: Rubric = Rubric()

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        allowed = scales.named(self.scale).option_counts
        if len(self.options) not in allowed:
            raise ValueError(f"the scale {self.scale} takes {_options(allowed)}, and {len(self.options)} are given")
        if len(set(self.options)) < len(self.options):
            raise ValueError("two options are the same")
        return self


class FilterSpec(StudyTable):
    """An automated filter. It accepts a clip if `min <= score <= max`; either limit may be missing."""

    name: Name
    title: str
    score: str
    min: float | None = None
    max: float | None = None
    units: str = ""
    criterion: str = ""
    """Key of the criterion it is compared with; by default the study's first accept/reject question."""
    note: str = ""

    @model_validator(mode="after")
    def _has_a_threshold(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a filter needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min lies above max")
        return self


class StudyFile(Rules):
    """A complete study file: the study, and the rules for raters (`studies.rules`)."""

    name: str = Field(min_length=1, max_length=120)
    guidelines: str = Field(min_length=1)
    score_visibility: Literal["shown", "hidden", "after", "randomised"] = "randomised"
    raters_per_clip: int = Field(default=3, ge=1, le=100)
    seed: int = Field(default=1, ge=0, le=2**31 - 1)
    criteria: tuple[CriterionSpec, ...] = Field(min_length=1)
    filters: tuple[FilterSpec, ...] = Field(min_length=1)
    sampling: SamplingPlan

    def deciding_criterion(self, rule: FilterSpec) -> str:
        """Key of the criterion that this filter is compared with."""
        return rule.criterion or next(item.key for item in self.criteria if scales.of(item).has_consensus)

    def rules(self) -> Rules:
        """The rules for raters only, as they are stored with the study."""
        return Rules(**{name: getattr(self, name) for name in Rules.model_fields})


def preset(name: str) -> str:
    """The text of a preset study file, which can be used as it is or edited. Raises AppError."""
    if name not in PRESETS:
        raise AppError(f"There is no preset {name!r}.", f"Presets: {', '.join(PRESETS)}.")
    return (HERE / "presets" / f"{name}.toml").read_text(encoding="utf-8")


def read(path: Path) -> tuple[str, StudyFile]:
    """Text and content of a study file on disk. Raises AppError."""
    try:
        text = read_text(path)
    except PermissionError as error:
        raise AppError(
            f"The account that runs this command may not read {path.absolute()}.", f"Copy it to {Path.cwd()}."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or error) if isinstance(error, OSError) else "it is no UTF-8 text"
        raise AppError(f"The study file {path.absolute()} cannot be read ({why}).", START) from error
    return text, parse(text, str(path))


def toml(text: str, name: str) -> dict[str, Any]:
    """Parse the TOML of a study file without checking it. Raises AppError that names the wrong line."""
    return parsed(text, name, START)


def parse(text: str, name: str) -> StudyFile:
    """Parse and check a study file. Raises AppError that lists all errors with file, line and key."""
    content = toml(text, name)
    try:
        spec = StudyFile.model_validate(content)
    except ValidationError as error:
        raise AppError("\n".join(wrong_keys(error, text, name, StudyFile)), REMEDY) from error
    problems = [f"{place_of(text, name, path)}: {words}." for path, words in _contradictions(spec)]
    if problems:
        raise AppError("\n".join(problems), REMEDY)
    return spec


def check_shape(content: dict[str, Any], text: str, name: str) -> None:
    """Raise AppError, as `parse` does, if a table, list or text is missing or of another kind. Values may be wrong."""
    try:
        StudyFile.model_validate(content)
    except ValidationError as error:
        if any(_is_of_shape(one["type"], one["loc"]) for one in error.errors()):
            raise AppError("\n".join(wrong_keys(error, text, name, StudyFile)), REMEDY) from error


def _is_of_shape(kind: str, path: tuple[int | str, ...]) -> bool:
    is_in_a_list = len(path) > 1 and path[0] in ("criteria", "filters")
    return kind.endswith(("_type", "tag_not_found")) or (kind == "missing" and is_in_a_list)


def _contradictions(spec: StudyFile) -> Iterator[tuple[list[int | str], str]]:
    """Parts of a study file that contradict each other: the path of the key, and what is wrong."""
    yield from _wrong_texts(spec)
    yield from _wrong_questions(spec)
    yield from _wrong_filters(spec)


def _wrong_texts(spec: StudyFile) -> Iterator[tuple[list[int | str], str]]:
    # Not a validator of the models: they also read the rules of studies that exist, whose raters must not lose a page.
    texts: list[tuple[list[int | str], str]] = [(["guidelines"], spec.guidelines)]
    if spec.consent is not None:
        texts.append((["consent", "text"], spec.consent.text))
    for path, text in texts:
        for image in hidden_images(text):
            yield path, str(image)


def _wrong_questions(spec: StudyFile) -> Iterator[tuple[list[int | str], str]]:
    keys = [criterion.key for criterion in spec.criteria]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            yield ["criteria", number, "key"], f"{key!r} is used twice"
    if not any(scales.of(criterion).has_consensus for criterion in spec.criteria):
        names = " or ".join(scale.key for scale in scales.SCALES.values() if scale.has_consensus)
        yield ["criteria", 0, "scale"], f"one criterion must be an accept/reject question ({names})"
    for clip, (role, known) in spec.reference_clips().items():
        for key in known.answers.keys() - set(keys):
            yield [role], f"the answers of {clip} name {key!r}, which is no criterion of this file"


def _wrong_filters(spec: StudyFile) -> Iterator[tuple[list[int | str], str]]:
    names = [rule.name for rule in spec.filters]
    deciding = [criterion.key for criterion in spec.criteria if scales.of(criterion).has_consensus]
    for number, rule in enumerate(spec.filters):
        if rule.name in names[:number]:
            yield ["filters", number, "name"], f"{rule.name!r} is used twice"
        if rule.criterion and rule.criterion not in deciding:
            yield ["filters", number, "criterion"], f"{rule.criterion!r} is no accept/reject criterion of this file"
    for place, name in spec.sampling.named():
        if name not in names:
            yield ["sampling", *place], f"there is no filter {name!r} in this file"
