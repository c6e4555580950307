"""Intraclass correlations of ratings in points: the six forms of Shrout & Fleiss, with F intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from scipy.stats import f as f_distribution

from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.ratings import Ratings
from analysis.resampling import pattern_weights, percentile_interval, source_weights

Form = Literal["1_1", "2_1", "3_1", "1_k", "2_k", "3_k"]
NAMES: dict[str, Form] = {
    "icc_1_1": "1_1",
    "icc_2_1": "2_1",
    "icc_3_1": "3_1",
    "icc_1_k": "1_k",
    "icc_2_k": "2_k",
    "icc_3_k": "3_k",
}
"""One-way, two-way random (agreement) and two-way fixed (consistency), for one rater and for the mean of k raters."""


@dataclass(frozen=True)
class Anova:
    """Mean squares of n clips by k raters: between clips, within clips, between raters, and of the residual `rest`.

    With gaps only `between` and `within` exist, and k is n0 of the unbalanced one-way design.
    """

    clips: int
    k: float
    between: float
    within: float
    raters: float | None
    rest: float | None


def mean_squares(points: Floats) -> Anova:
    """The analysis of variance of `points`, shape (clips, raters), NaN where a rater has no vote.

    Clips without a vote are left out. Raises ValueError with fewer than two clips, or if no clip has two votes. Source:
    Shrout & Fleiss (1979), doi:10.1037/0033-2909.86.2.420; n0 of unequal groups: Snedecor & Cochran, Statistical
    Methods.

    >>> mean_squares(np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8.0]])).k
    4.0
    """
    points = points[~np.isnan(points).all(axis=1)]
    votes = (~np.isnan(points)).sum(axis=1)
    n, total = len(points), int(votes.sum())
    if n < 2 or total == n:
        raise ValueError("an intraclass correlation needs two clips, and two votes on one of them")
    means, grand = np.nanmean(points, axis=1), float(np.nanmean(points))
    between = float((votes * (means - grand) ** 2).sum())
    within = float(np.nansum((points - means[:, None]) ** 2))
    k = float((total - (votes**2).sum() / total) / (n - 1))
    if not (votes == points.shape[1]).all():
        return Anova(n, k, between / (n - 1), within / (total - n), None, None)
    columns = points.shape[1]
    raters = float(n * ((points.mean(axis=0) - grand) ** 2).sum())
    rest = float(((points - means[:, None] - points.mean(axis=0) + grand) ** 2).sum())
    df = (n - 1) * (columns - 1)
    return Anova(n, float(columns), between / (n - 1), within / (total - n), raters / (columns - 1), rest / df)


def value(table: Anova, form: Form) -> float | None:
    """The coefficient (at most 1, may be negative); None if it is 0/0, or if the form needs complete blocks."""
    b, k, n = table.between, table.k, table.clips
    if form in ("1_1", "1_k"):
        above, below = b - table.within, b + (k - 1) * table.within if form == "1_1" else b
    elif table.raters is None or table.rest is None:
        return None
    else:
        above = b - table.rest
        bias = (table.raters - table.rest) / n
        below = {"2_1": b + (k - 1) * table.rest + k * bias, "2_k": b + bias}.get(
            form, b + (k - 1) * table.rest if form == "3_1" else b
        )
    return above / below if abs(below) > 1e-12 else None


def interval(table: Anova, form: Form, confidence: float) -> tuple[float | None, float | None]:
    """The F interval of complete blocks (Shrout & Fleiss 1979; McGraw & Wong 1996 for two-way random raters)."""
    n, k, tail = table.clips, table.k, (1 + confidence) / 2
    if form in ("2_1", "2_k"):
        return _absolute(table, form, tail)
    rest, df = (table.within, n * (k - 1)) if form[0] == "1" else (table.rest, (n - 1) * (k - 1))
    if not rest or rest < 1e-12:
        return None, None
    ratio = table.between / rest
    low = ratio / float(f_distribution.ppf(tail, n - 1, df))
    high = ratio * float(f_distribution.ppf(tail, df, n - 1))
    if form.endswith("k"):
        return 1 - 1 / low if low > 0 else None, 1 - 1 / high if high > 0 else None
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _absolute(table: Anova, form: Form, tail: float) -> tuple[float | None, float | None]:
    n, k, b = table.clips, table.k, table.between
    single = value(table, "2_1")
    c, e = table.raters, table.rest
    if c is None or e is None or single is None or e < 1e-12 or single > 1 - 1e-12:
        return None, None
    a_ = k * single / (n * (1 - single))
    b_ = 1 + k * single * (n - 1) / (n * (1 - single))
    df = (a_ * c + b_ * e) ** 2 / ((a_ * c) ** 2 / (k - 1) + (b_ * e) ** 2 / ((n - 1) * (k - 1)))
    lower, upper = float(f_distribution.ppf(tail, n - 1, df)), float(f_distribution.ppf(tail, df, n - 1))
    spread = k * c + (k * n - k - n) * e
    low, high = n * (b - lower * e) / (lower * spread + n * b), n * (upper * b - e) / (spread + n * upper * b)
    if form == "2_k":
        if 1 + (k - 1) * low <= 0:
            return None, None  # so low for one rater that the interval of the mean has no bound
        low, high = k * low / (1 + (k - 1) * low), k * high / (1 + (k - 1) * high)
    return (low, high) if low <= high else (None, None)


def icc(
    statistic: str,
    ratings: Ratings,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: Mapping[str, str] | None = None,
) -> Estimate:
    """One intraclass correlation of `NAMES`, with the F interval for complete blocks, else a bootstrap interval.

    With gaps, or with `groups` (clip to source), clips or sources are resampled. Levels of an ordinal scale count as
    numbers. Undefined, with the reason, on a nominal scale, for levels that are words, without variation, and for the
    two-way forms with gaps.
    """
    form = NAMES[statistic]
    unit = "clip" if groups is None else "source"
    made = signature(statistic, ["scipy"], unit=unit, resamples=resamples, seed=seed, confidence=confidence)
    clips = int((ratings.votes >= 1).sum())
    numbers = ratings.scale.numbers
    reason = _refused(ratings, form)
    table = None if reason or numbers is None else mean_squares(_grid(ratings, numbers))
    found = None if table is None else value(table, form)
    if table is None or found is None:
        reason = reason or "every rating compared is the same: without variation there is nothing to correlate"
        return absent(statistic, reason, signature=made, confidence=confidence, clips=clips)
    grid = _grid(ratings, cast(Floats, numbers))
    rated = [clip for clip, votes in zip(ratings.clips, ratings.votes, strict=True) if votes]
    low, high, method, lost = ends(grid, form, rated, groups, resamples, seed, confidence)
    raters, votes = len(np.unique(ratings.rater_of)), int(ratings.votes.sum())
    return Estimate(statistic, found, low, high, confidence, clips, raters, votes, method, made, None, lost)


def ends(
    grid: Floats,
    form: Form,
    clips: list[str],
    groups: Mapping[str, str] | None,
    resamples: int,
    seed: int,
    confidence: float,
) -> tuple[float | None, float | None, str, int]:
    """The interval of a coefficient of `grid` (clips, raters): its ends, the method in words, undefined replicates.

    It is the F interval for complete blocks, and else a bootstrap of clips, or of sources with `groups`. Raises
    ValueError as `mean_squares` does.
    """
    table = mean_squares(grid)
    if table.raters is not None and groups is None:
        low, high = interval(table, form, confidence)
        lost, method = 0, "F interval of complete blocks (Shrout & Fleiss 1979; McGraw & Wong 1996)"
    else:
        unit = "clip" if groups is None else "source"
        low, high, lost = percentile_interval(_resampled(grid, form, clips, groups, resamples, seed), confidence)
        method = f"percentile interval of {resamples} resamples of {unit}s" + (
            f"; gaps: one-way analysis with {table.k:.3g} votes a clip" if table.raters is None else ""
        )
    if low is None:
        method = "no interval: no spread around the clips' means, or so much that an end has no bound"
    return low, high, method, lost


def _refused(ratings: Ratings, form: Form) -> str | None:
    if ratings.scale.metric == "nominal":
        return "the scale is nominal: intraclass correlations need points"
    if ratings.scale.numbers is None:
        return "the levels are words: intraclass correlations need points"
    rated = ratings.votes >= 1
    if not (ratings.votes >= 2).any():
        return "no clip has two ratings; agreement needs two raters on the same clip"
    if rated.sum() < 2:
        return "one clip was rated; an intraclass correlation needs two"
    if np.count_nonzero(ratings.counts.sum(axis=0)) < 2:
        return "every rating compared is the same: without variation there is nothing to correlate"
    raters = len(np.unique(ratings.rater_of))
    gaps = int(rated.sum()) * raters - int(ratings.votes.sum())
    if gaps and form[0] != "1":
        return (
            f"{gaps} ratings are missing and this form needs every rater on every clip: read icc_1_1 or alpha instead"
        )
    return None


def _grid(ratings: Ratings, numbers: Floats) -> Floats:
    """Points, shape (rated clips, raters with a vote); NaN where a rater has no vote."""
    grid = np.full((len(ratings.clips), len(ratings.raters)), np.nan)
    grid[ratings.clip_of, ratings.rater_of] = numbers[ratings.level]
    grid = grid[ratings.votes >= 1]
    return np.asarray(grid[:, ~np.isnan(grid).all(axis=0)])


def _resampled(
    grid: Floats, form: Form, clips: list[str], groups: Mapping[str, str] | None, resamples: int, seed: int
) -> Floats:
    """The coefficient of resampled clips or sources, shape (resamples,); NaN where it is undefined."""
    holes = np.isnan(grid)
    filled = np.where(holes, -np.inf, grid)  # so that equal rows compare as equal, which NaN does not
    rows, row_of, sizes = np.unique(filled, axis=0, return_inverse=True, return_counts=True)
    row_of = row_of.ravel()
    if groups is None:
        weights = pattern_weights(sizes, resamples, seed)
    else:
        sources: Ints = np.unique([groups[clip] for clip in clips], return_inverse=True)[1]
        weights = source_weights(row_of, sources, resamples, seed)
    absent_, centre = np.isinf(rows), float(np.nanmean(grid))
    shifted = np.where(absent_, 0.0, rows - centre)
    votes = (~absent_).sum(axis=1).astype(np.float64)
    total, n = weights @ votes, weights.sum(axis=1)
    first, of_means = weights @ shifted.sum(axis=1), weights @ (shifted.sum(axis=1) ** 2 / votes)
    every = weights @ (shifted**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        k = (total - weights @ votes**2 / total) / (n - 1)
        between, within = (of_means - first**2 / total) / (n - 1), (every - of_means) / (total - n)
        if form[0] == "1":
            drawn = (between - within) / (between + (k - 1) * within if form == "1_1" else between)
        else:
            columns = ((weights @ shifted) ** 2).sum(axis=1) / n - first**2 / total
            rest = (every - of_means - columns) / ((n - 1) * (k - 1))
            bias = (columns / (k - 1) - rest) / n if form[0] == "2" else 0.0
            below = between + (k - 1) * rest + k * bias if form.endswith("1") else between + bias
            drawn = (between - rest) / below
    return np.asarray(np.where(np.isfinite(drawn), drawn, np.nan))
