"""Limits per source: each source is thinned to at most m clips at random before the strata are sampled.

If sources are thinned within strata, a stratum has a fixed number T of candidates, and a clip of a source with M
clips is drawn with probability min(1, m / M) n / T exactly: two stages of simple random sampling with independent
random numbers. If they are thinned over the whole sample, the number of candidates per stratum is random; the second
factor is then the mean of min(1, n / T) over outcomes that keep the clip, which is estimated by simulation.
Source: Sarndal, Swensson and Wretman (1992), Model Assisted Survey Sampling, sections 4.3 and 9.2.
"""

from dataclasses import dataclass

import numpy as np

from analysis.estimate import Bools, Floats, Ints
from analysis.sampling.random_numbers import Codes, Keys
from analysis.sampling.strata import OUTSIDE

_WORK = 4_000_000  # simulated cells in all: with more sources candidates vary less, so fewer rounds suffice
_ROUNDS = (8, 40_000)
_AT_ONCE = 100_000


@dataclass(frozen=True, eq=False)
class SourceLimit:
    """A limit of `most` clips per group, prepared for one division of the pool.

    `of` (clips,) is the stratum of each clip, `clips` (inside,) the positions of clips that can be drawn, and `group`
    (inside,) their group, numbered from 0: the source, or the source within the stratum; `sizes` (groups,) counts its
    clips. A cell is a group in a stratum: `cell` is its sorted code (stratum x groups + group), `members` the number of
    its clips and `whole` that of its group, shapes (cells,). `supply` is the mean number of candidates in a stratum
    and `certain` whether that number is fixed, shapes (strata,).
    """

    of: Codes
    clips: Ints
    group: Ints
    sizes: Ints
    most: int
    cell: Ints
    members: Ints
    whole: Ints
    supply: Floats
    certain: Bools

    @classmethod
    def build(cls, of: Codes, strata: int, source: Codes, most: int, *, within_strata: bool) -> "SourceLimit":
        """Build from the stratum and source of each clip, shapes (clips,); raises ValueError for a limit below 1.

        >>> of, source = np.array([0, 0, 0, 0], dtype=np.int32), np.array([0, 0, 0, 1], dtype=np.int32)
        >>> SourceLimit.build(of, 1, source, 2, within_strata=True).supply.tolist()
        [3.0]
        """
        if most < 1:
            raise ValueError(f"at most {most} clips of a source leaves none")
        clips = np.flatnonzero(of != OUTSIDE)
        part, named = of[clips].astype(np.int64), source[clips].astype(np.int64)
        _, group, sizes = np.unique(
            named * strata + part if within_strata else named, return_inverse=True, return_counts=True
        )
        cell, members = np.unique(part * len(sizes) + group, return_counts=True)
        home, whole = cell // max(1, len(sizes)), sizes[cell % max(1, len(sizes))]
        kept = np.minimum(whole, most) * members / whole
        loose = (whole > most) & (members < whole)
        supply = np.bincount(home, kept, strata).astype(np.float64)
        certain = np.bincount(home[loose], minlength=strata) == 0
        return cls(of, clips, group, sizes, most, cell, members, whole, supply, certain)

    def thinned(self, lots: Keys) -> Codes:
        """The stratum of each clip after thinning, shape (clips,); OUTSIDE for clips that `lots` leave out."""
        order = np.lexsort((lots[self.clips], self.group))
        place = np.arange(len(order)) - np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        kept = self.clips[order[place < self.most]]
        of = np.full(len(self.of), OUTSIDE, dtype=np.int32)
        of[kept] = self.of[kept]
        return of

    def chances(self, shares: Ints) -> Floats:
        """The inclusion probability of a clip of each cell, shape (cells,), for `shares` (strata,) clips drawn.

        >>> of, source = np.array([0, 0, 0, 0], dtype=np.int32), np.array([0, 0, 0, 1], dtype=np.int32)
        >>> SourceLimit.build(of, 1, source, 2, within_strata=True).chances(np.array([3])).tolist() == [2 / 3, 1]
        True
        """
        home = self._home()
        second = np.minimum(1.0, shares[home] / self.supply[home])
        unsure = ~self.certain[home]
        if unsure.any():
            second[unsure] = self._simulated(shares)[unsure]
        return np.minimum(1.0, self.most / self.whole) * second

    def _home(self) -> Ints:
        return self.cell // max(1, len(self.sizes))

    def _simulated(self, shares: Ints) -> Floats:
        """The mean of min(1, n / T) over outcomes that keep a given clip of the cell, shape (cells,).

        The numbers of other clips that sources keep are hypergeometric, so no clip is drawn. The generator is fixed, so
        that the same pool has the same probabilities for every seed of the draw.
        """
        chance = np.random.default_rng(20_261)
        home, first = np.unique(self._home(), return_index=True)
        strata = np.searchsorted(home, self._home())
        others, sampled = self.whole - self.members, np.minimum(self.whole, self.most)
        rounds = int(np.clip(_WORK // len(self.cell), *_ROUNDS))
        total, left = np.zeros(len(self.cell)), rounds
        while left:
            shape = (min(left, max(1, _AT_ONCE // len(self.cell))), len(self.cell))
            kept = chance.hypergeometric(self.members, others, sampled, shape)
            beside = chance.hypergeometric(self.members - 1, others, sampled - 1, shape)
            candidates = np.add.reduceat(kept, first, axis=1)[:, strata] - kept + 1 + beside
            total += np.minimum(1.0, shares[self._home()] / candidates).sum(axis=0)
            left -= shape[0]
        return total / rounds

    def of_clips(self, clips: Ints, by_cell: Floats) -> Floats:
        """The values of the cells of the clips at these positions of the pool, shape of `clips`."""
        group = self.group[np.searchsorted(self.clips, clips)]
        return by_cell[np.searchsorted(self.cell, self.of[clips].astype(np.int64) * len(self.sizes) + group)]
