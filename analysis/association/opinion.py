"""The raters' mean opinion of each clip, and how reliable it is: the ceiling of what any score can reach."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt

import numpy as np

from analysis.agreement import icc
from analysis.association.design_intervals import (
    FEWEST_CLIPS,
    Described,
    DesignEstimate,
    Interval,
    Resampling,
    Scale,
    Statistic,
    by_design,
    is_simple,
    too_few,
)
from analysis.consensus.mean_opinion import MeanOpinionScores, mean_opinion
from analysis.design import Design
from analysis.estimate import Floats, Ints


def _error_logarithm(reliability: Floats) -> Floats:
    return np.asarray(-np.log1p(-reliability))


def _reliability_of(logarithm: Floats) -> Floats:
    return np.asarray(-np.expm1(-logarithm))


ERROR_SHARE = Scale(_error_logarithm, _reliability_of, lambda r: 1 / (1 - r), "the logarithm of the share of noise")
NO_VARIATION = "the clips' mean ratings or all ratings are equal, so nothing can be told from noise"
NO_REPEATS = "no clip has two ratings, so the raters' noise is unknown"


@dataclass(frozen=True, eq=False)
class Opinion:
    """The mean rating of every clip, shape (clips,), and the ratings behind it where they are known.

    `grid` holds points, shape (clips, raters), NaN where a rater has no rating of a clip; None if only means are known.
    """

    mean: Floats
    grid: Floats | None = None

    @classmethod
    def of_grid(cls, grid: Floats) -> "Opinion":
        """From the ratings in points, shape (clips, raters); raises ValueError for a clip without a rating.

        >>> Opinion.of_grid(np.array([[1.0, 2.0], [np.nan, 4.0]])).mean.tolist()
        [1.5, 4.0]
        """
        rated = ~np.isnan(grid)
        if not rated.any(axis=1).all():
            raise ValueError(f"{int((~rated.any(axis=1)).sum())} clips have no rating; leave them out and say so")
        grid = np.asarray(grid[:, rated.any(axis=0)])
        return cls(np.asarray(np.nanmean(grid, axis=1)), grid)

    def reordered(self, order: Ints) -> "Opinion":
        """The same opinions with the clips in another order; `order` holds their old positions."""
        return Opinion(self.mean[order], None if self.grid is None else self.grid[order])

    @property
    def raters(self) -> int | None:
        """The number of raters, if known."""
        return None if self.grid is None else self.grid.shape[1]

    @cached_property
    def votes(self) -> Ints | None:
        """The number of ratings of each clip, shape (clips,); None if they are not known."""
        return None if self.grid is None else np.asarray((~np.isnan(self.grid)).sum(axis=1))

    @property
    def ratings(self) -> int | None:
        """The number of ratings, if known."""
        return None if self.votes is None else int(self.votes.sum())

    @property
    def is_complete(self) -> bool:
        """True if every rater rated every clip, and there are at least two raters."""
        return self.grid is not None and self.grid.shape[1] > 1 and not np.isnan(self.grid).any()

    def scores(self, confidence: float = 0.95) -> MeanOpinionScores | None:
        """The mean opinion scores with their intervals; None if the ratings are not known."""
        if self.grid is None:
            return None
        clip_of, rater_of = np.nonzero(~np.isnan(self.grid))
        return mean_opinion(clip_of, self.grid[clip_of, rater_of], confidence=confidence)


@dataclass(frozen=True)
class Reliability:
    """How reliable one rating (`icc_1_1`) and the mean rating (`mos_reliability`) are.

    `ceiling` is the largest correlation with the mean rating that a perfect score is expected to reach, sqrt of
    `mos_reliability`; None if that is not above 0.
    """

    icc_1_1: DesignEstimate
    mos_reliability: DesignEstimate
    ceiling: float | None
    votes_per_clip: float


@dataclass(frozen=True, eq=False)
class VarianceParts:
    """The variance between clips and of the raters' noise, in replicates of the clips' weights.

    With gaps it comes from a one-way analysis of variance over clips (Shrout & Fleiss 1979; unequal numbers of ratings
    as in Snedecor & Cochran). If every rater rated every clip, the raters' leniency cancels in the mean rating, and the
    noise of the mean is the residual of the two-way analysis.

    `scale` makes the weights of the sample add up to its clips, which leaves the degrees of freedom as they are.
    `moments` (clips, 7) are summed with the weights; `columns` are the complete points (clips, raters), else None.
    """

    moments: Floats
    columns: Floats | None
    scale: float

    @classmethod
    def of(cls, grid: Floats, clip_weight: Floats) -> "VarianceParts":
        """From points (clips, raters), NaN for gaps, and the weights of the clips (clips,)."""
        votes = (~np.isnan(grid)).sum(axis=1).astype(np.float64)
        centred = grid - np.nanmean(grid)
        mean = np.nanmean(centred, axis=1)
        within = np.nansum((centred - mean[:, None]) ** 2, axis=1)
        parts = (np.ones(len(grid)), votes, votes**2, votes * mean, votes * mean**2, within, 1 / votes)
        columns = centred if (votes == grid.shape[1]).all() else None
        return cls(np.column_stack(parts), columns, len(grid) / float(clip_weight.sum()))

    def one_rating(self, weights: Floats) -> Floats:
        """The reliability of a single rating, ICC(1,1), in each replicate (replicates,); NaN where it is undefined."""
        between, within, _, _ = self._mean_squares(weights)
        return _share(between, within)

    def mean_rating(self, weights: Floats) -> Floats:
        """The reliability of the mean rating in each replicate (replicates,); NaN where it is undefined."""
        between, within, inverse, residual = self._mean_squares(weights)
        if residual is None:
            return _share(between, within * inverse)
        return _share(between + (within - residual) * inverse, residual * inverse)

    def _mean_squares(self, weights: Floats) -> tuple[Floats, Floats, Floats, Floats | None]:
        """The variances between clips and within, the mean of 1 / votes, and the two-way residual if complete."""
        weights = weights * self.scale
        clips, total, squares, first, second, inside, inverse = (weights @ self.moments).T
        with np.errstate(divide="ignore", invalid="ignore"):
            each = (total - squares / total) / (clips - 1)
            within = inside / (total - clips)
            between = ((second - first**2 / total) / (clips - 1) - within) / each
            residual = None
            if self.columns is not None:
                of_raters = ((weights @ self.columns) ** 2).sum(axis=1) / clips - first**2 / total
                residual = (inside - of_raters) / ((clips - 1) * (self.columns.shape[1] - 1))
        return between, within, inverse / clips, residual


def _share(between: Floats, noise: Floats) -> Floats:
    whole = between + noise
    usable = np.isfinite(whole) & (whole > 1e-12)
    return np.asarray(np.divide(between, whole, out=np.full(len(whole), np.nan), where=usable))


def reliability(opinion: Opinion, described: Described) -> Reliability | None:
    """How far the raters' noise lets any score correlate with their mean rating; None if only means are known.

    The reliability of the mean is ICC(3,k), for consistency, if every rater rated every clip. Otherwise it is
    s2_c / (s2_c + s2_e mean(1/m)) from a one-way analysis over clips with m ratings each; for equal m that is ICC(1,k).
    The ceiling is due to Spearman (1904), doi:10.2307/1412159.

    >>> opinion = Opinion.of_grid(np.array([[1.0, 2], [3, 3], [5, 4]]))
    >>> found = reliability(opinion, Described(Design.build(3), Resampling()))
    >>> round(found.mos_reliability.estimate.value, 3), round(found.ceiling, 3)
    (0.889, 0.943)
    """
    if opinion.grid is None or opinion.votes is None:
        return None
    form: icc.Form = "3_k" if opinion.is_complete else "1_k"
    one = _estimate("icc_1_1", "1_1", opinion, described)
    mean = _estimate("mos_reliability", form, opinion, described)
    value = mean.estimate.value
    ceiling = sqrt(value) if value is not None and value > 0 else None
    return Reliability(one, mean, ceiling, float(opinion.votes.mean()))


def _estimate(name: str, form: icc.Form, opinion: Opinion, described: Described) -> DesignEstimate:
    grid, weight = opinion.grid, described.design.clip_weight
    value = _value(form, opinion, weight)
    if grid is None or value is None:
        reason = NO_REPEATS if grid is None or (~np.isnan(grid)).sum(axis=1).max() < 2 else NO_VARIATION
        return described.absent(name, reason, analysis=form)
    kind = "two-way analysis, consistency, ICC(3,k)" if form == "3_k" else "one-way analysis over clips"
    found = _interval(form, value, grid, described.design, described.how)
    found = replace(found, method=f"{kind}; {found.method}")
    return described.estimate(name, value, _value(form, opinion, np.ones(len(weight))), found, analysis=form)


def _statistic(form: icc.Form, grid: Floats, clip_weight: Floats) -> Statistic:
    parts = VarianceParts.of(grid, clip_weight)
    return parts.one_rating if form == "1_1" else parts.mean_rating


def _value(form: icc.Form, opinion: Opinion, clip_weight: Floats) -> float | None:
    if opinion.grid is None or len(opinion.mean) < 2 or (~np.isnan(opinion.grid)).sum(axis=1).max() < 2:
        return None
    found = float(_statistic(form, opinion.grid, clip_weight)(clip_weight[None])[0])
    return None if np.isnan(found) else found


def _interval(form: icc.Form, value: float, grid: Floats, design: Design, how: Resampling) -> Interval:
    """As `stats agreement` gives it for one random sample of clips; by design for sources, weights and strata."""
    if is_simple(design) and (form == "1_1" or not np.isnan(grid).any()):
        clips = [f"{clip:09d}" for clip in range(len(grid))]
        low, high, method, lost = icc.ends(grid, form, clips, None, how.resamples, how.seed, how.confidence)
        return Interval(low, high, None, method, lost)
    if len(grid) < FEWEST_CLIPS:
        return too_few(len(grid))
    if value > 1 - 1e-12:
        return Interval(None, None, None, "no interval: the ratings of each clip are equal")
    return by_design(value, _statistic(form, grid, design.clip_weight), design, how, ERROR_SHARE)
