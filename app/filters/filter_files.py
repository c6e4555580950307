"""Read and write filter files: TOML with a `[[filter]]` table for each filter; and the presets."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import AppError
from app.filters import talkvid_yaml
from app.settings import HERE
from app.toml_errors import REMEDY, wrong_keys
from app.toml_text import Name, parsed, place_of, read_text
from scoring.filters import Filter

PRESETS = ("talkvid",)
START = "Start from a preset: clipjury filters talkvid -o filters.toml"


def _one_line(text: str) -> str:
    if any(category(letter) == "Cc" for letter in text):
        raise ValueError("it must be one line without tabs or other control characters")
    return text


Text = Annotated[str, Field(max_length=80), AfterValidator(_one_line)]
ScoreName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_one_line)]
Bound = Annotated[float, Field(strict=True)]


@dataclass(frozen=True)
class FilterFile:
    """A filter file, read and checked: its `name` for messages, its text, and its filters in order.

    `notes` name what else the file holds; `preset` is true for files that come with ClipJury.
    """

    name: str
    text: str
    filters: tuple[Filter, ...]
    preset: bool = False
    notes: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the text, which the filtered pool records."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class _Table(BaseModel):
    """One `[[filter]]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    score: ScoreName
    name: Name | None = None
    min: Bound | None = None
    max: Bound | None = None
    stage: Text = ""
    rubric: str = ""

    @model_validator(mode="after")
    def _is_a_filter(self) -> Self:
        self.filter()  # the rules of Filter: it has a threshold, the limits are in order, the name is not reserved
        return self

    def filter(self) -> Filter:
        """The filter; its name defaults to that of its score."""
        return Filter(self.name or self.score, self.score, self.min, self.max, self.stage, self.rubric)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    filter: tuple[_Table, ...] = ()


def find(name: str) -> FilterFile:
    """Read the filter file at a path, or the preset of that name; .yml and .yaml files are TalkVid's head thresholds.

    Raises AppError naming file, line and remedy.
    """
    path = Path(name)
    if not path.is_file() and name in PRESETS:
        text = (HERE / "presets" / "filters" / f"{name}.toml").read_text(encoding="utf-8")
        return FilterFile(f"preset {name}", text, parse(text, f"preset {name}"), preset=True)
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        is_preset = path.stem in PRESETS
        remedy = f"The preset is called {path.stem}: --filters {path.stem}" if is_preset else START
        why = (error.strerror or error) if isinstance(error, OSError) else "it is no UTF-8 text"
        raise AppError(f"The filter file {name} cannot be read ({why}).", remedy) from error
    if path.suffix.lower() in (".yml", ".yaml"):
        filters, notes = talkvid_yaml.parse(text, name)
        return FilterFile(name, text, filters, notes=notes)
    return FilterFile(name, text, parse(text, name))


def parse(text: str, name: str) -> tuple[Filter, ...]:
    """Parse the filters of a TOML text; `name` is the name of the file, for messages.

    Raises AppError naming every fault with its line.

    >>> parse('[[filter]]\\nscore = "dover_scores"\\nmin = 7', "mine.toml")[0].name
    'dover_scores'
    """
    content = parsed(text, name, START)
    try:
        filters = tuple(table.filter() for table in _File.model_validate(content).filter)
    except ValidationError as error:
        raise AppError("\n".join(wrong_keys(error, text, name, _File)), REMEDY) from error
    if not filters:
        raise AppError(f"{name} holds no filter.", "Write a [[filter]] table with score and min, max or both.")
    names = [rule.name for rule in filters]
    twice = [
        f"{place_of(text, name, ['filter', place, 'name'])}: {one!r} is used twice."
        for place, one in enumerate(names)
        if one in names[:place]
    ]
    if twice:
        raise AppError("\n".join(twice), "Give each filter a name of its own.")
    return filters


def to_toml(filters: Sequence[Filter]) -> str:
    """Write filters as the text of a filter file; `parse` gives the same filters again.

    >>> print(to_toml([Filter("dover", "dover_scores", minimum=7, stage="quality")]), end="")
    [[filter]]
    name = "dover"
    stage = "quality"
    score = "dover_scores"
    min = 7
    """
    return "\n".join(_table(rule) for rule in filters)


def _table(rule: Filter) -> str:
    lines = ["[[filter]]"]
    if rule.name != rule.score:
        lines.append(f"name = {_quoted(rule.name)}")
    if rule.stage:
        lines.append(f"stage = {_quoted(rule.stage)}")
    lines.append(f"score = {_quoted(rule.score)}")
    ends = (("min", rule.minimum), ("max", rule.maximum))
    lines += [f"{key} = {number(value)}" for key, value in ends if value is not None]
    if rule.rubric:
        lines.append(f"rubric = {_quoted(rule.rubric)}")
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """A number as filter files write it: integers without a point, other numbers with every digit they need.

    >>> [number(value) for value in (80.0, 0.999, 1e300)]
    ['80', '0.999', '1e+300']
    """
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _quoted(text: str) -> str:
    # JSON strings are TOML basic strings, except for one control character that JSON does not escape.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
