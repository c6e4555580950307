"""From a study's judgments to its estimates: agreement per criterion, calibration per filter."""

import threading
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sqlmodel import Session, col, select

from analysis import agreement, calibration, rates, roc
from analysis.consensus import majority
from analysis.estimate import Estimate
from analysis.ratings import ACR5, VERDICT, Ratings, Scale
from app import rooms, votes
from app.errors import NotFound
from app.judgments import SCALES
from app.models import Criterion, Filter, Study, StudyClip
from app.rooms import StudyParts
from app.votes import Kind, Vote

SCALE_OF: dict[str, Scale] = {"acr5": ACR5, "verdict": VERDICT, "acceptable": VERDICT}
RESAMPLES = 2000
FEWEST_SOURCES = 10
"""With fewer source videos than this a bootstrap over them says nothing."""


@dataclass(frozen=True)
class CriterionResult:
    """Agreement on one criterion, and how often each value was given."""

    key: str
    label: str
    estimates: dict[str, Estimate]
    values: tuple[tuple[str, str, int], ...]
    """Value, its word, how many answers."""
    answers: int
    raters: int
    clips: int
    note: str
    """What to know about its intervals; empty when there is nothing."""

    def to_dict(self) -> dict[str, Any]:
        """For the export."""
        return {
            "criterion": self.key,
            "answers": {value: count for value, _word, count in self.values},
            "estimates": {name: estimate.to_dict() for name, estimate in self.estimates.items()},
        }


@dataclass(frozen=True)
class Truth:
    """The clips by what their raters decided, for one filter; every drawn clip is in exactly one of the counts."""

    drawn: int
    accepted: int
    rejected: int
    tied: int
    without_votes: int
    without_score: int
    """Clips with a verdict of the raters but no score: no filter can be judged on them."""
    raters: int
    votes: int
    blind: bool
    """True when only answers given without the scores in view were used."""


@dataclass(frozen=True)
class Scored:
    """One drawn clip with its score and what its raters decided (None: a tie)."""

    clip: int
    score: float
    verdict: str | None


@dataclass(frozen=True)
class FilterResult:
    """What the judgments say about one filter."""

    rule: Filter
    truth: Truth
    clips: tuple[Scored, ...]
    current: rates.Confusion | None = None
    best: calibration.Choice | None = None
    curve: roc.Roc | None = None
    missing: dict[str, str] = field(default_factory=dict)
    """For each part that does not exist, the reason in words."""

    @property
    def direction(self) -> roc.Direction:
        """Which way the score is good; for a band the lower end is the one that is searched."""
        return "ge" if self.rule.minimum is not None else "le"

    @property
    def cut(self) -> float:
        """The end of the accepted range that the search moves."""
        end = self.rule.minimum if self.rule.minimum is not None else self.rule.maximum
        assert end is not None, "a filter has a cut"
        return end

    def to_dict(self) -> dict[str, Any]:
        """For the export."""
        best = self.best
        return {
            "filter": self.rule.name,
            "score": self.rule.score,
            "minimum": self.rule.minimum,
            "maximum": self.rule.maximum,
            "approximate": self.rule.approximate,
            "criterion": self.rule.criterion,
            "truth": vars(self.truth),
            "auc": self.curve.auc.to_dict() if self.curve else None,
            "current": confusion_dict(self.current),
            "best_f1": None
            if best is None
            else {
                "threshold": best.threshold,
                "equivalent": [best.gap_low, best.gap_high],
                "stability": [best.stable_low, best.stable_high],
                "same_share": best.same_share,
                "cross_fitted_f1": best.cross_fitted_f1,
                "note": best.note,
                "signature": best.signature,
                **(confusion_dict(best.confusion) or {}),
            },
            "missing": self.missing,
        }


RATES = ("precision", "recall", "f1", "specificity", "accuracy", "prevalence")


def confusion_dict(table: rates.Confusion | None) -> dict[str, Any] | None:
    """A two-by-two table and its rates for the export."""
    if table is None:
        return None
    cells: dict[str, Any] = {name: getattr(table, name) for name in ("tp", "fp", "fn", "tn")}
    cells["weighted"] = dict(zip(("tp", "fp", "fn", "tn"), table.weighted, strict=True))
    return cells | {name: getattr(table, name).to_dict() for name in RATES}


@dataclass(frozen=True)
class Results:
    """All estimates of a study for one kind of rater."""

    kind: Kind
    raters: int
    answers: int
    criteria: tuple[CriterionResult, ...]
    filters: tuple[FilterResult, ...]

    @property
    def agreement_is_known(self) -> bool:
        """Whether any statistic of agreement exists, so that there is something to draw."""
        return any(one.value is not None for item in self.criteria for one in item.estimates.values())

    @property
    def blind(self) -> bool | None:
        """Whether the filters are judged by answers given without the scores in view; None before any answer."""
        judged = [one.truth.blind for one in self.filters if one.truth.votes]
        return all(judged) if judged else None

    def filter_named(self, name: str) -> FilterResult:
        """One filter's result; raises NotFound with the names there are."""
        for result in self.filters:
            if result.rule.name == name:
                return result
        names = ", ".join(result.rule.name for result in self.filters)
        raise NotFound(f"This study has no filter {name!r}.", f"It has: {names}.")


class ResultCache:
    """Results are kept until a judgment is added: pages open at once, and one computation serves all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, Kind], tuple[object, Results]] = {}

    def get(self, db: Session, study: Study, kind: Kind) -> Results:
        """The results as of now."""
        mark = votes.fingerprint(db, study)
        with self._lock:
            kept = self._kept.get((study.id, kind))
            if kept is None or kept[0] != mark:
                kept = (mark, compute(db, study, kind))
                self._kept[study.id, kind] = kept
            return kept[1]


def is_weighted(study: Study) -> bool:
    """Whether the sample stands for the pool, each clip by its weight."""
    return bool(study.design["kind"] != "borderline")


def kind_of(study: Study) -> Kind:
    """Whose answers the study's pages and exports speak of: the simulated panel's while it is switched on."""
    return "simulated" if study.show_simulated else "person"


def compute(db: Session, study: Study, kind: Kind) -> Results:
    """Every estimate, from the database as it is."""
    whole = rooms.parts(db, study.id)
    clips = {clip.id: clip for clip in db.exec(select(StudyClip).where(col(StudyClip.study_id) == study.id))}
    given = votes.current(db, study, kind=kind)
    blind = votes.current(db, study, kind=kind, blind=True)
    return Results(
        kind=kind,
        raters=len({vote.rater for vote in given}),
        answers=len({(vote.clip, vote.rater) for vote in given}),
        criteria=tuple(_criterion(item, _about(item, given), clips, study.seed) for item in whole.criteria),
        filters=tuple(_filter(rule, whole, given, blind, clips) for rule in whole.filters),
    )


def _about(item: Criterion, given: list[Vote]) -> list[Vote]:
    return [vote for vote in given if vote.criterion == item.key]


def ratings_of(item: Criterion, given: list[Vote]) -> Ratings:
    """One criterion's votes as the statistics read them; clips by their number in the study."""
    return Ratings.from_votes(
        [str(vote.clip) for vote in given],
        [vote.rater for vote in given],
        [vote.value for vote in given],
        SCALE_OF[item.scale],
    )


def _criterion(item: Criterion, given: list[Vote], clips: dict[int, StudyClip], seed: int) -> CriterionResult:
    ratings = ratings_of(item, given)
    values = [vote.value for vote in given]
    groups, note = _resampled_units(ratings, clips)
    return CriterionResult(
        key=item.key,
        label=item.label,
        estimates={
            name: statistic(ratings, resamples=RESAMPLES, seed=seed, groups=groups)
            for name, statistic in agreement.STATISTICS.items()
        },
        values=tuple((value, word, values.count(value)) for value, word in SCALES[item.scale]),
        answers=len(values),
        raters=len(ratings.raters),
        clips=len(ratings.clips),
        note=note,
    )


def _resampled_units(ratings: Ratings, clips: dict[int, StudyClip]) -> tuple[dict[str, str] | None, str]:
    """What the bootstrap draws: clips, or whole sources where clips share one and there are enough of them.

    Clips of one source video are alike; drawing them one by one makes intervals too narrow.
    """
    groups = {clip: clips[int(clip)].source for clip in ratings.clips}
    sources = len(set(groups.values()))
    if sources == len(groups):
        return None, ""
    if sources >= FEWEST_SOURCES:
        return groups, f"Intervals resample the {sources} source videos, not single clips."
    return None, (
        f"The {len(groups)} clips come from {sources} source videos. That is too few to resample videos, so the "
        "intervals resample clips and may be too narrow."
    )


def _filter(
    rule: Filter, whole: StudyParts, given: list[Vote], blind: list[Vote], clips: dict[int, StudyClip]
) -> FilterResult:
    item = next(item for item in whole.criteria if item.key == rule.criterion)
    unseen = _about(item, blind)
    used = unseen or _about(item, given)
    concerned = {number: clip for number, clip in clips.items() if clip.criterion in ("", item.key)}
    ratings = ratings_of(item, used)
    consensus = majority(ratings)
    decided = {
        int(clip): verdict
        for clip, verdict, count in zip(consensus.clips, consensus.verdict, consensus.votes, strict=True)
        if count
    }
    scored = tuple(
        Scored(number, float(score), decided[number])
        for number in sorted(decided)
        if (score := clips[number].scores.get(rule.score)) is not None
    )
    truth = Truth(
        drawn=len(concerned),
        accepted=sum(one.verdict == "accept" for one in scored),
        rejected=sum(one.verdict == "reject" for one in scored),
        tied=sum(one.verdict is None for one in scored),
        without_votes=len(concerned) - len(decided),
        without_score=len(decided) - len(scored),
        raters=len(ratings.raters),
        votes=int(ratings.votes.sum()),
        blind=bool(unseen),
    )
    return _calibrated(FilterResult(rule, truth, scored), whole.study, clips)


def _calibrated(result: FilterResult, study: Study, clips: dict[int, StudyClip]) -> FilterResult:
    """Add the table at the current cut, the F1-best cut and the ROC, each where it exists.

    Clips of a borderline draw were chosen for lying next to the cut: no weight turns them into the pool, so their
    figures are plain and the study says that they speak of the boundary alone.

    The pool is taken as a draw from the clips to come, so no finite population correction narrows the intervals:
    a filter's precision is asked for the next videos too, not for these alone.
    """
    used = [one for one in result.clips if one.verdict is not None]
    if not used:
        reason = "no clip with a score has a verdict of its raters yet"
        return replace(result, missing=dict.fromkeys(("current", "best", "curve"), reason))
    scores = np.array([one.score for one in used])
    good = np.array([one.verdict == "accept" for one in used])
    weights = strata = None
    if is_weighted(study):
        weights = np.array([clips[one.clip].weight for one in used])
        strata = [clips[one.clip].stratum for one in used]
    accepted = np.array([rooms.passes(one.score, result.rule.minimum, result.rule.maximum) for one in used])
    missing: dict[str, str] = {}
    best = curve = None
    try:
        best = calibration.best_f1(scores, good, weights, strata, direction=result.direction, seed=study.seed)
    except ValueError as error:
        missing["best"] = str(error)
    try:
        curve = roc.roc(scores, good, weights, strata, direction=result.direction, seed=study.seed)
    except ValueError as error:
        missing["curve"] = str(error)
    current = rates.confusion(accepted, good, weights, strata)
    return replace(result, current=current, best=best, curve=curve, missing=missing)
