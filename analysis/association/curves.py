"""Monotone curves from a score to a mean rating: a straight line, a rising cubic, a 4-parameter logistic."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import least_squares, nnls
from scipy.special import expit

from analysis.estimate import Floats

Mapping = Literal["linear", "cubic", "logistic"]
PARAMETERS: dict[Mapping, int] = {"linear": 2, "cubic": 4, "logistic": 4}
"""Free parameters, which the error of a mapping is corrected for."""
FEWEST_FOR_LOGISTIC = 20
FEWEST_SCORES_FOR_LOGISTIC = 6
ROOTS = np.linspace(0, 1, 1001)
"""Where the slope of a rising cubic may touch 0, as shares of the range of the scores."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A fitted curve: `value` maps scores to ratings, both of any shape.

    `monotone` says whether the curve that fits best without any condition rises, or falls, over all observed scores.
    `converged` is False if there is no usable fit; `value` is then None and `reason` says why.
    """

    mapping: Mapping
    value: Callable[[Floats], Floats] | None
    monotone: bool
    converged: bool
    reason: str | None = None


def fit(mapping: Mapping, score: Floats, rating: Floats, weights: Floats) -> Curve:
    """Fit a curve by weighted least squares; all arrays have shape (clips,), and high scores mean high ratings.

    >>> x = np.linspace(0, 1, 30)
    >>> round(float(fit("linear", x, 2 * x + 1, np.ones(30)).value(np.array(0.5))), 6)
    2.0
    """
    distinct = len(np.unique(score))
    needed = {"linear": 2, "cubic": 4, "logistic": FEWEST_SCORES_FOR_LOGISTIC}[mapping]
    if distinct < needed:
        reason = f"{distinct} different scores; a {mapping} mapping needs {needed}"
        return Curve(mapping, None, monotone=False, converged=False, reason=reason)
    if np.ptp(rating) == 0:
        return Curve(mapping, None, monotone=False, converged=False, reason="every clip has the same mean rating")
    low, span = float(score.min()), float(np.ptp(score))
    share = (score - low) / span
    fitted = {"linear": _line, "cubic": _rising_cubic, "logistic": _logistic}[mapping](share, rating, weights)
    if fitted.value is None:
        return fitted
    of_share = fitted.value
    return Curve(mapping, lambda x: of_share((x - low) / span), fitted.monotone, fitted.converged)


def _line(share: Floats, rating: Floats, weights: Floats) -> Curve:
    slope, start = np.polyfit(share, rating, 1, w=np.sqrt(weights))
    return Curve("linear", lambda x: np.asarray(start + slope * x), monotone=True, converged=True)


def _rising_cubic(share: Floats, rating: Floats, weights: Floats) -> Curve:
    """The best cubic, or, if that falls somewhere between the lowest and the highest score, the best rising one.

    A quadratic is at or above 0 on [0, 1] if and only if it is a sum of squares (t - r)^2 with 0 <= r <= 1 and of
    t (1 - t), with factors from 0 up (Lukacs's theorem). A rising cubic is the integral of such a slope, so that the
    best one is a non-negative least squares problem with one answer.
    """
    powers = share[:, None] ** np.array([1, 2, 3])
    of_weights = weights / weights.sum()
    middle, centre = of_weights @ powers, float(of_weights @ rating)
    root = np.sqrt(of_weights)
    base, triangle = np.linalg.qr((powers - middle) * root[:, None])
    target = base.T @ ((rating - centre) * root)
    free = np.linalg.solve(triangle, target)
    monotone = _is_monotone(free)
    if not (monotone and free.sum() > 0):
        # Integrals of the slopes (t - r)^2 and t (1 - t), as factors of t, t^2 and t^3.
        squares = np.array([ROOTS**2, -ROOTS, np.full(len(ROOTS), 1 / 3)])
        slopes = np.column_stack([squares, [0, 1 / 2, -1 / 3]])
        free = slopes @ nnls(triangle @ slopes, target)[0]
    if np.abs(free).max() < 1e-12:
        reason = "no rising cubic fits better than the same rating for every score"
        return Curve("cubic", None, monotone=monotone, converged=False, reason=reason)
    factors = free

    def value(x: Floats) -> Floats:
        return np.asarray(centre + (np.asarray(x)[..., None] ** np.array([1, 2, 3]) - middle) @ factors)

    return Curve("cubic", value, monotone=monotone, converged=True)


def _is_monotone(factors: Floats) -> bool:
    """Whether a cubic with these factors of t, t^2 and t^3 rises or falls over all of [0, 1]."""
    slope = factors * np.array([1, 2, 3])
    turning = -slope[1] / (2 * slope[2]) if slope[2] else 0.0
    places = np.array([0.0, 1.0, min(1.0, max(0.0, float(turning)))])
    steepness = slope[0] + slope[1] * places + slope[2] * places**2
    tolerance = 1e-9 * float(np.abs(slope).max())
    return bool((steepness >= -tolerance).all() or (steepness <= tolerance).all())


def _logistic(share: Floats, rating: Floats, weights: Floats) -> Curve:
    """b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|)), from four starts.

    For given b3 and b4 the best b1 and b2 come from a straight line, so that only two parameters are searched. A fit is
    used if it converged, rises, and has its middle b3 within one range of the data.
    """
    if len(share) < FEWEST_FOR_LOGISTIC:
        reason = f"{len(share)} clips; a logistic mapping needs {FEWEST_FOR_LOGISTIC}"
        return Curve("logistic", None, monotone=True, converged=False, reason=reason)
    root = np.sqrt(weights / weights.sum())
    middle, spread = float(np.average(share, weights=weights)), float(np.std(share))

    def line(parameters: Floats) -> Floats:
        steps = expit((share - parameters[0]) / np.exp(parameters[1]))
        return np.asarray(np.linalg.lstsq(np.column_stack([root, root * steps]), root * rating, rcond=None)[0])

    def errors(parameters: Floats) -> Floats:
        start, height = line(parameters)
        return np.asarray(root * (start + height * expit((share - parameters[0]) / np.exp(parameters[1])) - rating))

    # A width beyond these bounds is a step or a straight line.
    bounds = ([-1.0, np.log(0.01 * spread)], [2.0, np.log(100 * spread)])
    starts = [(middle, np.log(factor * spread)) for factor in (0.25, 0.5, 1.0, 2.0)]
    found = [least_squares(errors, start, bounds=bounds) for start in starts]
    usable = [one for one in found if one.success and -1 < one.x[0] < 2 and line(one.x)[1] > 0]
    if not usable:
        reason = "the logistic mapping did not converge: the ratings do not bend as a logistic curve does"
        return Curve("logistic", None, monotone=True, converged=False, reason=reason)
    best = min(usable, key=lambda one: float(one.cost)).x
    start, height = line(best)

    def value(x: Floats) -> Floats:
        return np.asarray(start + height * expit((np.asarray(x) - best[0]) / np.exp(best[1])))

    return Curve("logistic", value, monotone=True, converged=True)
