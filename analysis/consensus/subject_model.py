"""Subject model of ITU-T P.913 clause 12.6: the quality of clips when raters are biased and inconsistent."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from analysis.estimate import Bools, Floats, Ints

MAX_ROUNDS = 500
MIXED_STEPS = 10
MIN_SPREAD = 0.1
"""A rater's inconsistency is at least this share of the pooled one, so that no rater gets infinite weight."""
MIN_RATINGS = 10
"""A rater with fewer ratings gets the pooled inconsistency, because so few do not show the rater's own."""


@dataclass(frozen=True, eq=False)
class SubjectModel:
    """The fitted model: rating = quality of the clip + bias of the rater + noise; all in points of the scale.

    `quality` and its errors have shape (clips,): `standard_error` is the model's (sum 1 / inconsistency^2)^-1/2, and
    `observed_error` is what the program accompanying P.913 prints, the standard deviation of the clip's ratings
    without bias divided by the root of their number. `bias` (mean 0), `inconsistency` (standard deviation of the
    noise) and `ratings` have shape (raters,). `floored` marks raters whose inconsistency was raised or pooled.
    `components` counts the groups of raters and clips that no rating connects; across groups, bias and quality cannot
    be separated.
    """

    quality: Floats
    standard_error: Floats
    observed_error: Floats
    bias: Floats
    inconsistency: Floats
    ratings: Ints
    floored: tuple[bool, ...]
    components: int
    rounds: int
    converged: bool


def subject_model(
    clip_of: Ints, rater_of: Ints, points: Floats, *, least_ratings: int = MIN_RATINGS, tolerance: float = 1e-9
) -> SubjectModel:
    """Fit the model by alternating projection.

    `clip_of`, `rater_of` (both numbered from 0 without gaps) and `points` have shape (ratings,); raters need not rate
    every clip. Each round sets bias = mean of the rater's residuals, inconsistency = their standard deviation, and
    quality = mean of the ratings without bias, weighted by 1 / inconsistency^2. Rounds end when neither a bias nor the
    logarithm of an inconsistency changes by `tolerance`. They are accelerated, because plain rounds number hundreds
    with few raters per clip; the fixed point is the same. Sources: ITU-T P.913 (2021) clause 12.6; Li, Bampis,
    Krasula, Janowski & Katsavounidis (2020), arXiv 2004.02067.

    Raises ValueError without ratings, if lengths differ, or if a rating is not finite.

    >>> made = subject_model(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([5.0, 4.0, 3.0, 2.0]))
    >>> made.quality.tolist(), made.bias.round(6).tolist()
    ([4.5, 2.5], [0.5, -0.5])
    """
    per_clip, per_rater = _checked(clip_of, rater_of, points)
    clips, raters = len(per_clip), len(per_rater)

    def qualities(bias: Floats, spread: Floats) -> Floats:
        weight = (1 / spread**2)[rater_of]
        weighted = np.bincount(clip_of, weight * (points - bias[rater_of]), clips)
        return np.asarray(weighted / np.bincount(clip_of, weight, clips), dtype=np.float64)

    def projected(state: Floats) -> Floats:
        quality = qualities(state[:raters], np.exp(state[raters:]))
        bias = np.bincount(rater_of, points - quality[clip_of], raters) / per_rater
        spread, _ = _spread(points - quality[clip_of] - bias[rater_of], rater_of, per_rater, least_ratings)
        return np.concatenate([bias - bias.mean(), np.log(spread)])

    plain = np.bincount(clip_of, points, clips) / per_clip
    bias = np.bincount(rater_of, points - plain[clip_of], raters) / per_rater
    start, _ = _spread(points - plain[clip_of] - bias[rater_of], rater_of, per_rater, least_ratings)
    state, rounds, converged = _fixed_point(projected, np.concatenate([bias - bias.mean(), np.log(start)]), tolerance)
    bias = state[:raters]
    quality = qualities(bias, np.exp(state[raters:]))
    spread, floored = _spread(points - quality[clip_of] - bias[rater_of], rater_of, per_rater, least_ratings)
    total = np.bincount(clip_of, (1 / spread**2)[rater_of], clips)
    unbiased = points - bias[rater_of]
    middle = np.bincount(clip_of, unbiased, clips) / per_clip
    seen = np.sqrt(np.bincount(clip_of, (unbiased - middle[clip_of]) ** 2, clips)) / per_clip
    return SubjectModel(
        quality=quality,
        standard_error=1 / np.sqrt(total),
        observed_error=seen,
        bias=bias,
        inconsistency=spread,
        ratings=per_rater,
        floored=tuple(floored.tolist()),
        components=_components(clip_of, rater_of, clips, raters),
        rounds=rounds,
        converged=converged,
    )


def _checked(clip_of: Ints, rater_of: Ints, points: Floats) -> tuple[Ints, Ints]:
    """The numbers of ratings per clip and per rater; raises ValueError for malformed input."""
    if not len(points) or not len(clip_of) == len(rater_of) == len(points):
        raise ValueError(f"{len(clip_of)} clips, {len(rater_of)} raters and {len(points)} ratings are not parallel")
    if not np.isfinite(points).all():
        raise ValueError("every rating must be a finite number")
    per_clip, per_rater = np.bincount(clip_of), np.bincount(rater_of)
    if (per_clip == 0).any() or (per_rater == 0).any():
        raise ValueError("clips and raters must be numbered from 0 without gaps")
    return per_clip, per_rater


def _fixed_point(step: Callable[[Floats], Floats], state: Floats, tolerance: float) -> tuple[Floats, int, bool]:
    """Iterate `step` to its fixed point with Anderson acceleration; returns the state, the rounds and convergence.

    A mixture of steps that moves away from the fixed point is dropped. Source: Anderson (1965), Journal of the ACM
    12, 547-560.
    """
    images: list[Floats] = []
    changes: list[Floats] = []
    best, rounds = np.inf, 0
    while rounds < MAX_ROUNDS:
        image = step(state)
        change, rounds = image - state, rounds + 1
        size = float(np.abs(change).max())
        if size < tolerance:
            return image, rounds, True
        if size > 2 * best:
            images, changes = [], []
        best = min(best, size)
        images, changes = [*images[-MIXED_STEPS:], image], [*changes[-MIXED_STEPS:], change]
        state = image
        if len(changes) > 1:
            steps = np.diff(np.array(changes), axis=0).T
            mixed = np.linalg.lstsq(steps, change, rcond=None)[0]
            state = image - np.diff(np.array(images), axis=0).T @ mixed
    return state, rounds, False


def _spread(rest: Floats, rater_of: Ints, per_rater: Ints, least: int) -> tuple[Floats, Bools]:
    """The inconsistency of every rater from the residuals `rest`, and whose was raised or pooled, shapes (raters,)."""
    raters = len(per_rater)
    middle = np.bincount(rater_of, rest, raters) / per_rater
    square = np.bincount(rater_of, (rest - middle[rater_of]) ** 2, raters)
    pooled = max(float(np.sqrt(square.sum() / len(rest))), 1e-6)
    own = np.sqrt(square / per_rater)
    few, small = per_rater < min(least, per_rater.max()), own < MIN_SPREAD * pooled
    return np.where(few, pooled, np.where(small, MIN_SPREAD * pooled, own)), few | small


def _components(clip_of: Ints, rater_of: Ints, clips: int, raters: int) -> int:
    """The number of connected groups of raters and clips."""
    edges = coo_array((np.ones(len(clip_of)), (clip_of, clips + rater_of)), shape=(clips + raters,) * 2)
    return int(connected_components(edges, directed=False)[0])
