"""Compute one filter's errors: consensus counts, confusion table at its threshold, best threshold, ROC curve."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np

from analysis.consensus.majority import majority
from analysis.estimate import Bools, Estimate
from analysis.filters import rates, roc
from analysis.number_format import number_text
from analysis.proportions import wilson
from analysis.ratings import Ratings
from analysis.sampling.rejects import SLICE
from analysis.thresholds import calibration, objectives
from app.filters.threshold_text import passes
from app.models import Criterion, Filter, Study
from app.results import votes
from app.results.judged_sample import (
    JudgedClip,
    JudgedSample,
    SampledClip,
    is_weighted,
    judged_sample,
    resamples_for,
)
from app.results.votes import Vote
from app.studies.whole_study import StudyParts

CONFIDENCE = 0.95
RESAMPLES, CURVE_RESAMPLES = 1000, 2000
LARGE_WEIGHT_SHARE = 0.2
"""A note names a clip that carries more than this share of the total weight."""
FEW_REJECTED = 3
"""A note names the number of rejected clips with a verdict if there are at most this many."""
RATES = ("precision", "recall", "f1", "specificity", "accuracy", "prevalence")


@dataclass(frozen=True)
class VerdictCounts:
    """A filter's sampled clips by the raters' verdict; each clip is in exactly one of the counts below `drawn`."""

    drawn: int
    accepted: int
    rejected: int
    tied: int
    without_votes: int
    without_score: int
    """Clips with a verdict but without the filter's score, so that the filter cannot be judged by them."""
    raters: int
    votes: int
    blind: bool
    """True if only answers given while the scores were hidden were used."""


@dataclass(frozen=True)
class FilterResult:
    """What the judgments say about one filter."""

    rule: Filter
    verdicts: VerdictCounts
    clips: tuple[JudgedClip, ...]
    """The clips with votes and the filter's score, tied ones included."""
    sample: JudgedSample | None = None
    current: rates.Confusion | None = None
    """The confusion table at the filter's threshold."""
    best: calibration.ChosenThreshold | None = None
    """The threshold with the highest F1."""
    curve: roc.RocCurve | None = None
    missing: dict[str, str] = field(default_factory=dict)
    """The reason, in words, for each of `current`, `best` and `curve` that does not exist."""
    notes: tuple[str, ...] = ()
    """What a reader must know before quoting the estimates."""

    @property
    def direction(self) -> roc.Direction:
        """The side of the threshold that is accepted; for a filter with two limits that of the lower one."""
        return "ge" if self.rule.minimum is not None else "le"

    @property
    def threshold(self) -> float:
        """The limit of the accepted range that the search for the best threshold moves."""
        limit = self.rule.minimum if self.rule.minimum is not None else self.rule.maximum
        assert limit is not None, "a filter has a threshold"
        return limit

    def to_dict(self) -> dict[str, Any]:
        """Return the result for estimates.json."""
        best = self.best
        return {
            "filter": self.rule.name,
            "score": self.rule.score,
            "minimum": self.rule.minimum,
            "maximum": self.rule.maximum,
            "approximate": self.rule.approximate,
            "criterion": self.rule.criterion,
            "truth": vars(self.verdicts),
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
            "notes": list(self.notes),
        }


def confusion_dict(table: rates.Confusion | None) -> dict[str, Any] | None:
    """Return a confusion table and its rates for estimates.json."""
    if table is None:
        return None
    cells: dict[str, Any] = {name: getattr(table, name) for name in ("tp", "fp", "fn", "tn")}
    cells["max_weight_share"] = table.max_weight_share
    cells["weighted"] = dict(zip(("tp", "fp", "fn", "tn"), table.weighted, strict=True))
    return cells | {name: getattr(table, name).to_dict() for name in RATES}


def filter_result(
    rule: Filter, whole: StudyParts, given: list[Vote], blind: list[Vote], clips: Mapping[int, SampledClip]
) -> FilterResult:
    """Compute everything about one filter from the votes on its criterion: the blind votes if there are any.

    `given` and `blind` hold votes on the filter's criterion only. In a borderline draw a filter is judged by the clips
    that were drawn for its own threshold; a note tells what the random slice of rejects says about good clips that the
    filter loses far from its threshold.
    """
    item = next(item for item in whole.criteria if item.key == rule.criterion)
    weighted = is_weighted(whole.study)
    own_clips = {
        number: clip
        for number, clip in clips.items()
        if clip.criterion in ("", item.key) and (weighted or rule.name in clip.drawn_for)
    }
    own_blind = [vote for vote in blind if vote.clip in own_clips]
    used = own_blind or [vote for vote in given if vote.clip in own_clips]
    ratings = votes.ratings_of(item, used)
    verdicts = _verdicts(ratings)
    judged = _with_scores(rule, verdicts, clips)
    counts = VerdictCounts(
        drawn=len(own_clips),
        accepted=sum(one.verdict == "accept" for one in judged),
        rejected=sum(one.verdict == "reject" for one in judged),
        tied=sum(one.verdict is None for one in judged),
        without_votes=len(own_clips) - len(verdicts),
        without_score=len(verdicts) - len(judged),
        raters=len(ratings.raters),
        votes=int(ratings.votes.sum()),
        blind=bool(own_blind),
    )
    result = _with_estimates(FilterResult(rule, counts, judged), whole.study, clips)
    if weighted:
        return result
    return replace(result, notes=(*result.notes, *_slice_note(rule, item, blind if own_blind else given, clips)))


def _verdicts(ratings: Ratings) -> dict[int, str | None]:
    """Return the raters' strict majority on each clip with a vote, by the clip's number; None for a tie."""
    consensus = majority(ratings)
    return {
        int(clip): verdict
        for clip, verdict, count in zip(consensus.clips, consensus.verdict, consensus.votes, strict=True)
        if count
    }


def _with_scores(
    rule: Filter, verdicts: Mapping[int, str | None], clips: Mapping[int, SampledClip]
) -> tuple[JudgedClip, ...]:
    """Return the clips with votes that have the filter's score, in the order of their names."""
    return tuple(
        JudgedClip(number, float(score), verdicts[number])
        for number in sorted(verdicts, key=lambda number: clips[number].clip)
        if (score := clips[number].scores.get(rule.score)) is not None and isfinite(score)
    )


def _slice_note(rule: Filter, item: Criterion, given: list[Vote], clips: Mapping[int, SampledClip]) -> list[str]:
    """Return a note on the random slice of rejects of a borderline draw; none if no such clip was drawn.

    The slice is a simple random sample of the pool clips that all filters reject and that lie near no threshold. The
    share of good clips among those rejected by this filter needs no weights, because all had the same chance; its
    interval is Wilson's.
    """
    drawn = {number for number, clip in clips.items() if clip.stratum == SLICE}
    if not drawn:
        return []
    verdicts = _verdicts(votes.ratings_of(item, [vote for vote in given if vote.clip in drawn]))
    rejected = [
        one
        for one in _with_scores(rule, verdicts, clips)
        if one.verdict is not None and not passes(one.score, rule.minimum, rule.maximum)
    ]
    begin = f"{len(drawn)} rejected clips away from all thresholds were drawn at random"
    if not rejected:
        return [f"{begin}; none that this filter rejects has a verdict yet. The figures leave them out."]
    good = sum(one.verdict == "accept" for one in rejected)
    share = number_text(good / len(rejected), *wilson(good, len(rejected)), None)
    return [
        f"{begin}: of the {len(rejected)} that this filter rejects and raters decided, {good} "
        f"{'is' if good == 1 else 'are'} good: a share of {share}. That is "
        "what it loses far from its threshold; the other figures leave these clips out."
    ]


def _nothing_to_compare(counts: VerdictCounts) -> str:
    """Return the reason why no clip has a verdict and the filter's score."""
    if not counts.drawn:
        return "no clip was drawn for this filter's threshold"
    if not counts.votes:
        return "no clip has an accept or reject yet"
    return "every judged clip is tied" if counts.tied else "no judged clip has this score"


def _with_estimates(result: FilterResult, study: Study, clips: Mapping[int, SampledClip]) -> FilterResult:
    """Add the confusion table at the current threshold, the threshold of the best F1 and the ROC curve, where defined.

    The clips of a borderline draw were chosen because they lie near the threshold. No weight makes them represent the
    pool, so their estimates are unweighted, and the study's notes say that they describe the boundary only.

    The pool counts as a draw from the clips to come, so no finite population correction narrows the intervals: a
    filter's precision is wanted for the next videos too, not only for these.
    """
    judged = tuple(one for one in result.clips if one.verdict is not None)
    if not judged:
        reason = _nothing_to_compare(result.verdicts)
        return replace(result, missing=dict.fromkeys(("current", "best", "curve"), reason))
    sample, notes = judged_sample(judged, study, clips)
    missing: dict[str, str] = {}
    best = curve = None
    try:
        best = calibration.best_threshold(
            sample.scores,
            sample.good.astype(np.float64),
            sample.design,
            objectives.F1,
            direction=result.direction,
            resamples=resamples_for(len(judged), RESAMPLES),
            seed=study.seed,
        )
    except ValueError as error:
        missing["best"] = str(error)
    try:
        curve = curve_of(sample, result.direction, study.seed)
    except ValueError as error:
        missing["curve"] = str(error)
    accepted = np.array([passes(one.score, result.rule.minimum, result.rule.maximum) for one in judged])
    current = rates.tabulate(accepted, sample.good.astype(np.float64), sample.design, CONFIDENCE)
    if current.max_weight_share > LARGE_WEIGHT_SHARE and len(judged) > 1 / LARGE_WEIGHT_SHARE:
        notes.append(f"One clip carries {current.max_weight_share:.0%} of the weight, so it has a large influence.")
    if 0 < (rejected := current.tn + current.fn) <= FEW_REJECTED:
        which = "that clip" if rejected == 1 else f"those {rejected} clips"
        notes.append(
            f"The filter rejects only {rejected} of the {len(judged)} judged clips at its threshold: what it loses, "
            f"and so its recall, specificity and F1, is known from {which} alone."
        )
    return replace(result, sample=sample, current=current, best=best, curve=curve, missing=missing, notes=tuple(notes))


def share_of_good(result: FilterResult, sample: JudgedSample) -> Estimate:
    """Estimate the share of good clips; `sample` may hold the researcher's rulings instead of the raters' verdicts."""
    if result.current is not None and sample is result.sample:
        return result.current.prevalence
    everything = np.ones(len(sample.good), dtype=np.bool_)
    return rates.tabulate(everything, sample.good, sample.design, CONFIDENCE).prevalence


def curve_of(
    sample: JudgedSample, direction: roc.Direction, seed: int, *, without: Bools | None = None
) -> roc.RocCurve:
    """Compute the ROC curve of a score and the area under it, with its interval.

    `without`, shape (clips,), marks clips to leave out. Raises ValueError if no curve exists (see `roc.roc`).
    """
    kept = np.ones(len(sample.good), dtype=np.bool_) if without is None else ~without

    def labels_kept(labels: list[str] | None) -> list[str] | None:
        return None if labels is None else [label for label, keep in zip(labels, kept, strict=True) if keep]

    return roc.roc(
        sample.scores[kept],
        sample.good[kept],
        None if sample.weights is None else sample.weights[kept],
        labels_kept(sample.strata),
        sources=labels_kept(sample.sources),
        direction=direction,
        resamples=resamples_for(int(kept.sum()), CURVE_RESAMPLES),
        seed=seed,
    )
