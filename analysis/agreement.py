"""How far raters agree: alpha, Gwet's AC, Fleiss' kappa and percent agreement, each with a bootstrap over clips."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import krippendorff
import numpy as np

from analysis import coefficients
from analysis.estimate import Bools, Estimate, Floats, Ints, absent, signature
from analysis.ratings import Ratings, Scale
from analysis.resampling import pattern_weights, percentile_interval, source_weights

Coefficient = Callable[[Ints, Floats], Floats]


@dataclass(frozen=True)
class _Resampling:
    resamples: int
    seed: int
    confidence: float
    groups: Mapping[str, str] | None


def krippendorff_alpha(
    ratings: Ratings,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: Mapping[str, str] | None = None,
) -> Estimate:
    """Krippendorff's alpha with the scale's own metric, and a percentile interval from resampled clips.

    `groups` maps every clip to its source: then whole sources are resampled, because clips cut from one video
    resemble each other. The value comes from the `krippendorff` package; it may be negative and stays so.
    Undefined, with the reason, when no clip has two votes or when only one level was used.
    `clips`, `raters` and `ratings` of the result count what two votes on a clip leave in.

    >>> from analysis.ratings import VERDICT
    >>> votes = Ratings.from_votes(list("aabbcc"), list("xyxyxy"),
    ...     ["accept", "accept", "reject", "reject", "accept", "reject"], VERDICT)
    >>> round(krippendorff_alpha(votes, resamples=200).value, 3)
    0.444
    """
    metric = ratings.scale.metric
    paired = ratings.votes >= 2
    how = _Resampling(resamples, seed, confidence, groups)
    made = _signature("krippendorff_alpha", how, metric=metric)
    missing = _nothing_to_compare("krippendorff_alpha", ratings, paired, how, made)
    if missing:
        return missing
    patterns, _, sizes = coefficients.collapse(ratings.counts[paired])
    value = krippendorff.alpha(
        value_counts=np.repeat(patterns, sizes, axis=0),  # clips by pattern: their names cannot touch the last digit
        value_domain=ratings.scale.points,
        level_of_measurement=metric,
    )
    coefficient = coefficient_of("krippendorff_alpha", ratings.scale)
    return _with_interval("krippendorff_alpha", float(value), coefficient, ratings, paired, how, made)


def gwet_ac(
    ratings: Ratings,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: Mapping[str, str] | None = None,
) -> Estimate:
    """Gwet's AC1 on a nominal scale, AC2 with quadratic weights on an ordinal one (`coefficients.gwet`).

    It suffers less than alpha when nearly every clip gets the same verdict. When every vote is the same its
    formula gives 1 however the raters would differ on other clips; that is reported as undefined, as for alpha.
    Clips with a single vote inform the level shares and are counted in `ratings`.
    """
    weights = "identity" if ratings.scale.metric == "nominal" else "quadratic"
    return _on_rated("gwet_ac", ratings, _Resampling(resamples, seed, confidence, groups), weights=weights)


def gwet_ac1(
    ratings: Ratings,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: Mapping[str, str] | None = None,
) -> Estimate:
    """Gwet's AC1 whatever the scale: answers are the same or not. Otherwise as `gwet_ac`."""
    return _on_rated("gwet_ac1", ratings, _Resampling(resamples, seed, confidence, groups), weights="identity")


def gwet_ac2(
    ratings: Ratings,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: Mapping[str, str] | None = None,
) -> Estimate:
    """Gwet's AC2 with quadratic weights; undefined on a nominal scale, where no answer is nearer than another."""
    how = _Resampling(resamples, seed, confidence, groups)
    if ratings.scale.metric == "nominal":
        made = _signature("gwet_ac2", how, weights="quadratic")
        return absent("gwet_ac2", NO_ORDER, signature=made, confidence=confidence, clips=int((ratings.votes > 1).sum()))
    return _on_rated("gwet_ac2", ratings, how, weights="quadratic")


def fleiss_kappa(
    ratings: Ratings,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: Mapping[str, str] | None = None,
) -> Estimate:
    """Fleiss' kappa, unweighted, for any number of votes per clip (`coefficients.fleiss`).

    The interval is a bootstrap: the standard error printed in 1979 holds for a kappa of 0 only.
    """
    return _on_rated("fleiss_kappa", ratings, _Resampling(resamples, seed, confidence, groups), weights="identity")


def percent_agreement(
    ratings: Ratings,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: Mapping[str, str] | None = None,
) -> Estimate:
    """Share (0 to 1) of pairs of raters with the same answer, averaged over clips with two or more votes.

    When every clip is unanimous, resampling shows no spread; the lower end is then the exact one-sided bound
    (1 - confidence) ** (1 / clips) on the share of unanimous clips, which percent agreement cannot fall below.
    """
    paired = ratings.votes >= 2
    how = _Resampling(resamples, seed, confidence, groups)
    made = _signature("percent_agreement", how, average="clips")
    if not paired.any():
        return _no_pairs("percent_agreement", how, made)
    value = _value(coefficients.percent, ratings.counts[paired])
    return _with_interval("percent_agreement", value, coefficients.percent, ratings, paired, how, made)


STATISTICS: dict[str, Callable[..., Estimate]] = {
    "krippendorff_alpha": krippendorff_alpha,
    "gwet_ac": gwet_ac,
    "percent_agreement": percent_agreement,
}
"""Every agreement statistic by name, all called alike: what pages, reports and exports walk through."""

ON_FILES: dict[str, Callable[..., Estimate]] = {
    "krippendorff_alpha": krippendorff_alpha,
    "percent_agreement": percent_agreement,
    "fleiss_kappa": fleiss_kappa,
    "gwet_ac1": gwet_ac1,
    "gwet_ac2": gwet_ac2,
}
"""The statistics that depend on a clip through its counts of answers, as `clipjury stats agreement` gives them."""

NO_PAIRS = "no clip has two ratings; agreement needs two raters on the same clip"
NO_ORDER = "the scale is nominal: no answer is nearer to another, so nothing can be weighted"


def coefficient_of(statistic: str, scale: Scale) -> Coefficient:
    """The coefficient behind a name of `STATISTICS` or `ON_FILES`, valued on patterns and weights."""
    if statistic == "percent_agreement":
        return coefficients.percent
    if statistic == "fleiss_kappa":
        return coefficients.fleiss
    if statistic == "krippendorff_alpha":
        return partial(coefficients.alpha, metric=scale.metric, points=scale.points)
    if statistic == "gwet_ac1":
        return partial(coefficients.gwet, metric="nominal")
    return partial(coefficients.gwet, metric=scale.metric, points=scale.points)


def nothing_to_compare(ratings: Ratings, entering: Bools) -> str | None:
    """Why a chance-corrected coefficient of the votes on the `entering` clips does not exist, or None."""
    if not (ratings.votes >= 2).any():
        return NO_PAIRS
    used = np.flatnonzero(ratings.counts[entering].sum(axis=0))
    if len(used) > 1:
        return None
    only = ratings.scale.levels[used[0]]
    return f"every rating compared is {only!r}: without variation, agreement cannot be told from chance"


def _on_rated(statistic: str, ratings: Ratings, how: _Resampling, **settings: str) -> Estimate:
    """A coefficient in which clips with a single vote inform the shares."""
    rated = ratings.votes >= 1
    made = _signature(statistic, how, **settings)
    missing = _nothing_to_compare(statistic, ratings, rated, how, made)
    if missing:
        return missing
    coefficient = coefficient_of(statistic, ratings.scale)
    value = _value(coefficient, ratings.counts[rated])
    return _with_interval(statistic, value, coefficient, ratings, rated, how, made)


def _signature(statistic: str, how: _Resampling, **settings: str) -> str:
    unit, libraries = ("clip", []) if how.groups is None else ("source", ["scipy"])
    if statistic == "krippendorff_alpha":
        libraries = ["krippendorff", *libraries]
    drawn: dict[str, object] = {"unit": unit, "resamples": how.resamples, "seed": how.seed}
    return signature(statistic, libraries, **settings, **drawn, confidence=how.confidence)


def _no_pairs(statistic: str, how: _Resampling, made: str) -> Estimate:
    return absent(statistic, NO_PAIRS, signature=made, confidence=how.confidence, clips=0)


def _nothing_to_compare(
    statistic: str, ratings: Ratings, entering: Bools, how: _Resampling, made: str
) -> Estimate | None:
    """The absent estimate of a chance-corrected coefficient, or None when it exists."""
    reason = nothing_to_compare(ratings, entering)
    if reason is None:
        return None
    clips = int((ratings.votes >= 2).sum())
    return absent(statistic, reason, signature=made, confidence=how.confidence, clips=clips)


def _value(coefficient: Coefficient, counts: Ints) -> float:
    patterns, _, sizes = coefficients.collapse(counts)
    return float(coefficient(patterns, sizes[None].astype(np.float64))[0])


def _with_interval(
    statistic: str,
    value: float,
    coefficient: Coefficient,
    ratings: Ratings,
    entering: Bools,
    how: _Resampling,
    made: str,
) -> Estimate:
    patterns, pattern_of, sizes = coefficients.collapse(ratings.counts[entering])
    if how.groups is None:
        weights, units, unit = pattern_weights(sizes, how.resamples, how.seed), int(sizes.sum()), "clips"
    else:
        sources = _sources(ratings, entering, how.groups)
        weights, units, unit = (
            source_weights(pattern_of, sources, how.resamples, how.seed),
            int(sources.max()) + 1,
            "sources",
        )
    low, high, lost = percentile_interval(coefficient(patterns, weights), how.confidence)
    method = f"percentile interval of {how.resamples} resamples of {units} {unit}"
    if low is None:
        method = f"no interval: {how.resamples} resamples of {units} {unit} show no spread"
        if statistic == "percent_agreement" and value == 1.0 and how.groups is None:
            low, high = (1 - how.confidence) ** (1 / units), 1.0
            method = f"one-sided lower bound: all of {units} clips unanimous"
    return Estimate(
        statistic=statistic,
        value=value,
        low=low,
        high=high,
        confidence=how.confidence,
        clips=int((ratings.votes >= 2).sum()),
        raters=len(np.unique(ratings.rater_of[entering[ratings.clip_of]])),
        ratings=int(ratings.votes[entering].sum()),
        method=method,
        signature=made,
        resamples_undefined=lost,
    )


def _sources(ratings: Ratings, entering: Bools, groups: Mapping[str, str]) -> Ints:
    clips = [ratings.clips[number] for number in np.flatnonzero(entering)]
    unknown = [clip for clip in clips if clip not in groups]
    if unknown:
        raise ValueError(f"clip {unknown[0]} has no source in groups ({len(unknown)} such clips)")
    return np.unique(np.array([groups[clip] for clip in clips]), return_inverse=True)[1]
