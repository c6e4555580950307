"""Bootstrap: how often each clip, count pattern or source is drawn in a replicate, and percentile intervals."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from analysis.estimate import Floats, Ints

_CHUNK = 300_000  # numbers held at once while resampling clip by clip: 2.4 MB fit the processor's cache
_CELLS = 60_000  # counted at once: half a megabyte fits the inner cache, which is ten times as fast


def pattern_weights(sizes: Ints, resamples: int, seed: int) -> Floats:
    """Resample clips that are collapsed to patterns: clips per pattern in each replicate, shape (resamples, patterns).

    `sizes` (patterns,) counts the clips of each pattern. Drawing all clips with replacement and counting patterns is
    exactly this multinomial distribution.

    >>> pattern_weights(np.array([3, 7]), 2, seed=0).sum(axis=1)
    array([10., 10.])
    """
    clips = int(sizes.sum())
    return np.random.default_rng(seed).multinomial(clips, sizes / clips, size=resamples).astype(np.float64)


def source_weights(pattern_of: Ints, source_of: Ints, resamples: int, seed: int) -> Floats:
    """Resample whole sources with replacement: clips per pattern in each replicate, shape (resamples, patterns).

    `pattern_of` and `source_of` have shape (clips,) and number patterns and sources from 0.

    >>> source_weights(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 3, seed=0).sum(axis=1)
    array([4., 4., 4.])
    """
    return _source_weights(pattern_of.tobytes(), source_of.tobytes(), resamples, seed)


@lru_cache(maxsize=2)
def _source_weights(pattern_of: bytes, source_of: bytes, resamples: int, seed: int) -> Floats:
    """Cached and read-only, because the statistics of one criterion ask for the same replicates in a row."""
    pattern, source = (np.frombuffer(part, dtype=np.int64) for part in (pattern_of, source_of))
    sources = int(source.max()) + 1
    shape = (int(pattern.max()) + 1, sources)
    clips_of = csr_array((np.ones(len(source)), (pattern, source)), shape=shape)
    generator = np.random.default_rng(seed)
    weights = np.empty((resamples, shape[0]))
    rows = max(1, _CHUNK // 4 // sources)
    for start in range(0, resamples, rows):
        drawn = times_drawn(generator, sources, sources, min(rows, resamples - start))
        weights[start : start + len(drawn)] = (clips_of @ np.ascontiguousarray(drawn.T)).T
    weights.flags.writeable = False
    return weights


def times_drawn(generator: np.random.Generator, among: int, draws: int, rows: int) -> Floats:
    """How often each of `among` units is drawn in `draws` draws with replacement, shape (rows, among).

    >>> times_drawn(np.random.default_rng(0), 3, 5, 2).sum(axis=1)
    array([5., 5.])
    """
    counts = np.empty((rows, among))
    step = max(1, _CELLS // among)
    for start in range(0, rows, step):
        block = min(step, rows - start)
        picked = generator.integers(among, size=(block, draws))
        picked += among * np.arange(block)[:, None]
        counts[start : start + block] = np.bincount(picked.ravel(), minlength=block * among).reshape(block, among)
    return counts


def within_strata(stratum_of: Ints, resamples: int, seed: int) -> Iterator[Floats]:
    """Resample clips within strata: blocks of multipliers, shapes (block, clips), `resamples` rows in all.

    In a stratum of n clips, n - 1 are drawn with replacement and scaled by n / (n - 1), so that replicates vary enough
    in small strata (Rao & Wu 1988, doi:10.1080/01621459.1988.10478591). Strata of one clip are drawn together
    (`collapsed`). The finite size of the pool is ignored, which makes intervals conservative.

    >>> [block.sum(axis=1).round(9).tolist() for block in within_strata(np.array([0, 0, 0, 1]), 2, seed=0)]
    [[4.0, 4.0]]
    """
    generator = np.random.default_rng(seed)
    stratum_of = collapsed(stratum_of)
    members = [np.flatnonzero(stratum_of == stratum) for stratum in np.unique(stratum_of)]
    rows = max(1, _CHUNK // max(1, len(stratum_of)))
    for start in range(0, resamples, rows):
        block = np.ones((min(rows, resamples - start), len(stratum_of)))
        for clips in members:
            n = len(clips)
            if n > 1:
                block[:, clips] = times_drawn(generator, n, n - 1, len(block)) * (n / (n - 1))
        yield block


def collapsed(stratum_of: Ints) -> Ints:
    """Join all strata of one clip into one stratum; a single such stratum joins the smallest of the others.

    One clip shows no spread within its stratum and would count as certain. In a joint stratum the differences between
    strata count as spread, which is conservative (Cochran 1977, section 5A.12; Wolter 2007). `stratum_of` and the
    result have shape (clips,).

    >>> collapsed(np.array([0, 0, 1, 2, 2, 3])).tolist(), collapsed(np.array([0, 0, 0, 1, 2, 2])).tolist()
    ([0, 0, 1, 2, 2, 1], [0, 0, 0, 2, 2, 2])
    """
    of, sizes = np.unique(stratum_of, return_inverse=True, return_counts=True)[1:]
    lone = np.flatnonzero(sizes == 1)
    if not len(lone) or len(sizes) == 1:
        return np.asarray(of)
    goal = lone[0] if len(lone) > 1 else np.where(sizes > 1, sizes, sizes.max() + 1).argmin()
    return np.where(sizes[of] == 1, goal, of)


def percentile_interval(replicates: Floats, confidence: float) -> tuple[float | None, float | None, int]:
    """The percentile interval of the defined replicates, and the number of undefined (NaN) ones.

    Both ends are None if the replicates show no spread, because resampling then says nothing about uncertainty.

    >>> percentile_interval(np.array([0.0, 0.5, 1.0, np.nan]), 0.5)
    (0.25, 0.75, 1)
    >>> percentile_interval(np.array([1.0, 1.0]), 0.95)
    (None, None, 0)
    """
    valid = replicates[~np.isnan(replicates)]
    lost = len(replicates) - len(valid)
    if len(valid) < 2 or np.ptp(valid) < 1e-12:
        return None, None, lost
    low, high = np.quantile(valid, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), lost
