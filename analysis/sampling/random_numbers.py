"""Permanent random numbers: one per clip and seed, the same on every machine and in every order of rows.

A clip's number is a hash of its id and the seed, computed here in 64-bit integer arithmetic: no hash function or
generator of a library is used, so that a new version of a library cannot change a draw. The n clips of a stratum
with the smallest numbers are a simple random sample of it, and the sample of n is part of the sample of n + 1.
Source: Ohlsson (1995), Coordination of samples using permanent random numbers, in Business Survey Methods, chapter 9.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.estimate import Ints

Keys = NDArray[np.uint64]
Codes = NDArray[np.int32]

SELECT, THIN, NEAR = 0, 1, 2
"""Streams (lots) of random numbers: those of different lots are independent for the same clip and seed."""
GOLDEN = 0x9E3779B97F4A7C15
_CHUNK = 1 << 18  # ids hashed at once; larger pieces do not fit the processor's cache
_WORD = 8
_LOTS = 4096


def mixed(numbers: Keys) -> Keys:
    """Mix 64-bit numbers one to one, so that every input bit affects every output bit.

    This is the finaliser of SplitMix64: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators,
    OOPSLA 2014, variant 13 of Stafford's mixers.

    >>> hex(mixed(np.array([GOLDEN], dtype=np.uint64))[0])
    '0xe220a8397b1dcdaf'
    """
    z = numbers ^ (numbers >> np.uint64(30))
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def digests(ids: pl.Series) -> Keys:
    """A 64-bit digest of each id, computed from its UTF-8 bytes only, shape (ids,).

    The bytes form little-endian words of eight, the last one padded with zeros: h = mix(length + g), then
    h = mix((h xor word) + g) for each word, where g is the 64 bits of the golden ratio. Two ids share a digest with
    probability 2^-64. Raises ValueError for a missing id.

    >>> digests(pl.Series(["a", "b", "a"])).tolist()[::2] == [digests(pl.Series(["a"]))[0]] * 2
    True
    """
    if ids.has_nulls():
        raise ValueError("a clip has no id")
    pieces = [ids.slice(start, _CHUNK) for start in range(0, len(ids), _CHUNK)]
    with ThreadPoolExecutor(2 if len(pieces) > 1 else 1) as pool:
        return np.concatenate([np.empty(0, dtype=np.uint64), *pool.map(_digests, pieces)])


def _digests(ids: pl.Series) -> Keys:
    lengths = ids.str.len_bytes().to_numpy()
    found = mixed(lengths.astype(np.uint64) + np.uint64(GOLDEN))
    padded = (ids + "\0" * (_WORD - 1)).cast(pl.Binary)
    for start in range(0, int(lengths.max(initial=0)), _WORD):
        word = padded.bin.slice(start, _WORD).bin.reinterpret(dtype=pl.UInt64, endianness="little")
        after = mixed((found ^ word.fill_null(0).to_numpy()) + np.uint64(GOLDEN))
        found = after if lengths.min() > start else np.where(lengths > start, after, found)
    return found


def numbers(digest: Keys, seed: int, lot: int = SELECT) -> Keys:
    """The clips' random numbers for a seed and a lot, uniform on 0 ... 2^64 - 1, shape of `digest`.

    >>> numbers(digests(pl.Series(["clip-1", "clip-2"])), seed=7).tolist()
    [12099569517954400325, 12866950416873773033]
    """
    start = np.array([(seed * _LOTS + lot + 1) * GOLDEN % 2**64], dtype=np.uint64)
    return mixed(digest + mixed(start))


def repeated_id(digest: Keys, ids: pl.Series) -> str | None:
    """An id that occurs more than once in the pool; None if there is none.

    >>> repeated_id(digests(ids := pl.Series(["a", "b", "a"])), ids)
    'a'
    """
    if pl.Series(digest).n_unique() == len(digest):
        return None
    alike = ids.filter(pl.Series(digest).is_duplicated())
    again = alike.filter(alike.is_duplicated())  # two different ids may share a digest
    return None if again.is_empty() else str(again.sort()[0])


def codes(names: pl.Series) -> Codes:
    """A number from 0 for each different name, shape (names,), independent of the order of rows.

    >>> codes(pl.Series(["film", "clip", "film"])).tolist() in ([0, 1, 0], [1, 0, 1])
    True
    """
    found: Ints = np.unique(digests(names), return_inverse=True)[1]
    return found.astype(np.int32)
