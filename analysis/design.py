"""How the rated clips came out of the pool: strata, weights and pool sizes, checked once for every estimate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.estimate import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Design:
    """Strata of the rated clips.

    `of` gives the stratum of each clip (number from 0, shape (clips,)). Per stratum, shape (strata,): `labels`,
    `drawn` rated clips, `weight` (pool clips that one rated clip stands for) and `population` (clips in the pool,
    infinite when not known, which leaves out the finite population correction).
    """

    of: Ints
    labels: tuple[str, ...]
    drawn: Ints
    weight: Floats
    population: Floats

    @classmethod
    def build(
        cls,
        clips: int,
        weights: Sequence[float] | Floats | None = None,
        strata: Sequence[str] | None = None,
        stratum_sizes: Mapping[str, int] | None = None,
    ) -> "Design":
        """From one weight and one stratum per clip; without strata the clips are one simple random sample.

        Weights default to the pool clips per rated clip where sizes are known, else to 1. Raises ValueError when
        lengths differ, a weight is not positive, weights differ inside a stratum, a stratum's size is missing or
        smaller than its sample, or a stratum of the pool was never drawn from (nothing can be said about it).

        >>> Design.build(3, strata=["a", "a", "b"], stratum_sizes={"a": 10, "b": 7}).weight
        array([5., 7.])
        """
        names = ["all"] * clips if strata is None else list(strata)
        if len(names) != clips or (weights is not None and len(weights) != clips):
            raise ValueError(f"{clips} clips need as many strata and weights")
        labels, of, drawn = np.unique(np.array(names, dtype=np.str_), return_inverse=True, return_counts=True)
        population = np.full(len(labels), np.inf)
        if stratum_sizes is not None:
            for label in sorted({label for label, size in stratum_sizes.items() if size > 0} - set(names)):
                raise ValueError(f"stratum {label!r} has {stratum_sizes[label]} clips and none was rated")
            for number, label in enumerate(labels.tolist()):
                if stratum_sizes.get(label, 0) < drawn[number]:
                    raise ValueError(f"stratum {label!r}: {drawn[number]} clips rated of {stratum_sizes.get(label)}")
                population[number] = stratum_sizes[label]
        if weights is None:
            weight = np.where(np.isfinite(population), population / drawn, 1.0)
        else:
            each = np.asarray(weights, dtype=np.float64)
            weight = each[np.unique(of, return_index=True)[1]] if clips else np.empty(0)
            if not np.all(np.isfinite(each)) or np.any(each <= 0) or not np.allclose(each, weight[of], rtol=1e-9):
                raise ValueError("weights must be positive and equal inside a stratum: refine the strata")
        return cls(of, tuple(labels.tolist()), drawn, weight, population)

    @property
    def clip_weight(self) -> Floats:
        """Weight of each clip, shape (clips,)."""
        return self.weight[self.of]

    def reordered(self, order: Ints) -> "Design":
        """The same design for the clips in another order, `order` being their old positions."""
        return replace(self, of=self.of[order])

    @property
    def plain(self) -> bool:
        """True for one simple random sample from a large pool: the case of the textbook intervals."""
        return len(self.labels) <= 1 and not np.isfinite(self.population).any()

    @property
    def equal_weights(self) -> bool:
        """True when every clip weighs the same."""
        return len(self.weight) == 0 or bool(np.allclose(self.weight, self.weight[0], rtol=1e-9))


def binary(values: Sequence[bool] | Bools, name: str) -> Bools:
    """A truth value per clip; raises ValueError naming `name` when something else than 0 and 1 is in it.

    >>> binary([True, False], "good").tolist()
    [True, False]
    """
    numbers = np.asarray(values)
    if numbers.ndim != 1 or not np.isin(numbers, [0, 1]).all():
        raise ValueError(f"{name} must be true or false for every clip; leave out clips without a consensus")
    return numbers.astype(np.bool_)


def scored(values: Sequence[float] | Floats, clips: int) -> Floats:
    """A finite score per clip; raises ValueError with the number of clips that have none.

    >>> scored([0.5, 2], 2)
    array([0.5, 2. ])
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (clips,):
        raise ValueError(f"{numbers.shape} scores for {clips} clips")
    absent = int((~np.isfinite(numbers)).sum())
    if absent:
        raise ValueError(f"{absent} clips have no score; leave them out and say so")
    return numbers
