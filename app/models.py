"""The tables. Forms are never these classes: table models accept wrong values silently."""

from datetime import UTC, datetime
from typing import Any, Literal, Protocol, get_args

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    CheckConstraint,
    ColumnElement,
    Index,
    MetaData,
    UniqueConstraint,
    and_,
    cast,
)
from sqlalchemy.orm import validates
from sqlmodel import Field, SQLModel, col

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


PurposeBeforeWork = Literal["training", "qualification"]
WorkPurpose = Literal["sample", "repeat", "gold", "attention", "stabiliser"]
PURPOSES_BEFORE_WORK: tuple[PurposeBeforeWork, ...] = get_args(PurposeBeforeWork)
"""Purposes of assignments that come before the work and count neither as done nor as left."""
PURPOSES: tuple[str, ...] = (*get_args(WorkPurpose), *PURPOSES_BEFORE_WORK)
"""What an assignment may be for."""


def now() -> datetime:
    """This moment, with its zone."""
    return datetime.now(UTC)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


class Study(SQLModel, table=True):
    """One question put to people about one drawn sample."""

    __table_args__ = (
        _one_of("score_visibility", "shown", "hidden", "after", "randomised"),
        _one_of("state", "open", "paused", "closed", "archived"),
    )

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
    rules: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """The study file's rules for raters (`rules.Rules`); empty for none."""
    state: str = "open"
    """open: raters may work; paused and closed: they may not; archived: closed, and out of the list."""
    version: int = 1
    """Counts every change to what raters see or may do: copies of the study kept in memory are renewed by it."""
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

    __table_args__ = (UniqueConstraint("study_id", "key"),)

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    position: int
    key: str
    label: str
    question: str
    scale: str
    required: bool = True
    options: list[str] = Field(default_factory=list, sa_type=JSON)
    """The words of a Likert scale from worst to best, the two ends of a slider, or the tags to choose from."""
    rubric: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """What good, fair and poor mean, in words, and the clips that show them (`good`, `good_clip`, ...)."""


class Document(SQLModel, table=True):
    """A version of the text raters agreed to. The newest of a kind is in force; judgments name theirs by its hash."""

    __table_args__ = (UniqueConstraint("study_id", "kind", "hash"), _one_of("kind", "guidelines", "consent"))

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    kind: str
    hash: str
    text: str
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class StudyClip(SQLModel, table=True):
    """A clip drawn from the pool, with the probability that it had of being drawn and a snapshot of its scores.

    `role` "sample": drawn, and what every result speaks of. The others serve the raters' side and no result: training,
    qualification and gold clips with known `answers`, attention clips with an instruction burnt in, example clips
    of the rubric. They have no stratum and weight 0.
    """

    __table_args__ = (
        UniqueConstraint("study_id", "clip", "criterion", "role"),
        _one_of("role", "sample", *PURPOSES_BEFORE_WORK, "gold", "attention", "example"),
    )

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    position: int
    clip: str
    role: str = "sample"
    block: int = 0
    """Blocks are worked off one after the other; each holds its share of every stratum, so that stopping early
    leaves a balanced study."""
    answers: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """The known right answers by criterion key; empty for clips of the sample."""
    reason: str = ""
    """Why they are right, told after a training clip."""
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


class Invite(SQLModel, table=True):
    """An open invite link: everybody who opens it becomes a rater, up to `cap` of them, until it expires."""

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    label: str = ""
    token_hash: str = Field(unique=True)
    cap: int | None = None
    expires_at: datetime | None = Field(default=None, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Rater(SQLModel, table=True):
    """Somebody who judges clips in one study: a person, a simulated panel member of the demo, or a model.

    A model's ratings (a vision-language model's, another team's) come in by the API; they are compared with
    people's and never enter the truth.
    """

    __table_args__ = (
        _one_of("kind", "person", "simulated", "model"),
        _one_of("ended", "", "completed", "screened_out", "returned", "declined"),
        UniqueConstraint("study_id", "name"),
    )

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
    consent_hash: str | None = None
    """The consent text this rater agreed to."""
    device: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """What the device check found, with `passed`; empty before it."""
    tries: int = 0
    """Qualification tries used up."""
    qualified: bool | None = None
    """Whether the qualification was passed; None before it is over."""
    ended: str = ""
    """How the rater's work ended: completed, screened_out, returned, declined (no consent); empty while it goes on."""
    taken: int = 0
    """Clips taken so far in the work itself: the position in the rater's own sequence."""
    language: str = ""
    """The language this rater chose; empty for the study's."""
    invite_id: int | None = Field(default=None, foreign_key="invite.id")
    """The open link this rater came by; None for a personal one and for the study's first."""
    platform_ids: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """What the recruitment platform calls this rater, study and session."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When a personal link ends; None for never."""
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


SHUFFLE_PRIME = 1_000_003
"""Modulus of each rater's own order of the clips; larger than the highest position of a study's clips."""


def shuffled_order(shuffle: int | BindParameter[int]) -> ColumnElement[int]:
    """SQL value that sorts a study's clips into the order of the rater with this `Rater.shuffle`.

    It is position * shuffle modulo SHUFFLE_PRIME, a permutation of the positions. The product needs 64 bits:
    PostgreSQL would refuse it as a 32-bit integer from position 2,148 on for the largest multipliers.
    """
    return (cast(col(StudyClip.position), BigInteger) * shuffle) % SHUFFLE_PRIME


class RaterRecord(Protocol):
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
    def language(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


class Assignment(SQLModel, table=True):
    """One of the places a clip has for raters.

    open: free; held: reserved for a rater until `lease_until`; done: answered; expired: the rater went silent and
    the place was given away; skipped: the rater said why not; surplus: answered after the place had gone to
    somebody else, kept but not counted towards the clip's raters.

    Only those with `purpose` "sample" are places. The others belong to one rater from the start, are never opened
    for somebody else and enter no result of the sample: repeats (the same rater and clip, `occasion` 1, 2, ...), gold
    and attention clips, stabilisers, training, qualification.
    """

    __table_args__ = (
        UniqueConstraint("study_clip_id", "rater_id", "occasion"),
        _one_of("status", "open", "held", "done", "expired", "skipped", "surplus"),
        _one_of("arm", "shown", "hidden", "after"),
        Index(None, "study_id", "status", "study_clip_id"),
        Index(None, "study_id", "status", "place"),
        Index(None, "rater_id", "status"),
    )

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id")
    study_clip_id: int = Field(foreign_key="studyclip.id", index=True)
    place: int
    """0 for a clip's first rater, 1 for its second, ...; -1 for what is no place."""
    purpose: str = "sample"
    occasion: int = 0
    status: str = "open"
    rater_id: int | None = Field(default=None, foreign_key="rater.id")
    arm: str | None = None
    claimed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    lease_until: datetime | None = Field(default=None, sa_type=UtcTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcTime)

    @validates("purpose")
    def _known_purpose(self, _column: str, purpose: str) -> str:
        """The database has no CHECK, so that a new purpose needs no migration."""
        if purpose not in PURPOSES:
            raise ValueError(f"an assignment has no purpose {purpose!r}; purposes are {', '.join(PURPOSES)}")
        return purpose


def is_work(assignments: type[Assignment] = Assignment) -> ColumnElement[bool]:
    """The condition in SQL that an assignment is part of the work itself, not of the training or the test before it."""
    # Compared one by one: a list is written anew for each statement, which takes 100 µs.
    return and_(*(col(assignments.purpose) != purpose for purpose in PURPOSES_BEFORE_WORK))


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


class ApiToken(SQLModel, table=True):
    """Lets a program in: the hash of its secret, and what it may do."""

    id: int = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    token_hash: str = Field(unique=True)
    scopes: list[str] = Field(default_factory=list, sa_type=JSON)
    """read: studies, progress, estimates; judgments: every answer; write: ratings of models."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Event(SQLModel, table=True):
    """Something that happened to a study which no judgment tells: a skip, an expired lease, a changed setting."""

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    kind: str
    rater_id: int | None = Field(default=None, foreign_key="rater.id")
    assignment_id: int | None = Field(default=None, foreign_key="assignment.id")
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
