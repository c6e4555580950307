"""The study file: a TOML text that says everything about a study before the first clip is drawn."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import AppError
from app.settings import HERE

PRESETS = ("acr", "talkvid")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CriterionSpec(_Part):
    """A question to raters. Scales: acr5 (1 Bad to 5 Excellent), verdict (accept, reject, unsure), acceptable (two)."""

    key: Name
    label: str
    question: str
    scale: Literal["acr5", "verdict", "acceptable"]


class FilterSpec(_Part):
    """An automated filter: it accepts a clip when `min <= score <= max` (either may be missing)."""

    name: Name
    title: str
    score: str
    min: float | None = None
    max: float | None = None
    units: str = ""
    criterion: str = ""
    """The criterion whose judgments are its truth; by default the study's first accept/reject question."""
    note: str = ""

    @model_validator(mode="after")
    def _has_a_cut(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a filter needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min lies above max")
        return self


class Stratified(_Part):
    """Draw within bands of one filter's score, the filter's cut being a band edge."""

    design: Literal["stratified"]
    by: str
    bands: int = Field(default=4, ge=1, le=20)
    clips: int = Field(default=100, ge=1)
    allocation: Literal["equal", "proportional"] = "equal"


class Borderline(_Part):
    """For each filter the clips nearest its cut: `each` that just pass, `each` that just fail (TalkVid's design)."""

    design: Literal["borderline"]
    each: int = Field(default=50, ge=1)
    filters: tuple[str, ...] = ()
    """Names of the filters to draw for; empty means all."""


class StudyFile(_Part):
    """A whole study file, checked."""

    name: str = Field(min_length=1, max_length=120)
    guidelines: str = Field(min_length=1)
    score_visibility: Literal["shown", "hidden", "after", "randomised"] = "randomised"
    raters_per_clip: int = Field(default=3, ge=1, le=100)
    seed: int = Field(default=1, ge=0, le=2**31 - 1)
    criteria: tuple[CriterionSpec, ...] = Field(min_length=1)
    filters: tuple[FilterSpec, ...] = Field(min_length=1)
    sampling: Annotated[Stratified | Borderline, Field(discriminator="design")]

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        for what, names in (
            ("criterion key", [criterion.key for criterion in self.criteria]),
            ("filter name", [rule.name for rule in self.filters]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"the {what} {twice[0]!r} is used twice")
        deciding = [criterion.key for criterion in self.criteria if criterion.scale != "acr5"]
        if not deciding:
            raise ValueError("one criterion must be an accept/reject question (scale verdict or acceptable)")
        for rule in self.filters:
            if rule.criterion and rule.criterion not in deciding:
                raise ValueError(f"filter {rule.name!r} names {rule.criterion!r}, no accept/reject criterion")
        known = {rule.name for rule in self.filters}
        wanted = {self.sampling.by} if isinstance(self.sampling, Stratified) else set(self.sampling.filters)
        for name in sorted(wanted - known):
            raise ValueError(f"sampling names the filter {name!r}; there is no such filter in this file")
        return self

    def truth_of(self, rule: FilterSpec) -> str:
        """Key of the criterion that judges this filter."""
        return rule.criterion or next(item.key for item in self.criteria if item.scale != "acr5")


def preset(name: str) -> str:
    """The text of a preset study file; a start to edit, and a study as it stands."""
    if name not in PRESETS:
        raise AppError(f"There is no preset {name!r}.", f"Presets: {', '.join(PRESETS)}.")
    return (HERE / "presets" / f"{name}.toml").read_text(encoding="utf-8")


def read(path: Path) -> tuple[str, StudyFile]:
    """Text and content of a study file on disk."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AppError(
            f"The study file {path} cannot be read ({error}).",
            "Start from a preset: clipjury preset acr > study.toml",
        ) from error
    return text, parse(text, str(path))


def parse(text: str, name: str) -> StudyFile:
    """Check a study file's text; every error names file, line and key.

    Raises: AppError naming all that is wrong.
    """
    try:
        return StudyFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise AppError(f"{name} is not TOML: {error}.", "Mend that line and try again.") from error
    except ValidationError as error:
        problems = [_problem(text, name, item["loc"], item["msg"], item["input"]) for item in error.errors()]
        raise AppError("\n".join(problems), "Mend these lines and try again.") from error


def _problem(text: str, name: str, place: tuple[int | str, ...], message: str, given: object) -> str:
    # pydantic puts the chosen design between "sampling" and the key: it is no key of the file.
    path = [part for part in place if part not in ("stratified", "borderline")]
    key = ".".join(str(part) for part in path) or "the file"
    shown = f" (it is {given!r})" if isinstance(given, str | int | float | bool) else ""
    words = message.removeprefix("Value error, ")
    return f"{name}, line {line_of(text, path)}, {key}: {words}{shown}."


def line_of(text: str, path: list[int | str]) -> int:
    """The line (from 1) where a key stands, or its table where the key is missing.

    >>> line_of('name = "x"\\n[[filters]]\\nname = "a"\\n[[filters]]\\nmin = 3\\n', ["filters", 1, "min"])
    5
    """
    start, depth = 0, 0
    lines = text.splitlines()
    if path and len(path) > 1:
        number = path[1] if isinstance(path[1], int) else 0
        heads = [at for at, line in enumerate(lines) if re.match(rf"\s*\[+\s*{path[0]}\s*\]+", line)]
        if number < len(heads):
            start, depth = heads[number], 1
    if not path or (depth == 0 and len(path) > 1):
        return 1
    key = path[-1]
    for at in range(start + depth, len(lines)):
        if depth and lines[at].lstrip().startswith("["):
            break
        if re.match(rf"\s*{re.escape(str(key))}\s*=", lines[at]):
            return at + 1
    return start + 1
