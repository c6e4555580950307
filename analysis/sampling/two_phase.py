"""Two-phase sampling for calibrating a threshold: a pilot in every band of the score, then most clips near it.

The first phase draws the same number of clips from each band. Its judgments give P(good | score) by isotonic
regression; the second phase draws most of its clips from the bands in which that curve crosses the target and from
their neighbours, and a minimum from every band. Within a band both phases together are the clips with the smallest
random numbers, hence a simple random sample of it: given the numbers drawn, the joint probability is clips drawn /
clips of the band. Sources:
Barlow, Bartholomew, Bremner and Brunk (1972) for isotonic regression; Neyman (1938) for sampling in two phases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling.allocation import filled
from analysis.sampling.strata import Division

FLOOR = 20
"""The smallest number of clips in each band after both phases."""
FOCUS = 0.7
"""The share of the second phase drawn where the curve crosses the target."""
ADAPTIVE = (
    "The second phase was allotted by the judgments of the first: its probabilities hold given that allotment, and "
    "estimates carry the small bias of any sample whose size looked at its own answers."
)


@dataclass(frozen=True, eq=False)
class QualityCurve:
    """P(good | score) as a step function: `good` (0 to 1) at the pilot's `score`, shapes (different scores,).

    The curve crosses the target between the scores `low` and `high` (infinite if it lies on one side of the target).
    """

    score: Floats
    good: Floats
    target: float
    low: float
    high: float


def quality_curve(
    scores: Sequence[float] | Floats,
    good: Sequence[float] | Floats,
    *,
    target: float,
    rising: bool = True,
    weights: Sequence[float] | Floats | None = None,
) -> QualityCurve:
    """Fit P(good | score) to a pilot by isotonic regression, and find where it crosses the target.

    `scores` and `good` have shape (clips,); `good` is 0 or 1, or the share of raters who accepted. `rising` is False
    for scores that are better if lower. Raises ValueError for fewer than two scored clips or a target outside (0, 1).

    >>> found = quality_curve([1, 2, 3, 4], [0, 0, 1, 1], target=0.9)
    >>> found.low, found.high
    (2.0, 3.0)
    """
    from sklearn.isotonic import IsotonicRegression  # slow to import, and needed by this design only

    if not 0 < target < 1:
        raise ValueError(f"a target is a share of good clips between 0 and 1, not {target}")
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"{len(values)} pilot clips with a score; P(good | score) needs two at least")
    fit = IsotonicRegression(y_min=0, y_max=1, increasing=rising).fit(
        values, np.asarray(good, dtype=np.float64), weights
    )
    at = np.unique(values)
    share = fit.predict(at)
    # From the bad to the good end the curve rises and crosses the target at most once.
    order = np.arange(len(at)) if rising else np.arange(len(at))[::-1]
    ends = np.concatenate([[-np.inf if rising else np.inf], at[order], [np.inf if rising else -np.inf]])
    reached = int((share[order] < target).sum())
    pair = sorted((float(ends[reached]), float(ends[reached + 1])))
    return QualityCurve(at, share, target, pair[0], pair[1])


def crossing_bands(found: QualityCurve, edges: Sequence[float]) -> Bools:
    """The bands in which the curve crosses the target, and one band on either side, shape (edges + 1,).

    >>> crossing_bands(quality_curve([1, 2, 3, 4], [0, 0, 1, 1], target=0.9), [0.5, 1.5, 2.5, 3.5, 4.5]).tolist()
    [False, True, True, True, True, False]
    """
    inner = np.unique(np.asarray(edges, dtype=np.float64))
    first, last = np.searchsorted(inner, [found.low, found.high], side="right")
    number = np.arange(len(inner) + 1)
    near: Bools = (number >= first - 1) & (number <= last + 1)
    return near


def second_phase(
    division: Division, pilot: Ints, focus: Bools, n: int, *, share: float = FOCUS, floor: int = FLOOR
) -> tuple[Ints, tuple[str, ...]]:
    """Clips of both phases together in each stratum, shape (strata,), with n new ones, and notes for the researcher.

    `pilot` clips were drawn before; `focus` marks the strata around the crossing, shapes (strata,). The n clips first
    bring every stratum to the floor; then `share` of the n goes evenly to the focus and the rest evenly to the other
    strata. If a stratum has too few clips, the others get more. Raises ValueError if n is too small for the floor.

    >>> division = Division(np.repeat([0, 1, 2], 100).astype(np.int32), ("a", "b", "c"), ((None, None),) * 3)
    >>> second_phase(division, np.array([10, 10, 10]), np.array([False, True, False]), 50)[0].tolist()
    [20, 40, 20]
    """
    sizes = division.sizes
    least = np.maximum(pilot, np.minimum(sizes, floor))
    if (need := int((least - pilot).sum())) > n:
        raise ValueError(f"{n} clips of the second phase cannot lift every band to {floor}; {need} are needed")
    room = np.where(focus, sizes, least)
    near, most = int(least[focus].sum()), int(pilot.sum()) + n - int(least[~focus].sum())
    wanted = min(max(near, int(pilot[focus].sum()) + round(share * n)), most)
    shares = filled(least, room, focus.astype(np.float64), int(least[~focus].sum()) + wanted)
    total = filled(shares, sizes, (~focus).astype(np.float64), int(pilot.sum()) + n)
    names = ", ".join(label for label, inside in zip(division.labels, focus, strict=True) if inside)
    new = int(total.sum() - pilot.sum())
    notes = [
        f"{int((total - pilot)[focus].sum())} of {new} clips of the second phase lie around the crossing: {names}."
    ]
    if new < n:
        notes.append(f"The pool has {new} more clips where {n} were asked for: all are taken.")
    return total, (*notes, ADAPTIVE)
