"""Compute one filter's errors: consensus counts, confusion table at its threshold, best threshold, ROC curve."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import Any, Protocol

import numpy as np

from analysis.consensus.majority import majority
from analysis.design import Design
from analysis.estimate import Bools, Estimate, Floats
from analysis.filters import rates, roc
from analysis.number_format import number_text
from analysis.proportions import wilson
from analysis.ratings import Ratings
from analysis.sampling.rejects import SLICE
from analysis.thresholds import calibration, objectives
from app.filters.threshold_text import passes
from app.models import Filter, Study
from app.results import votes
from app.results.votes import Vote
from app.studies.whole_study import StudyParts

CONFIDENCE = 0.95
RESAMPLES, CURVE_RESAMPLES = 1000, 2000
MANY, ENOUGH = 2000, 500
"""Above `MANY` clips, `ENOUGH` resamples suffice: the Monte Carlo error of an end of a 95 % interval is then an
eighth of a standard error (sqrt(p (1 - p) / B) / density at p = .025)."""
FEWEST_SOURCES = 10
"""The smallest number of source videos over which a bootstrap is meaningful."""
HEAVY = 0.2
"""A clip with more than this share of the total weight is mentioned in the notes."""


class ClipFacts(Protocol):
    """The facts about a drawn clip that this module reads: a row, or a copy of the columns needed."""

    @property
    def clip(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def criterion(self) -> str: ...
    @property
    def drawn_for(self) -> list[str]: ...
    @property
    def stratum(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def scores(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class VerdictCounts:
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


@dataclass(frozen=True, eq=False)
class Sample:
    """The clips on which a filter is judged: those with a score and a majority. One entry per clip everywhere."""

    clips: tuple[Scored, ...]
    scores: Floats
    good: Bools
    weights: Floats | None
    strata: list[str] | None
    sources: list[str] | None
    """The source videos, where the intervals take them as the units that were drawn."""

    @cached_property
    def design(self) -> Design:
        """How the clips came out of the pool, for every estimate."""
        return Design.build(len(self.good), self.weights, self.strata, sources=self.sources)


@dataclass(frozen=True)
class FilterResult:
    """What the judgments say about one filter."""

    rule: Filter
    verdicts: VerdictCounts
    clips: tuple[Scored, ...]
    sample: Sample | None = None
    current: rates.Confusion | None = None
    best: calibration.ChosenThreshold | None = None
    curve: roc.RocCurve | None = None
    missing: dict[str, str] = field(default_factory=dict)
    """For each part that does not exist, the reason in words."""
    notes: tuple[str, ...] = ()
    """What to know before quoting its figures."""

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


RATES = ("precision", "recall", "f1", "specificity", "accuracy", "prevalence")


def confusion_dict(table: rates.Confusion | None) -> dict[str, Any] | None:
    """A two-by-two table and its rates for the export."""
    if table is None:
        return None
    cells: dict[str, Any] = {name: getattr(table, name) for name in ("tp", "fp", "fn", "tn")}
    cells["max_weight_share"] = table.max_weight_share
    cells["weighted"] = dict(zip(("tp", "fp", "fn", "tn"), table.weighted, strict=True))
    return cells | {name: getattr(table, name).to_dict() for name in RATES}


def is_weighted(study: Study) -> bool:
    """Whether the sample stands for the pool, each clip by its weight."""
    return bool(study.design["kind"] != "borderline")


def resamples_for(clips: int, most: int) -> int:
    """How many resamples an interval over so many clips takes.

    >>> resamples_for(200, 2000), resamples_for(11_000, 2000)
    (2000, 500)
    """
    return most if clips <= MANY else min(most, ENOUGH)


def judge(
    rule: Filter, whole: StudyParts, given: list[Vote], blind: list[Vote], clips: Mapping[int, ClipFacts]
) -> FilterResult:
    """Everything about one filter, from the votes on its criterion: the blind ones where there are any.

    In a borderline draw a filter is judged on the clips that were drawn for its own threshold; a note tells what
    the random slice of rejects says of the good clips that it loses far from it.
    """
    item = next(item for item in whole.criteria if item.key == rule.criterion)
    own = is_weighted(whole.study)
    concerned = {
        number: clip
        for number, clip in clips.items()
        if clip.criterion in ("", item.key) and (own or rule.name in clip.drawn_for)
    }
    unseen = [vote for vote in votes.about(item, blind) if vote.clip in concerned]
    used = unseen or [vote for vote in votes.about(item, given) if vote.clip in concerned]
    ratings = votes.ratings_of(item, used)
    decided = _decided(ratings)
    scored = _scored(rule, decided, clips)
    counts = VerdictCounts(
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
    result = _calibrated(FilterResult(rule, counts, scored), whole.study, clips)
    if own:
        return result
    sliced = {number: clip for number, clip in clips.items() if clip.stratum == SLICE}
    about = [vote for vote in votes.about(item, blind if unseen else given) if vote.clip in sliced]
    lost = _scored(rule, _decided(votes.ratings_of(item, about)), clips) if about else ()
    return replace(result, notes=(*result.notes, *_slice_note(rule, len(sliced), lost)))


def _decided(ratings: Ratings) -> dict[int, str | None]:
    """What the raters decided on each clip with a vote (None: a tie)."""
    consensus = majority(ratings)
    return {
        int(clip): verdict
        for clip, verdict, count in zip(consensus.clips, consensus.verdict, consensus.votes, strict=True)
        if count
    }


def _scored(rule: Filter, decided: dict[int, str | None], clips: Mapping[int, ClipFacts]) -> tuple[Scored, ...]:
    """The decided clips that have the filter's score, by name."""
    return tuple(
        Scored(number, float(score), decided[number])
        for number in sorted(decided, key=lambda number: clips[number].clip)
        if (score := clips[number].scores.get(rule.score)) is not None and isfinite(score)
    )


def _slice_note(rule: Filter, drawn: int, lost: tuple[Scored, ...]) -> list[str]:
    """What a borderline draw's random rejects say of this filter; with Wilson's interval, for all had one chance.

    They are a simple random sample of the pool's rejects that no threshold's draw could reach. Those that this very
    filter rejects are one of its own rejects there, so the share of good ones among them needs no weights.
    """
    if not drawn:
        return []
    own = [one for one in lost if one.verdict is not None and not passes(one.score, rule.minimum, rule.maximum)]
    begin = f"{drawn} rejected clips away from all thresholds were drawn at random"
    if not own:
        return [f"{begin}; none that this filter rejects has a verdict yet. The figures leave them out."]
    good = sum(one.verdict == "accept" for one in own)
    share = number_text(good / len(own), *wilson(good, len(own)), None)
    return [
        f"{begin}: of the {len(own)} that this filter rejects and raters decided, {good} "
        f"{'is' if good == 1 else 'are'} good: a share of {share}. That is "
        "what it loses far from its threshold; the other figures leave these clips out."
    ]


def _nothing(counts: VerdictCounts) -> str:
    """Why there is nothing to compare."""
    if not counts.drawn:
        return "no clip was drawn for this filter's threshold"
    if not counts.votes:
        return "no clip has an accept or reject yet"
    return "every judged clip is tied" if counts.tied else "no judged clip has this score"


def _calibrated(result: FilterResult, study: Study, clips: Mapping[int, ClipFacts]) -> FilterResult:
    """Add the table at the current cut, the F1-best cut and the ROC, each where it exists.

    Clips of a borderline draw were chosen for lying next to the cut: no weight turns them into the pool, so their
    figures are plain and the study says that they speak of the boundary alone.

    The pool is taken as a draw from the clips to come, so no finite population correction narrows the intervals:
    a filter's precision is asked for the next videos too, not for these alone.
    """
    used = [one for one in result.clips if one.verdict is not None]
    if not used:
        return replace(result, missing=dict.fromkeys(("current", "best", "curve"), _nothing(result.verdicts)))
    sample, notes = sample_of(tuple(used), study, clips)
    scores, good, design = sample.scores, sample.good.astype(np.float64), sample.design
    times = resamples_for(len(used), RESAMPLES)
    missing: dict[str, str] = {}
    best = curve = None
    try:
        best = calibration.best_threshold(
            scores, good, design, objectives.F1, direction=result.direction, resamples=times, seed=study.seed
        )
    except ValueError as error:
        missing["best"] = str(error)
    try:
        curve = curve_of(sample, result.direction, study.seed)
    except ValueError as error:
        missing["curve"] = str(error)
    accepted = np.array([passes(one.score, result.rule.minimum, result.rule.maximum) for one in used])
    current = rates.tabulate(accepted, good, design, CONFIDENCE)
    if current.max_weight_share > HEAVY and len(used) > 1 / HEAVY:
        notes.append(f"One clip carries {current.max_weight_share:.0%} of the weight: it decides much alone.")
    return replace(result, sample=sample, current=current, best=best, curve=curve, missing=missing, notes=tuple(notes))


def share_of_good(result: FilterResult, sample: Sample) -> Estimate:
    """The share of good clips that a filter's judged clips show; `sample` may hold the researcher's own verdicts."""
    if result.current is not None and sample is result.sample:
        return result.current.prevalence
    everything = np.ones(len(sample.good), dtype=np.bool_)
    return rates.tabulate(everything, sample.good, sample.design, CONFIDENCE).prevalence


def curve_of(sample: Sample, direction: roc.Direction, seed: int, *, without: Bools | None = None) -> roc.RocCurve:
    """The ROC curve of a score with its area; `without`, shape (clips,), leaves clips out. Raises ValueError."""
    kept = np.ones(len(sample.good), dtype=np.bool_) if without is None else ~without

    def chosen(labels: list[str] | None) -> list[str] | None:
        return None if labels is None else [label for label, there in zip(labels, kept, strict=True) if there]

    return roc.roc(
        sample.scores[kept],
        sample.good[kept],
        None if sample.weights is None else sample.weights[kept],
        chosen(sample.strata),
        sources=chosen(sample.sources),
        direction=direction,
        resamples=resamples_for(int(kept.sum()), CURVE_RESAMPLES),
        seed=seed,
    )


def sample_of(used: tuple[Scored, ...], study: Study, clips: Mapping[int, ClipFacts]) -> tuple[Sample, list[str]]:
    """The decided clips as the estimates read them, and what to say of them."""
    sources, notes = _sources(used, clips)
    weights, strata = None, None
    if is_weighted(study):
        strata = [clips[one.clip].stratum for one in used]
        weights, silent = _weights(study, strata, [clips[one.clip].weight for one in used])
        notes += silent
    scores = np.array([one.score for one in used])
    good = np.array([one.verdict == "accept" for one in used])
    return Sample(used, scores, good, weights, strata, sources), notes


def _weights(study: Study, strata: list[str], drawn: list[float]) -> tuple[Floats, list[str]]:
    """How many clips of the pool each judged clip stands for, shape (clips,), and what to say of silent strata.

    Drawn clips without a verdict (nobody came, a tie, unsure) are taken to be like the judged ones of their
    stratum: the judged clips' own weights (`drawn`) are scaled to add up to the stratum's clips in the pool, the
    weighting-class adjustment (Oh & Scheuren 1983). With one weight in a stratum each judged clip gets its clips
    in the pool by its judged clips. A stratum without any verdict cannot be spoken of, and that is said.
    """
    population = {row["label"]: row["population"] for row in study.design.get("strata", [])}
    of: dict[str, list[int]] = {}
    for place, label in enumerate(strata):
        of.setdefault(label, []).append(place)
    weights = np.array(drawn, dtype=np.float64)
    for label, places in of.items():
        relative = weights[places] / weights[places[0]]  # exactly 1 where all are equal
        weights[places] = relative * (population.get(label, weights[places].sum()) / relative.sum())
    silent = sum(size for label, size in population.items() if label not in of)
    whole = sum(population.values())
    if not silent:
        return weights, []
    return weights, [
        f"{silent / whole:.0%} of the pool lies in strata where no clip has both this score and a verdict: "
        "the figures leave them out and do not speak of the whole pool."
    ]


def _sources(used: tuple[Scored, ...], clips: Mapping[int, ClipFacts]) -> tuple[list[str] | None, list[str]]:
    """The clips' source videos where they are the units of the intervals, and what to say of that."""
    sources = [clips[one.clip].source for one in used]
    videos = len(set(sources))
    if videos == len(used):
        return None, []
    begin = f"The {len(used)} clips come from {videos} source videos"
    if videos < FEWEST_SOURCES:
        few = "that is too few to count videos, so the intervals take each clip for itself and may be too narrow."
        return None, [f"{begin}. Clips of one video are alike; {few}"]
    return sources, [f"{begin}; clips of one video are alike, so the intervals count videos, not clips."]
