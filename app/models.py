"""Tables of the database. Forms never use these classes, because table models do not validate values."""

from datetime import UTC, datetime
from typing import Any, Literal, Protocol, get_args

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Index,
    MetaData,
    UniqueConstraint,
    and_,
)
from sqlalchemy.orm import validates
from sqlmodel import Field, SQLModel, col

from app.db import UtcTime

# Constraint names must be the same on every database, because migrations refer to them.
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
    """The current time in UTC."""
    return datetime.now(UTC)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


class Study(SQLModel, table=True):
    """A study: raters judge a sample of clips that was drawn from a pool."""

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
    """The complete TOML text that the study was created from."""
    pool: str
    pool_fingerprint: str
    pool_clips: int
    design: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """How the sample was drawn: kind, seed, strata with their population and the number drawn, notes."""
    rules: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """The rules for raters (`rules.Rules`); empty if the study file has none."""
    state: str = "open"
    """open: raters may rate; paused and closed: they may not; archived: closed and not listed."""
    version: int = 1
    """Increases with every change to what raters see or may do. Cached copies of the study are renewed then."""
    has_simulated: bool = False
    show_simulated: bool = False
    """True if the results pages show the simulated raters instead of people. They are never mixed."""
    invite_hash: str = Field(unique=True)
    """Hash of the secret of the study's own open invite link."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Filter(SQLModel, table=True):
    """An automated filter: a score of the pool and the range of values that it accepts."""

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
    """Key of the criterion whose judgments this filter is compared with."""
    approximate: bool = False
    note: str = ""


class Criterion(SQLModel, table=True):
    """A question that raters answer about each clip, and its scale."""

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
    """Words of a Likert scale from worst to best, words for the two ends of a slider, or the tags to choose from."""
    rubric: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """Descriptions of good, fair and poor, and example clips (`good`, `good_clip`, ...)."""


class Document(SQLModel, table=True):
    """A version of a text that raters read. The newest of each kind is in force; judgments refer to one by its hash."""

    __table_args__ = (UniqueConstraint("study_id", "kind", "hash"), _one_of("kind", "guidelines", "consent"))

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    kind: str
    hash: str
    text: str
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class StudyClip(SQLModel, table=True):
    """A clip of a study, with its inclusion probability and a copy of its scores.

    Clips with `role` "sample" were drawn from the pool, and all results are about them. The other roles enter no
    result: training, qualification and gold clips with known `answers`, attention clips with an instruction in the
    picture, example clips of the rubric. They have no stratum and weight 0.
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
    """Blocks are rated one after the other. Each block holds its share of every stratum, so that a study that stops
    early is balanced."""
    answers: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """Reference answers by criterion key; empty for clips of the sample."""
    reason: str = ""
    """Explanation of the reference answers, shown after a training clip."""
    criterion: str = ""
    """Key of the only criterion asked about this clip; empty if all criteria are asked."""
    drawn_for: list[str] = Field(default_factory=list, sa_type=JSON)
    """In a borderline draw, the filters whose thresholds this clip is close to; empty otherwise."""
    media: str
    """Path of the video file in the pool."""
    media_key: str = Field(index=True)
    """Random name of the prepared file for browsers; one per clip and study."""
    source: str
    duration: float
    width: int
    height: int
    stratum: str
    inclusion_probability: float
    weight: float
    scores: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class PreparedClip(SQLModel, table=True):
    """The file of a prepared clip as it was written: `clipjury check` compares the file with it."""

    id: int = Field(default=None, primary_key=True)
    media_key: str = Field(unique=True)
    size: int = Field(sa_type=BigInteger)
    """Bytes."""
    sha256: str


class Invite(SQLModel, table=True):
    """An open invite link: each person who opens it becomes a rater, at most `cap` of them, until it expires."""

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    label: str = ""
    token_hash: str = Field(unique=True)
    cap: int | None = None
    expires_at: datetime | None = Field(default=None, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class Rater(SQLModel, table=True):
    """A rater in one study: a person, a simulated rater of the demo, or a model.

    Ratings of a model (a vision-language model or another team's tool) arrive through the API. They are compared
    with people's ratings and never enter the consensus.
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
    """Hash of the secret of a personal invite link; None for raters who came through an open link."""
    shuffle: int = Field(sa_type=BigInteger)
    """Multiplier that determines this rater's random order of the clips (`app.rating.rater_order`)."""
    guidelines_hash: str | None = None
    """Hash of the guidelines that this rater has read; None before the first clip."""
    consent_hash: str | None = None
    """Hash of the consent text that this rater agreed to."""
    device: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """Result of the device check, with `passed`; empty before the check."""
    tries: int = 0
    """Number of attempts at the qualification."""
    qualified: bool | None = None
    """True if the qualification was passed; None until it is finished."""
    ended: str = ""
    """How the rater left: completed, screened_out, returned, declined (no consent); empty while they are rating."""
    taken: int = 0
    """Clips handed out so far, without training and qualification: the position in the rater's sequence."""
    language: str = ""
    """Language that this rater chose; empty for the study's language."""
    invite_id: int | None = Field(default=None, foreign_key="invite.id")
    """The open link this rater came through; None for a personal link and for the study's own link."""
    platform_ids: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """The recruitment platform's ids of this rater, study and session."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When the personal link expires; None for never."""
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)
    epoch: int = 0
    """Increases when the personal link is renewed or withdrawn: sessions of an earlier epoch have ended."""


SHUFFLE_PRIME = 1_000_003
"""Modulus of each rater's own order of the clips; larger than the highest position of a study's clips."""


class RaterRecord(Protocol):
    """The fields of a rater that rating needs: those of the row itself, or of the copy that a request read."""

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
    """One rater's task to judge one clip. A clip of the sample has as many places as it needs raters.

    `status` open: the place is free; held: reserved for a rater until `lease_until`; done: answered; expired: the
    rater did not answer in time and the place was given to another rater; skipped: the rater gave a reason not to
    answer; surplus: answered after the place was given to another rater; stored, but the clip does not count it.

    Only assignments with `purpose` "sample" are places. The others belong to one rater from the start, never become
    free for another rater and enter no result: repeats (the same rater and clip, `occasion` 1, 2, ...), gold
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
    """0 for a clip's first rater, 1 for its second, ...; -1 if the assignment has no place number."""
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
    """One answer to one criterion. Rows are never changed: a corrected answer is a new row with the next revision."""

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
    """Id that the browser creates before sending, so that an answer sent twice is stored once."""
    arm: str
    guidelines_hash: str
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """How the clip was watched and answered, as reported by the browser. Only the first row of an answer holds it."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)


class ApiToken(SQLModel, table=True):
    """A token for a program: the hash of its secret, and its scopes."""

    id: int = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    token_hash: str = Field(unique=True)
    scopes: list[str] = Field(default_factory=list, sa_type=JSON)
    """read: studies, progress, estimates; judgments: all answers; write: ratings of models."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)


class ResearcherSession(SQLModel, table=True):
    """A browser in which the researcher is signed in. Signing out deletes the row."""

    id: int = Field(default=None, primary_key=True)
    secret_hash: str = Field(unique=True)
    """Hash of the random secret in the browser's cookie."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    ends_at: datetime = Field(sa_type=UtcTime)


class Exclusion(SQLModel, table=True):
    """A rater's answers do not count, from a moment on. Rows are only added; `lifted_at` is set once, never cleared."""

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    rater_id: int = Field(foreign_key="rater.id")
    excluded_from: datetime | None = Field(default=None, sa_type=UtcTime)
    """Answers given from this moment on do not count; None for all of the rater's answers."""
    rule: str
    """The rule that led to it, by its key; "by hand" for a researcher's own decision."""
    reason: str
    person: str
    """Who decided it."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
    lifted_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When the answers were counted again; None while the exclusion is in force."""


class Event(SQLModel, table=True):
    """Something that happened in a study other than a judgment: a skip, an expired lease, a changed setting."""

    id: int = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", index=True)
    kind: str
    rater_id: int | None = Field(default=None, foreign_key="rater.id")
    assignment_id: int | None = Field(default=None, foreign_key="assignment.id")
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(default_factory=now, sa_type=UtcTime)
