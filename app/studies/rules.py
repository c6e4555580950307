"""The rules for raters in a study file: consent, device check, training, qualification, gold clips, repeats, breaks.

They are tables of the study file and are stored with the study (`Study.rules`).
"""

import json
import re
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.languages import Language
from app.models import Study
from app.toml_text import Name

Share = Annotated[float, Field(ge=0, le=0.5)]


def _checked_code(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("use letters without accents, digits, - and _ only")
    return text


def _checked_url(text: str) -> str:
    if not re.fullmatch(r"(https://\S+)?", text):
        raise ValueError("it must begin with https:// and have no spaces")
    return text


Code = Annotated[str, Field(max_length=80), AfterValidator(_checked_code)]
Url = Annotated[str, Field(max_length=400), AfterValidator(_checked_url)]


class StudyTable(BaseModel):
    """A table of the study file. Unknown keys are errors, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReferenceClipSpec(StudyTable):
    """A clip of the pool with reference answers, one value per criterion key; `reason` explains them to raters."""

    clip: str = Field(min_length=1)
    answers: dict[Name, str] = Field(min_length=1)
    reason: str = ""

    @model_validator(mode="before")
    @classmethod
    def _values_as_text(cls, given: object) -> object:
        """Accept numbers as answers: `quality = 4` means `quality = "4"`."""
        if isinstance(given, dict) and isinstance(given.get("answers"), dict):
            answers = {
                key: str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
                for key, value in given["answers"].items()
            }
            return {**given, "answers": answers}
        return given


class Consent(StudyTable):
    """The text (Markdown) that raters agree to first. Raters must agree again to a changed text."""

    text: str = Field(min_length=1)


class Device(StudyTable):
    """Requirements on a rater's device: viewport in CSS pixels, download speed in Mbit/s; 0 means no requirement."""

    min_width: int = Field(default=0, ge=0, le=10_000)
    min_height: int = Field(default=0, ge=0, le=10_000)
    min_mbit: float = Field(default=0.0, ge=0, le=10_000)


class Training(StudyTable):
    """Training clips with feedback after each, preferably ordered from worst to best. They are not shown again."""

    clips: tuple[ReferenceClipSpec, ...] = Field(min_length=1, max_length=50)


class Qualification(StudyTable):
    """A test before rating: minimum share of right answers. On a numeric scale, right means within `tolerance`."""

    clips: tuple[ReferenceClipSpec, ...] = Field(min_length=1, max_length=50)
    least_correct: float = Field(default=0.7, gt=0, le=1)
    tolerance: int = Field(default=1, ge=0, le=4)
    tries: int = Field(default=2, ge=1, le=10)
    on_failure: Literal["screen_out", "continue"] = "screen_out"


class Gold(StudyTable):
    """Gold clips: clips with reference answers, mixed among the others as a share of all clips."""

    clips: tuple[ReferenceClipSpec, ...] = Field(min_length=1, max_length=200)
    share: Share = 0.1
    tolerance: int = Field(default=1, ge=0, le=4)


class Repeats(StudyTable):
    """Repeats: clips shown to the same rater again, as a share of all clips, at least `apart` clips later."""

    share: Share = 0.05
    apart: int = Field(default=20, ge=20, le=1000)


class Attention(StudyTable):
    """Attention clips, made from clips of the pool: their share of all clips, and how many to make."""

    share: Share = 0.02
    clips: int = Field(default=4, ge=1, le=50)


class Sessions(StudyTable):
    """A break is offered after `break_after` minutes; the first `stabilisers` clips of a session do not count."""

    break_after: int = Field(default=25, ge=5, le=240)
    stabilisers: int = Field(default=0, ge=0, le=10)


class Recruitment(StudyTable):
    """The recruitment platform, and what raters get at the end: a completion code, or a URL that contains `{code}`."""

    platform: Literal["", "prolific", "mturk"] = ""
    cap: int | None = Field(default=None, ge=1, le=100_000)
    """Maximum number of raters through the open link; None for no limit."""
    clips_per_rater: int | None = Field(default=None, ge=1, le=100_000)
    """Number of clips after which a rater is done; None for all clips."""
    completion_code: Code = ""
    screened_out_code: Code = ""
    returned_code: Code = ""
    completion_url: Url = ""


class Rules(StudyTable):
    """All rules for raters, with their defaults."""

    language: Language = "en"
    """Initial language of raters' pages; raters may change it."""
    presentation: Literal["together", "one_by_one"] = "together"
    """All criteria on one page, or one criterion per pass over the clips."""
    watch_to_end: bool = False
    """True if raters can answer only after they have watched the clip to its end."""
    consent: Consent | None = None
    device: Device | None = None
    training: Training | None = None
    qualification: Qualification | None = None
    gold: Gold | None = None
    repeats: Repeats | None = None
    attention: Attention | None = None
    sessions: Sessions = Sessions()
    recruitment: Recruitment = Recruitment()

    @model_validator(mode="after")
    def _each_reference_clip_once(self) -> Self:
        parts = (self.training, self.qualification, self.gold)
        names = [one.clip for part in parts if part is not None for one in part.clips]
        again = sorted({name for name in names if names.count(name) > 1})
        if again:
            raise ValueError(f"the clip {again[0]!r} is used twice among training, qualification and gold clips")
        return self

    def reference_clips(self) -> dict[str, tuple[str, ReferenceClipSpec]]:
        """Reference clips by name, each with its role (training, qualification, gold)."""
        roles = {"training": self.training, "qualification": self.qualification, "gold": self.gold}
        return {one.clip: (role, one) for role, part in roles.items() if part is not None for one in part.clips}


NO_RULES = Rules()


def rules_of(study: Study) -> Rules:
    """The rules of a study. Each version of the text is parsed once."""
    return _read(json.dumps(study.rules, sort_keys=True)) if study.rules else NO_RULES


@lru_cache(maxsize=64)
def _read(text: str) -> Rules:
    return Rules.model_validate_json(text)
