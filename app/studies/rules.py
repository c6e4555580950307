"""The rules of a study that raters meet: consent, device check, training, qualification, gold clips, repeats, breaks.

They stand in the study file as tables of these names and are kept with the study (`Study.rules`).
"""

import json
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.languages import Language
from app.models import Study
from app.toml_text import Name

Share = Annotated[float, Field(ge=0, le=0.5)]
Code = Annotated[str, Field(max_length=80, pattern=r"^[A-Za-z0-9_-]*$")]


class StudyTable(BaseModel):
    """A table of the study file: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReferenceClipSpec(StudyTable):
    """A clip of the pool whose right answers are known, one value per criterion key; `reason` tells raters why."""

    clip: str = Field(min_length=1)
    answers: dict[Name, str] = Field(min_length=1)
    reason: str = ""

    @model_validator(mode="before")
    @classmethod
    def _values_as_text(cls, given: object) -> object:
        """`quality = 4` and `quality = "4"` are the same answer."""
        if isinstance(given, dict) and isinstance(given.get("answers"), dict):
            answers = {
                key: str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
                for key, value in given["answers"].items()
            }
            return {**given, "answers": answers}
        return given


class Consent(StudyTable):
    """What raters agree to before anything else (Markdown). A changed text is asked again."""

    text: str = Field(min_length=1)


class Device(StudyTable):
    """What a rater's browser must offer: viewport in CSS pixels, speed of the line in Mbit/s; 0 asks for nothing."""

    min_width: int = Field(default=0, ge=0, le=10_000)
    min_height: int = Field(default=0, ge=0, le=10_000)
    min_mbit: float = Field(default=0.0, ge=0, le=10_000)


class Training(StudyTable):
    """Clips with feedback and its reason after each; best from worst to best. Never shown again."""

    clips: tuple[ReferenceClipSpec, ...] = Field(min_length=1, max_length=50)


class Qualification(StudyTable):
    """A test before the work: the least share of right answers; on a numeric scale right means within `tolerance`."""

    clips: tuple[ReferenceClipSpec, ...] = Field(min_length=1, max_length=50)
    least_correct: float = Field(default=0.7, gt=0, le=1)
    tolerance: int = Field(default=1, ge=0, le=4)
    tries: int = Field(default=2, ge=1, le=10)
    on_failure: Literal["screen_out", "continue"] = "screen_out"


class Gold(StudyTable):
    """Clips with known answers, mixed silently into the work: a share of all clips, judged within `tolerance`."""

    clips: tuple[ReferenceClipSpec, ...] = Field(min_length=1, max_length=200)
    share: Share = 0.1
    tolerance: int = Field(default=1, ge=0, le=4)


class Repeats(StudyTable):
    """Clips shown to the same rater again, silently: a share of all clips, at least `apart` clips later."""

    share: Share = 0.05
    apart: int = Field(default=20, ge=20, le=1000)


class Attention(StudyTable):
    """Clips with an instruction burnt into the picture, made from clips of the pool: a share, and how many to make."""

    share: Share = 0.02
    clips: int = Field(default=4, ge=1, le=50)


class Sessions(StudyTable):
    """A break is offered after so many minutes; the first `stabilisers` clips of a sitting do not count."""

    break_after: int = Field(default=25, ge=5, le=240)
    stabilisers: int = Field(default=0, ge=0, le=10)


class Recruitment(StudyTable):
    """Where raters come from, and what they get at the end: a code, or an address with `{code}` to be sent to."""

    platform: Literal["", "prolific", "mturk"] = ""
    cap: int | None = Field(default=None, ge=1, le=100_000)
    """How many raters the open link lets in; None for no limit."""
    clips_per_rater: int | None = Field(default=None, ge=1, le=100_000)
    """A rater is done after so many clips; None for all there are."""
    completion_code: Code = ""
    screened_out_code: Code = ""
    returned_code: Code = ""
    completion_url: str = Field(default="", max_length=400, pattern=r"^(https://\S+)?$")


class Rules(StudyTable):
    """All rules together, with what holds when the study file says nothing."""

    language: Language = "en"
    """The language of the rater's pages at first; raters may change it."""
    presentation: Literal["together", "one_by_one"] = "together"
    """All criteria on one screen, or one criterion per pass over the clips."""
    watch_to_end: bool = False
    """Whether the answer unlocks only when the clip has been seen to its end."""
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
    def _each_known_clip_once(self) -> Self:
        parts = (self.training, self.qualification, self.gold)
        names = [one.clip for part in parts if part is not None for one in part.clips]
        again = sorted({name for name in names if names.count(name) > 1})
        if again:
            raise ValueError(f"the clip {again[0]!r} is used twice among training, qualification and gold clips")
        return self

    def reference_clips(self) -> dict[str, tuple[str, ReferenceClipSpec]]:
        """Every clip with known answers by its name, with its role (training, qualification, gold)."""
        roles = {"training": self.training, "qualification": self.qualification, "gold": self.gold}
        return {one.clip: (role, one) for role, part in roles.items() if part is not None for one in part.clips}


NO_RULES = Rules()


def rules_of(study: Study) -> Rules:
    """The study's rules; read once for each text of them."""
    return _read(json.dumps(study.rules, sort_keys=True)) if study.rules else NO_RULES


@lru_cache(maxsize=64)
def _read(text: str) -> Rules:
    return Rules.model_validate_json(text)
