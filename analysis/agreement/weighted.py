"""Agreement weighted to the pool: every statistic of the registry with the clips' design weights."""

from collections.abc import Mapping

import numpy as np
from scipy.sparse import csr_array

from analysis.agreement import coefficients
from analysis.agreement.statistics import statistic_named
from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.ratings import Ratings
from analysis.resampling import percentile_interval, within_strata


def weighted_agreement(
    statistic: str,
    ratings: Ratings,
    weights: Mapping[str, float],
    *,
    strata: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """One statistic of `statistics.STATISTICS`, by its key, in Hajek's weighted form, with a bootstrap within strata.

    `weights` maps clips to inverse inclusion probabilities; only their proportions matter, and equal weights give the
    unweighted value. Without `strata` (clip to stratum) all clips are one stratum. With `groups` (clip to source) whole
    sources are resampled within strata. Raises ValueError for an unknown statistic and for a clip without a weight
    above 0.
    """
    entry = statistic_named(statistic)
    kept = entry.entering(ratings)
    clips = [clip for clip, keep in zip(ratings.clips, kept, strict=True) if keep]
    wrong = [clip for clip in clips if not weights.get(clip, 0.0) > 0]
    if wrong:
        raise ValueError(f"clip {wrong[0]} has no weight above 0 ({len(wrong)} such clips)")
    made = signature(
        statistic,
        ["scipy"],
        weighted="hajek",
        design="strata" if strata else "one stratum",
        unit="clip" if groups is None else "source",
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )
    counted = int((ratings.votes >= 2).sum())
    reason = entry.undefined(ratings)
    if reason:
        return absent(statistic, reason, signature=made, confidence=confidence, clips=counted)
    coefficient = entry.coefficient(ratings.scale)
    patterns, pattern_of, _ = coefficients.collapse(ratings.counts[kept])
    own = np.array([weights[clip] for clip in clips])
    own *= len(own) / own.sum()
    value = coefficient(patterns, np.bincount(pattern_of, weights=own)[None].astype(np.float64))[0]
    drawn = _drawn(pattern_of, own, clips, strata, groups, resamples, seed)
    low, high, lost = percentile_interval(coefficient(patterns, drawn), confidence)
    units = "sources" if groups else "clips"
    method = f"design-weighted; percentile interval of {resamples} resamples of {units} within strata"
    if low is None:
        method = "design-weighted; no interval: the resamples show no spread"
    raters, votes = len(np.unique(ratings.rater_of[kept[ratings.clip_of]])), int(ratings.votes[kept].sum())
    ends = (float(value), low, high)
    return Estimate(statistic, *ends, confidence, counted, raters, votes, method, made, None, lost)


def _drawn(
    pattern_of: Ints,
    own: Floats,
    clips: list[str],
    strata: Mapping[str, str] | None,
    groups: Mapping[str, str] | None,
    resamples: int,
    seed: int,
) -> Floats:
    """The weight of each pattern in each replicate, shape (resamples, patterns)."""
    stratum = [strata[clip] if strata else "" for clip in clips]
    unit = [(of, groups[clip] if groups else clip) for of, clip in zip(stratum, clips, strict=True)]
    number = {one: place for place, one in enumerate(dict.fromkeys(unit))}
    unit_of = np.array([number[one] for one in unit])
    stratum_of = np.unique([of for of, _ in number], return_inverse=True)[1]
    shape = (len(number), int(pattern_of.max()) + 1)
    weight_of = csr_array((own, (unit_of, pattern_of)), shape=shape)
    return np.vstack([block @ weight_of for block in within_strata(stratum_of, resamples, seed)])
