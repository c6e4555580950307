"""The facts of a report: counts, flow, raters, screens and times, read from the database once."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.models import Assignment, Event, Judgment, Rater, Study, StudyClip
from app.monitoring import progress
from app.monitoring.progress import StratumLine
from app.report import preregistration, subgroup_errors
from app.report.preregistration import Version
from app.report.subgroup_errors import SubgroupErrors
from app.results import votes
from app.results.study_results import Results
from app.results.votes import Vote
from app.studies import whole_study
from app.studies.whole_study import StudyParts

COUNTED = ("done", "surplus")


@dataclass(frozen=True)
class Flow:
    """How many clips came through each step; each step's clips are among those of the step before."""

    pool: int
    sampled: int
    shown: int
    rated: int
    usable: int
    """Rated, and with a vote (accept or reject) on a filter's criterion."""
    in_truth: int
    """With a verdict of the majority, for at least one filter's criterion."""


@dataclass(frozen=True)
class RaterFacts:
    """One rater, under the name of the export: a pseudonym."""

    pseudonym: str
    answered: int
    skipped: int
    expired: int
    median_seconds: float | None
    seen_to_the_end: float | None
    """Share of the answers whose clip was seen to at least 95 %; None where no browser told."""
    replays: int
    changes: int


@dataclass(frozen=True)
class Facts:
    """Everything the pack's tables and texts are made from."""

    study: Study
    whole: StudyParts
    results: Results
    flow: Flow
    strata: tuple[StratumLine, ...]
    raters: tuple[RaterFacts, ...]
    arms: dict[str, int]
    """Answers by arm: shown, hidden, after."""
    skips: dict[str, int]
    playback_errors: int
    viewports: dict[str, int]
    """Answers by width of the browser's window, in classes."""
    first_answer: str | None
    last_answer: str | None
    guidelines: tuple[str, ...]
    """Hashes of the guideline versions that answers were given under."""
    clips: dict[int, StudyClip]
    votes: tuple[Vote, ...]
    """The current answers, with raters under their names in the database."""
    pseudonyms: dict[str, str]
    events: dict[str, int]
    plan: tuple[Version, ...]
    """The frozen plan and its amendments; empty when nothing was frozen."""
    subgroups: SubgroupErrors

    @property
    def design(self) -> str:
        """The sample's design: simple, stratified, borderline, two_phase, or what a file of samples called it."""
        design = self.study.design
        return str(design.get("design", design.get("kind", "given")))

    @property
    def seconds_per_answer(self) -> float | None:
        """The middle of the raters' medians."""
        known = [one.median_seconds for one in self.raters if one.median_seconds is not None]
        return median(known) if known else None


def gather(db: Session, study: Study, results: Results) -> Facts:
    """Read all of it. People or the simulated panel, as the results are; never both."""
    whole = whole_study.parts(db, study.id)
    clips = {
        clip.id: clip
        for clip in db.execute(
            select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        ).scalars()
    }
    given = votes.current(db, study, kind=results.kind)
    answers = _answers(db, study, results.kind)
    pseudonyms = pseudonyms_of(db, study, results.kind)
    return Facts(
        study=study,
        whole=whole,
        results=results,
        flow=_flow(db, study, clips, given, results),
        strata=tuple(progress.by_stratum(db, study)),
        raters=tuple(_raters(db, study, answers, pseudonyms)),
        arms=dict(sorted(Counter(row.arm for row in answers).items())),
        skips=progress.skips(db, study),
        playback_errors=sum(1 for row in answers if row.facts.get("playback_error")),
        viewports=_viewports(answers),
        first_answer=min((row.created_at.isoformat() for row in answers), default=None),
        last_answer=max((row.created_at.isoformat() for row in answers), default=None),
        guidelines=tuple(sorted({row.guidelines_hash for row in answers if row.guidelines_hash})),
        clips=clips,
        votes=tuple(given),
        pseudonyms=pseudonyms,
        events=_events(db, study),
        plan=preregistration.versions(db, study),
        subgroups=subgroup_errors.of_study(db, study, results),
    )


def _answers(db: Session, study: Study, kind: str) -> list[Any]:
    """The first revision of every answer to the sample, one row per assignment, with its facts."""
    query = (
        select(
            col(Judgment.rater_id),
            col(Judgment.assignment_id),
            col(Judgment.arm),
            col(Judgment.facts),
            col(Judgment.created_at),
            col(Judgment.guidelines_hash),
        )
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(col(Judgment.study_id) == study.id, col(Judgment.revision) == 1)
        .where(col(Rater.kind) == kind, col(Assignment.purpose) == "sample", col(Assignment.status).in_(COUNTED))
        .order_by(col(Judgment.id))
    )
    first = {row.assignment_id: row for row in reversed(db.execute(query).all())}
    return sorted(first.values(), key=lambda row: row.assignment_id)


def pseudonyms_of(db: Session, study: Study, kind: str) -> dict[str, str]:
    """R1, R2, ... in the order in which raters came."""
    query = (
        select(col(Rater.name)).where(col(Rater.study_id) == study.id, col(Rater.kind) == kind).order_by(col(Rater.id))
    )
    return {name: f"R{number}" for number, name in enumerate(db.execute(query).scalars(), start=1)}


def _flow(db: Session, study: Study, clips: dict[int, StudyClip], given: list[Vote], results: Results) -> Flow:
    taken = db.execute(
        select(func.count(func.distinct(col(Assignment.study_clip_id))))
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.purpose) == "sample")
        .where(col(Rater.kind) == results.kind)
    ).scalar_one()
    rated = db.execute(
        select(func.count(func.distinct(col(Assignment.study_clip_id))))
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.purpose) == "sample")
        .where(col(Assignment.status).in_(COUNTED), col(Rater.kind) == results.kind)
    ).scalar_one()
    deciding = {item.rule.criterion for item in results.filters}
    decided = {one.clip for item in results.filters for one in item.clips if one.verdict is not None}
    return Flow(
        pool=study.pool_clips,
        sampled=len({clip.clip for clip in clips.values()}),
        shown=int(taken),
        rated=int(rated),
        usable=len({vote.clip for vote in given if vote.value != "unsure" and vote.criterion in deciding}),
        in_truth=len(decided),
    )


def _raters(db: Session, study: Study, answers: list[Any], pseudonyms: dict[str, str]) -> list[RaterFacts]:
    by_rater: dict[int, list[Any]] = defaultdict(list)
    for row in answers:
        by_rater[row.rater_id].append(row)
    people = db.execute(select(col(Rater.id), col(Rater.name)).where(col(Rater.study_id) == study.id)).all()
    numbers = {row.name: row.id for row in people}
    lines = {line.name: line for line in progress.by_rater(db, study)}
    return [
        _rater(pseudonym, lines[name].skipped, lines[name].expired, by_rater[numbers[name]])
        for name, pseudonym in pseudonyms.items()
    ]


def _rater(pseudonym: str, skipped: int, expired: int, answers: list[Any]) -> RaterFacts:
    facts = [row.facts for row in answers]
    times = [one["answer_ms"] / 1000 for one in facts if isinstance(one.get("answer_ms"), int | float)]
    seen = [one["seen_share"] for one in facts if isinstance(one.get("seen_share"), int | float)]
    return RaterFacts(
        pseudonym=pseudonym,
        answered=len(answers),
        skipped=skipped,
        expired=expired,
        median_seconds=median(times) if times else None,
        seen_to_the_end=sum(share >= 0.95 for share in seen) / len(seen) if seen else None,
        replays=sum(int(one.get("replays") or 0) for one in facts),
        changes=sum(int(one.get("changes") or 0) for one in facts),
    )


def _viewports(answers: list[Any]) -> dict[str, int]:
    classes: Counter[str] = Counter()
    for row in answers:
        size = row.facts.get("viewport")
        if not isinstance(size, list) or not size or not isinstance(size[0], int | float):
            classes["not reported"] += 1
        else:
            width = size[0]
            classes["under 600 px" if width < 600 else "600 to 1199 px" if width < 1200 else "1200 px and more"] += 1
    return dict(sorted(classes.items()))


def _events(db: Session, study: Study) -> dict[str, int]:
    query = select(col(Event.kind), func.count()).where(col(Event.study_id) == study.id).group_by(col(Event.kind))
    return {kind: int(count) for kind, count in sorted(db.execute(query).all())}
