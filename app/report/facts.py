"""Read the facts of a report from the database once: counts, flow of clips, raters, screens and times."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.models import Assignment, Judgment, Rater, Study, StudyClip
from app.monitoring import answer_counts, skipped_clips
from app.monitoring.answer_counts import StratumAnswerCounts
from app.rating.playback_facts import well_formed
from app.report import preregistration, subgroup_errors
from app.report.preregistration import PlanVersion
from app.report.subgroup_errors import SubgroupErrors
from app.results import votes
from app.results.study_results import Results
from app.results.votes import Vote
from app.studies import whole_study
from app.studies.whole_study import StudyParts

ANSWERED = ("done", "surplus")
"""States of an assignment that has an answer."""


@dataclass(frozen=True)
class SampleFlow:
    """The number of clips after each step, from the pool to the consensus."""

    pool: int
    sampled: int
    shown: int
    rated: int
    usable: int
    """Rated, and with a vote (accept or reject) on a filter's criterion."""
    with_consensus: int
    """With a consensus on at least one filter's criterion."""


@dataclass(frozen=True)
class RaterFacts:
    """One rater, under the pseudonym that exports use."""

    pseudonym: str
    answered: int
    skipped: int
    expired: int
    median_seconds: float | None
    seen_to_the_end: float | None
    """Share of the answers whose clip was seen to at least 95 %; None if no browser reported it."""
    replays: int
    changes: int


@dataclass(frozen=True)
class ReportFacts:
    """Everything that the tables and texts of the report are made from."""

    study: Study
    parts: StudyParts
    results: Results
    flow: SampleFlow
    strata: tuple[StratumAnswerCounts, ...]
    raters: tuple[RaterFacts, ...]
    arms: dict[str, int]
    """Number of answers by arm: shown, hidden, after."""
    skips: dict[str, int]
    playback_errors: int
    viewports: dict[str, int]
    """Number of answers by class of the browser window's width."""
    first_answer: str | None
    last_answer: str | None
    guidelines: tuple[str, ...]
    """Hashes of the versions of the guidelines that raters followed."""
    clips: dict[int, StudyClip]
    votes: tuple[Vote, ...]
    """The answers that count, with the names of the raters in the database."""
    pseudonyms: dict[str, str]
    plan: tuple[PlanVersion, ...]
    """The frozen plan and its amendments; empty if no plan is frozen."""
    subgroups: SubgroupErrors

    @property
    def design(self) -> str:
        """The name of the sample's design: simple, stratified, borderline, two_phase, or that of a sample file."""
        design = self.study.design
        return str(design.get("design", design.get("kind", "given")))

    @property
    def resampled(self) -> str:
        """What the intervals of agreement resample, as the estimates' signatures say: clips or source videos."""
        made = (one.signature for item in self.results.criteria for one in item.estimates.values())
        return "source videos" if any("|unit:source|" in signature for signature in made) else "clips"

    @property
    def seconds_per_answer(self) -> float | None:
        """The median of the raters' medians; None if no browser reported times."""
        medians = [rater.median_seconds for rater in self.raters if rater.median_seconds is not None]
        return median(medians) if medians else None


def gather(db: Session, study: Study, results: Results) -> ReportFacts:
    """Read all facts about the raters of the results' kind: people or the simulated panel, never both."""
    clips = {
        clip.id: clip
        for clip in db.execute(
            select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
        ).scalars()
    }
    current = votes.read(db, study, kind=results.kind)
    answers = _answers(db, study, results.kind)
    pseudonyms = pseudonyms_of(db, study, results.kind)
    return ReportFacts(
        study=study,
        parts=whole_study.parts(db, study.id),
        results=results,
        flow=_flow(db, study, clips, current, results),
        strata=tuple(answer_counts.by_stratum(db, study)),
        raters=tuple(_raters(db, study, answers, pseudonyms)),
        arms=dict(sorted(Counter(row.arm for row in answers).items())),
        skips=skipped_clips.by_reason(db, study),
        playback_errors=sum(1 for row in answers if row.facts.get("playback_error")),
        viewports=_viewports(answers),
        first_answer=min((row.created_at.isoformat() for row in answers), default=None),
        last_answer=max((row.created_at.isoformat() for row in answers), default=None),
        guidelines=tuple(sorted({row.guidelines_hash for row in answers if row.guidelines_hash})),
        clips=clips,
        votes=tuple(current),
        pseudonyms=pseudonyms,
        plan=preregistration.versions(db, study),
        subgroups=subgroup_errors.of_study(db, study, results),
    )


def _answers(db: Session, study: Study, kind: str) -> list[Any]:
    """The first revision of every answer to a clip of the sample, one row per assignment."""
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
        .where(col(Rater.kind) == kind, col(Assignment.purpose) == "sample", col(Assignment.status).in_(ANSWERED))
        .order_by(col(Judgment.id))
    )
    first = {row.assignment_id: row for row in reversed(db.execute(query).all())}
    return sorted(first.values(), key=lambda row: row.assignment_id)


def pseudonyms_of(db: Session, study: Study, kind: str) -> dict[str, str]:
    """Pseudonyms by name: R1, R2, ... in the order in which the raters joined."""
    query = (
        select(col(Rater.name)).where(col(Rater.study_id) == study.id, col(Rater.kind) == kind).order_by(col(Rater.id))
    )
    return {name: f"R{number}" for number, name in enumerate(db.execute(query).scalars(), start=1)}


def _flow(db: Session, study: Study, clips: dict[int, StudyClip], current: list[Vote], results: Results) -> SampleFlow:
    shown = (
        select(func.count(func.distinct(col(Assignment.study_clip_id))))
        .join(Rater, col(Rater.id) == col(Assignment.rater_id))
        .where(col(Assignment.study_id) == study.id, col(Assignment.purpose) == "sample")
        .where(col(Rater.kind) == results.kind)
    )
    rated = shown.where(col(Assignment.status).in_(ANSWERED))
    deciding = {result.rule.criterion for result in results.filters}
    decided = {clip.clip for result in results.filters for clip in result.clips if clip.verdict is not None}
    return SampleFlow(
        pool=study.pool_clips,
        sampled=len({clip.clip for clip in clips.values()}),
        shown=int(db.execute(shown).scalar_one()),
        rated=int(db.execute(rated).scalar_one()),
        usable=len({vote.clip for vote in current if vote.value != "unsure" and vote.criterion in deciding}),
        with_consensus=len(decided),
    )


def _raters(db: Session, study: Study, answers: list[Any], pseudonyms: dict[str, str]) -> list[RaterFacts]:
    by_rater: dict[int, list[Any]] = defaultdict(list)
    for row in answers:
        by_rater[row.rater_id].append(row)
    people = db.execute(select(col(Rater.id), col(Rater.name)).where(col(Rater.study_id) == study.id)).all()
    numbers = {row.name: row.id for row in people}
    lines = {line.name: line for line in answer_counts.by_rater(db, study)}
    return [
        _rater(pseudonym, lines[name].skipped, lines[name].expired, by_rater[numbers[name]])
        for name, pseudonym in pseudonyms.items()
    ]


def _rater(pseudonym: str, skipped: int, expired: int, answers: list[Any]) -> RaterFacts:
    reports = [well_formed(row.facts) for row in answers]
    times = [report["answer_ms"] / 1000 for report in reports if report.get("answer_ms") is not None]
    seen = [report["seen_share"] for report in reports if report.get("seen_share") is not None]
    return RaterFacts(
        pseudonym=pseudonym,
        answered=len(answers),
        skipped=skipped,
        expired=expired,
        median_seconds=median(times) if times else None,
        seen_to_the_end=sum(share >= 0.95 for share in seen) / len(seen) if seen else None,
        replays=sum(int(report.get("replays") or 0) for report in reports),
        changes=sum(int(report.get("changes") or 0) for report in reports),
    )


def _viewports(answers: list[Any]) -> dict[str, int]:
    classes: Counter[str] = Counter()
    for row in answers:
        size = well_formed(row.facts).get("viewport")
        if size is None:
            classes["not reported"] += 1
        else:
            width = size[0]
            classes["under 600 px" if width < 600 else "600 to 1199 px" if width < 1200 else "1200 px and more"] += 1
    return dict(sorted(classes.items()))
