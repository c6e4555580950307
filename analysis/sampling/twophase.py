"""Two phases for a filter's cut: a pilot in every band of the score, then most clips where the cut will lie.

The first phase draws the same number from each band. Its judgments give P(good | score) by isotonic regression; the
second phase puts most of its clips into the bands where that curve crosses the target and their neighbours, and
keeps a floor everywhere. Within a band both phases together are the clips with the smallest random numbers, hence a
simple random sample of it: given the numbers drawn, the joint probability is clips drawn by clips there. Sources:
Barlow, Bartholomew, Bremner and Brunk (1972) for isotonic regression; Neyman (1938) for sampling in two phases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling.allocation import filled
from analysis.sampling.strata import Division

FLOOR = 20
"""Clips in each band after both phases, at least."""
FOCUS = 0.7
"""Share of the second phase that goes where the curve crosses the target."""
ADAPTIVE = (
    "The second phase was allotted by the judgments of the first: its probabilities hold given that allotment, and "
    "estimates carry the small bias of any sample whose size looked at its own answers."
)


@dataclass(frozen=True, eq=False)
class Curve:
    """P(good | score) as a step function: `good` at the pilot's `score`s, shape (different scores,), rising or not.

    The target is crossed between the scores `low` and `high` (infinite where the curve lies wholly on one side).
    """

    score: Floats
    good: Floats
    target: float
    low: float
    high: float


def curve(
    scores: Sequence[float] | Floats,
    good: Sequence[float] | Floats,
    *,
    target: float,
    rising: bool = True,
    weights: Sequence[float] | Floats | None = None,
) -> Curve:
    """Isotonic P(good | score) from a pilot, and where it crosses the target.

    `good` is 0 or 1, or the share of raters who accepted, shape (clips,). `rising` false is for scores that are
    better when lower. Raises ValueError for fewer than two scored clips or a target outside (0, 1).

    >>> found = curve([1, 2, 3, 4], [0, 0, 1, 1], target=0.9)
    >>> found.low, found.high
    (2.0, 3.0)
    """
    from sklearn.isotonic import IsotonicRegression  # slow to import, and only this design needs it

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
    # From the bad end to the good end: the curve rises, and crosses at most once.
    order = np.arange(len(at)) if rising else np.arange(len(at))[::-1]
    ends = np.concatenate([[-np.inf if rising else np.inf], at[order], [np.inf if rising else -np.inf]])
    reached = int((share[order] < target).sum())
    pair = sorted((float(ends[reached]), float(ends[reached + 1])))
    return Curve(at, share, target, pair[0], pair[1])


def crossing_bands(found: Curve, edges: Sequence[float]) -> Bools:
    """The bands where the curve crosses the target, and one band on either side, shape (edges + 1,).

    >>> crossing_bands(curve([1, 2, 3, 4], [0, 0, 1, 1], target=0.9), [0.5, 1.5, 2.5, 3.5, 4.5]).tolist()
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
    """Clips of both phases together in each stratum, shape (strata,), with n new ones, and what to say about it.

    `pilot` clips were drawn before; `focus` marks the strata around the crossing. The floor comes first, out of
    the n; then `share` of the n goes to the focus evenly, the rest to the other strata evenly. Where a stratum has
    too few clips the others get more. Raises ValueError for an n that cannot pay for the floor.

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
