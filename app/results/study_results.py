"""Compute a study's estimates from its judgments: agreement per criterion, errors per filter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from analysis.agreement.statistics import Page, shown_on
from analysis.estimate import Estimate
from analysis.ratings import Ratings
from app.cache import Cache
from app.errors import NotFound
from app.models import Criterion, Study, StudyClip
from app.results import votes
from app.results.counted_answers import RaterKind
from app.results.filter_results import FilterResult, filter_result
from app.results.judged_sample import MIN_SOURCES, resamples_for
from app.results.votes import Vote
from app.studies import scales, whole_study

RESAMPLES = 2000


@dataclass(frozen=True)
class CriterionResult:
    """The agreement on one criterion, and how often each value was given."""

    key: str
    label: str
    estimates: dict[str, Estimate]
    values: tuple[tuple[str, str, int], ...]
    """Each value, its word, and the number of answers."""
    answers: int
    raters: int
    clips: int
    note: str
    """What a reader must know about the intervals; empty if there is nothing."""

    @property
    def compared(self) -> int:
        """The number of clips with two votes or more."""
        return max((one.clips for one in self.estimates.values()), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Return the result for estimates.json."""
        return {
            "criterion": self.key,
            "answers": {value: count for value, _word, count in self.values},
            "note": self.note,
            "estimates": {name: estimate.to_dict() for name, estimate in self.estimates.items()},
        }


@dataclass(frozen=True)
class Results:
    """All estimates of a study for one kind of rater."""

    kind: RaterKind
    raters: int
    answers: int
    criteria: tuple[CriterionResult, ...]
    filters: tuple[FilterResult, ...]

    @property
    def simulated(self) -> bool:
        """True if the answers come from the simulated panel."""
        return self.kind == "simulated"

    @property
    def agreement_is_known(self) -> bool:
        """True if at least one agreement statistic is defined, so that there is something to draw."""
        return any(one.value is not None for item in self.criteria for one in item.estimates.values())

    @property
    def blind(self) -> bool | None:
        """True if all filters are judged by answers given while the scores were hidden; None before any answer."""
        judged = [one.verdicts.blind for one in self.filters if one.verdicts.votes]
        return all(judged) if judged else None

    def filter_named(self, name: str) -> FilterResult:
        """Return one filter's result. Raises NotFound, listing the names, if there is no such filter."""
        for result in self.filters:
            if result.rule.name == name:
                return result
        names = ", ".join(result.rule.name for result in self.filters)
        raise NotFound(f"This study has no filter {name!r}.", f"It has: {names}.")


def cached(cache: Cache, db: Session, study: Study, kind: RaterKind) -> Results:
    """Return the current results; they are computed again after `votes.fingerprint` has changed."""
    return cache.get(("results", study.id, kind), votes.fingerprint(db, study), lambda: compute(db, study, kind))


def kind_of(study: Study) -> RaterKind:
    """Return whose answers the study's pages and exports show: the simulated panel's while it is switched on."""
    return "simulated" if study.show_simulated else "person"


class _ClipColumns(NamedTuple):
    """The columns of a sampled clip that estimates read. Loading whole rows would take longer than the statistics."""

    clip: str
    source: str
    criterion: str
    drawn_for: list[str]
    stratum: str
    weight: float
    scores: dict[str, Any]


def _clips(db: Session, study: Study) -> dict[int, _ClipColumns]:
    query = select(col(StudyClip.id), *(getattr(StudyClip, name) for name in _ClipColumns._fields)).where(
        col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample"
    )
    return {number: _ClipColumns(*values) for number, *values in db.connection().execute(query)}


def compute(db: Session, study: Study, kind: RaterKind) -> Results:
    """Compute all estimates of a study from the database."""
    whole = whole_study.parts(db, study.id)
    clips = _clips(db, study)
    given, blind = votes.read_with_blind(db, study, kind=kind)
    given_of, blind_of = votes.by_criterion(given), votes.by_criterion(blind)
    return Results(
        kind=kind,
        raters=len({vote.rater for vote in given}),
        answers=len({(vote.clip, vote.rater) for vote in given}),
        criteria=tuple(_criterion(item, given_of[item.key], clips, study.seed) for item in whole.criteria),
        filters=tuple(
            filter_result(rule, whole, given_of[rule.criterion], blind_of[rule.criterion], clips)
            for rule in whole.filters
        ),
    )


def _criterion(item: Criterion, given: list[Vote], clips: Mapping[int, _ClipColumns], seed: int) -> CriterionResult:
    values = [vote.value for vote in given]
    if not scales.of(item).has_agreement:
        return CriterionResult(
            key=item.key,
            label=item.label,
            estimates={},
            values=scales.counted(item, values),
            answers=len(values),
            raters=len({vote.rater for vote in given}),
            clips=len({vote.clip for vote in given}),
            note="No agreement is computed over free text and sets of tags.",
        )
    ratings = votes.ratings_of(item, given)
    estimates, note = agreement_estimates(
        "results", ratings, {number: clip.source for number, clip in clips.items()}, seed
    )
    return CriterionResult(
        key=item.key,
        label=item.label,
        estimates=estimates,
        values=scales.counted(item, values),
        answers=len(values),
        raters=len(ratings.raters),
        clips=len(ratings.clips),
        note=note,
    )


def agreement_estimates(
    page: Page, ratings: Ratings, sources: Mapping[int, str], seed: int
) -> tuple[dict[str, Estimate], str]:
    """Compute the agreement statistics that a page shows and that are defined on the scale, by key.

    The second value is a note on the intervals, empty if there is none. `sources` maps clip numbers to source videos.
    """
    groups, note = resampled_units(ratings, sources)
    resamples = resamples_for(len(ratings.clips), RESAMPLES)
    estimates = {
        statistic.key: statistic(ratings, resamples=resamples, seed=seed, groups=groups)
        for statistic in shown_on(page)
        if statistic.applies_to(ratings.scale)
    }
    return estimates, note


def resampled_units(ratings: Ratings, sources: Mapping[int, str]) -> tuple[dict[str, str] | None, str]:
    """Return the source of each clip if the bootstrap resamples sources, None if it resamples clips; and a note.

    Sources are resampled if clips share them and there are enough. Clips of one source video resemble each other, so
    that resampling single clips would make intervals too narrow.
    """
    compared = [clip for clip, count in zip(ratings.clips, ratings.votes, strict=True) if count >= 2]
    videos = len({sources[int(clip)] for clip in compared})
    if videos == len(compared):
        return None, ""
    if videos >= MIN_SOURCES:
        # Clips with a single vote enter some of the coefficients, so they need their source too.
        groups = {clip: sources[int(clip)] for clip in ratings.clips}
        return groups, f"Intervals resample the {videos} source videos, not single clips."
    return None, (
        f"The {len(compared)} clips come from {videos} source videos. That is too few to resample videos, so the "
        "intervals resample clips and may be too narrow."
    )
