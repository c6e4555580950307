"""The tables. Forms are never these classes: table models accept wrong values silently."""

from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, MetaData, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.db import UtcTime

# Constraint names must be the same on every database, or migrations cannot speak of them.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: MetaData = SQLModel.metadata


def now() -> datetime:
    """This moment, with its zone."""
    return datetime.now(UTC)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


class Study(SQLModel, table=True):
    """One question put to people about one drawn sample."""

    __table_args__ = (_one_of("score_visibility", "shown", "hidden", "after", "randomised"),)

    id: int = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    name: str
    guidelines: str
    guidelines_hash: str
    score_visibility: str
    raters_per_clip: int
    seed: int
    study_file: str
    """The TOML text the study was made from, whole."""
    pool: str
    pool_fingerprint: str
    pool_clips: int
    design: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """The draw as it was made: kind, seed, strata with population and drawn, notes."""
    has_simulated: bool = False
    show_simulated: bool = False
    """Whether the results pages use the simulated panel. Never both kinds at once."""
    invite_hash: str = Field(unique=True)
    """Hash of the open invite link's token."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Filter(SQLModel, table=True):
    """An automated filter: a score of the pool and the range that it accepts."""

    __table_args__ = (UniqueConstraint("study_id", "name"),)

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    position: int
    name: str
    title: str
    score: str
    units: str = ""
    minimum: float | None = None
    maximum: float | None = None
    criterion: str
    """Key of the criterion whose judgments are this filter's truth."""
    approximate: bool = False
    note: str = ""


class Criterion(SQLModel, table=True):
    """A question put to raters about a clip, and its scale."""

    __table_args__ = (UniqueConstraint("study_id", "key"), _one_of("scale", "acr5", "verdict", "acceptable"))

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    position: int
    key: str
    label: str
    question: str
    scale: str


class StudyClip(SQLModel, table=True):
    """A clip drawn from the pool, with the probability that it had of being drawn and a snapshot of its scores."""

    __table_args__ = (UniqueConstraint("study_id", "clip", "criterion"),)

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    position: int
    clip: str
    criterion: str = ""
    """The one criterion this clip was drawn for; empty means all of the study's."""
    drawn_for: list[str] = Field(default_factory=list, sa_type=JSON)
    """In a borderline draw the filters next to whose thresholds this clip lies; empty otherwise."""
    media: str
    """The video file of the pool."""
    media_key: str = Field(index=True)
    """The name under which browsers get it: random, so that it tells nothing; one per clip and study."""
    source: str
    duration: float
    width: int
    height: int
    stratum: str
    inclusion_probability: float
    weight: float
    scores: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Rater(SQLModel, table=True):
    """Somebody who judges clips in one study: a person, or a simulated panel member of the demo."""

    __table_args__ = (_one_of("kind", "person", "simulated"), UniqueConstraint("study_id", "name"))

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    name: str
    kind: str = "person"
    token_hash: str | None = Field(default=None, unique=True)
    """Hash of a personal invite link's token; None for raters who came by the open link."""
    shuffle: int = Field(sa_type=BigInteger)
    """Multiplier of this rater's own random order over clips."""
    guidelines_hash: str | None = None
    """The guidelines this rater has read; None before the first clip."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class SomeRater(Protocol):
    """What the rating room needs of a rater: the row itself, or the copy that a request read."""

    @property
    def id(self) -> int: ...
    @property
    def study_id(self) -> int: ...
    @property
    def shuffle(self) -> int: ...
    @property
    def guidelines_hash(self) -> str | None: ...
    @property
    def created_at(self) -> datetime: ...


class Assignment(SQLModel, table=True):
    """One of the places a clip has for raters.

    open: free; held: reserved for a rater until `lease_until`; done: answered; expired: the rater went silent and
    the place was given away; skipped: the rater said why not; surplus: answered after the place had gone to
    somebody else, kept but not counted towards the clip's raters.
    """

    __table_args__ = (
        UniqueConstraint("study_clip_id", "rater_id"),
        _one_of("status", "open", "held", "done", "expired", "skipped", "surplus"),
        _one_of("arm", "shown", "hidden", "after"),
        Index(None, "study_id", "status", "study_clip_id"),
        Index(None, "rater_id", "status"),
    )

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id")
    study_clip_id: int = Field(foreign_key="studyclip.id", index=True)
    place: int
    """0 for a clip's first rater, 1 for its second, ..."""
    status: str = "open"
    rater_id: int | None = Field(default=None, foreign_key="rater.id")
    arm: str | None = None
    claimed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    lease_until: datetime | None = Field(default=None, sa_type=UtcTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Judgment(SQLModel, table=True):
    """One answer to one criterion, never changed: an edit is a new row with the next revision."""

    __table_args__ = (
        UniqueConstraint("submission", "criterion_id"),
        UniqueConstraint("assignment_id", "criterion_id", "revision"),
        CheckConstraint("revision >= 1", name="revision"),
    )

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    assignment_id: int = Field(foreign_key="assignment.id")
    criterion_id: int = Field(foreign_key="criterion.id")
    rater_id: int = Field(foreign_key="rater.id", index=True)
    value: str
    revision: int
    submission: str
    """Made in the browser before sending: the same answer sent twice is stored once."""
    arm: str
    guidelines_hash: str
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """How the clip was watched and answered, as the browser reported it."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Event(SQLModel, table=True):
    """Something that happened to a study which no judgment tells: a skip, an expired lease, a changed setting."""

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    kind: str
    rater_id: int | None = Field(default=None, foreign_key="rater.id")
    assignment_id: int | None = Field(default=None, foreign_key="assignment.id")
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
