"""The sampling design of the rated clips: strata, weights, sources and pool sizes, checked once for every estimate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.estimate import Bools, Floats, Ints
from analysis.resampling import within_strata

_CHUNK = 300_000  # numbers of a block of replicates held at once: 2.4 MB fit the processor's cache


@dataclass(frozen=True, eq=False)
class Design:
    """Strata, weights and sources of the rated clips.

    Per clip, shape (clips,): `of` is its stratum (numbered from 0), `clip_weight` the pool clips it stands for and
    `source` the video it comes from (numbered from 0; None if clips are independent). Per stratum, shape (strata,):
    `labels`, `drawn` rated clips, and `population` clips in the pool (infinite if not known, which leaves out the
    finite population correction).
    """

    of: Ints
    labels: tuple[str, ...]
    drawn: Ints
    clip_weight: Floats
    population: Floats
    source: Ints | None = None

    @classmethod
    def build(
        cls,
        clips: int,
        weights: Sequence[float] | Floats | None = None,
        strata: Sequence[str] | None = None,
        stratum_sizes: Mapping[str, int] | None = None,
        sources: Sequence[str] | None = None,
    ) -> "Design":
        """Build from one weight, stratum and source per clip; without strata the clips are one random sample.

        Weights default to the pool clips per rated clip where sizes are known, else to 1. They may differ inside a
        stratum (a limit per source, post-stratification, calibration). With `sources` the unit drawn is the source.
        Raises ValueError if lengths differ, a weight is not positive, a stratum's size is missing or smaller than its
        sample, or no clip was rated in a stratum of the pool (nothing can be estimated there).

        >>> Design.build(3, strata=["a", "a", "b"], stratum_sizes={"a": 10, "b": 7}).weight
        array([5., 7.])
        """
        names = ["all"] * clips if strata is None else list(strata)
        if len(names) != clips or any(given is not None and len(given) != clips for given in (weights, sources)):
            raise ValueError(f"{clips} clips need as many strata, weights and sources")
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
            each = np.where(np.isfinite(population), population / drawn, 1.0)[of]
        else:
            each = np.asarray(weights, dtype=np.float64)
            if not np.all(np.isfinite(each)) or np.any(each <= 0):
                raise ValueError("weights must be positive numbers")
        source = None if sources is None else np.unique(np.array(sources, dtype=np.str_), return_inverse=True)[1]
        return cls(of, tuple(labels.tolist()), drawn, each, population, source)

    @cached_property
    def even(self) -> Bools:
        """Whether all clips of each stratum have the same weight, shape (strata,)."""
        first = self.clip_weight[np.unique(self.of, return_index=True)[1]]
        differs = ~np.isclose(self.clip_weight, first[self.of], rtol=1e-9, atol=0.0)
        return np.asarray(np.bincount(self.of, differs, minlength=len(self.labels)) == 0)

    @property
    def weight(self) -> Floats:
        """The weight of each stratum's clips, shape (strata,); raises ValueError if a stratum has several."""
        if not self.even.all():
            raise ValueError("weights must be equal inside a stratum: refine the strata")
        return self.clip_weight[np.unique(self.of, return_index=True)[1]]

    @cached_property
    def units(self) -> Ints:
        """The number of units drawn from each stratum, shape (strata,): sources where they are known, else clips."""
        if self.source is None:
            return self.drawn
        sources = int(self.source.max(initial=0)) + 1
        pairs = np.unique(self.of * sources + self.source)
        return np.bincount(pairs // sources, minlength=len(self.labels))

    def reordered(self, order: Ints) -> "Design":
        """The same design with the clips in another order; `order` holds their old positions."""
        source = None if self.source is None else self.source[order]
        made = replace(self, of=self.of[order], clip_weight=self.clip_weight[order], source=source)
        vars(made).update(even=self.even, units=self.units, equal_weights=self.equal_weights)  # none sees the order
        return made

    def part(self, chosen: Bools) -> "Design":
        """The design of the `chosen` clips, with their weights and without pool sizes; used for halves of a sample."""
        kept, of = np.unique(self.of[chosen], return_inverse=True)
        source = None if self.source is None else np.unique(self.source[chosen], return_inverse=True)[1]
        labels = tuple(self.labels[number] for number in kept)
        drawn = np.bincount(of, minlength=len(kept))
        return Design(of, labels, drawn, self.clip_weight[chosen], np.full(len(kept), np.inf), source)

    @property
    def plain(self) -> bool:
        """True for one simple random sample from a large pool, for which textbook intervals hold."""
        return self.source is None and len(self.labels) <= 1 and self.equal_weights and not self.finite

    @property
    def finite(self) -> bool:
        """True if the pool size of some stratum is known."""
        return bool(np.isfinite(self.population).any())

    @cached_property
    def equal_weights(self) -> bool:
        """True if every clip has the same weight."""
        weight = self.clip_weight
        return len(weight) == 0 or bool(np.allclose(weight, weight[0], rtol=1e-9, atol=0.0))

    def total_variance(self, values: Floats, *, finite: bool = True) -> float:
        """The estimated variance of the sum of `values` (weight x residual, shape (clips,)), by strata.

        With one weight in a stratum this is Cochran's (1977, section 5A) formula, with the finite population
        correction unless `finite` is False. With several weights the clips count as drawn with replacement and
        unequal probabilities (Hansen & Hurwitz 1943; Sarndal, Swensson & Wretman 1992, section 2.9) and the correction
        is left out, which is conservative. With sources, residuals centred within strata are first summed per source
        (the ultimate cluster, Hansen, Hurwitz & Madow 1953; across strata if a source spans several). A stratum with
        one clip or source adds nothing, so the caller must handle it.

        >>> round(Design.build(4).total_variance(np.array([0.0, 1.0, 2.0, 3.0])), 4)
        6.6667
        """
        units = self.units
        factor = np.where(units > 1, units / np.maximum(units - 1, 1), 1.0)
        if finite:
            factor = factor * self.unseen
        centred = values - (np.bincount(self.of, values, minlength=len(self.labels)) / self.drawn)[self.of]
        centred = centred * np.sqrt(factor)[self.of]
        sums = centred if self.source is None else np.bincount(self.source, centred)
        return float(np.square(sums).sum())  # a dot product would wake all threads of a BLAS

    @property
    def unseen(self) -> Floats:
        """The finite population correction, shape (strata,); 1 where the size is unknown or weights are unequal."""
        share = 1 - self.drawn / self.population
        corrected = self.even if self.source is None else np.zeros(len(self.labels), dtype=np.bool_)
        return np.where(corrected | (share <= 0), share, 1.0)

    def replicates(self, resamples: int, seed: int) -> Iterator[Floats]:
        """Yield multipliers of the clips' weights in bootstrap samples, in blocks of shape (block, clips).

        Clips are drawn within strata (`resampling.within_strata`). With sources, whole sources are drawn: within strata
        if each source lies in one stratum, else from all strata together, which loses the gain of stratifying.

        >>> block = next(Design.build(3, sources=["x", "x", "y"]).replicates(5, seed=0))
        >>> bool((block[:, 0] == block[:, 1]).all())
        True
        """
        for block in self.unit_replicates(resamples, seed):
            if self.source is None:
                yield block
                continue
            rows = max(1, _CHUNK // max(1, len(self.of)))
            for start in range(0, len(block), rows):
                yield block[start : start + rows][:, self.source]

    def unit_replicates(self, resamples: int, seed: int) -> Iterator[Floats]:
        """As `replicates`, for the units drawn: blocks of shape (block, sources), or (block, clips) without sources.

        >>> next(Design.build(3, sources=["x", "x", "y"]).unit_replicates(5, seed=0)).shape
        (5, 2)
        """
        if self.source is None:
            return within_strata(self.of, resamples, seed)
        stratum = np.zeros(int(self.source.max()) + 1 if len(self.source) else 0, dtype=np.int64)
        stratum[self.source] = self.of
        if (stratum[self.source] != self.of).any():
            stratum[:] = 0
        return within_strata(stratum, resamples, seed)


def binary(values: Sequence[bool] | Bools, name: str) -> Bools:
    """True or false for every clip, shape (clips,); raises ValueError, naming `name`, for other values than 0 and 1.

    >>> binary([True, False], "good").tolist()
    [True, False]
    """
    numbers = np.asarray(values)
    if numbers.ndim != 1 or not np.isin(numbers, [0, 1]).all():
        raise ValueError(f"{name} must be true or false for every clip; leave out clips without a consensus")
    return numbers.astype(np.bool_)


def scored(values: Sequence[float] | Floats, clips: int) -> Floats:
    """A finite score for every clip, shape (clips,); raises ValueError with the number of clips that have none.

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


def graded(values: Sequence[bool] | Sequence[float] | Bools | Floats, name: str) -> Floats:
    """A share from 0 to 1 for every clip, shape (clips,); raises ValueError, naming `name`, for other values.

    >>> graded([True, 0.4], "good").tolist()
    [1.0, 0.4]
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not ((numbers >= 0) & (numbers <= 1)).all():
        message = "must be true or false for every clip, or a share between 0 and 1"
        raise ValueError(f"{name} {message}; leave out clips without a consensus")
    return numbers
