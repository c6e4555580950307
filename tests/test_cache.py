"""The cache: what it keeps, until when, and what it computes again."""

import time

import pytest

from app.cache import EXPENSIVE_SECONDS, Cache


def test_a_value_is_computed_once_per_fingerprint() -> None:
    """A value is computed once per fingerprint; a stale one serves if allowed; a failed computation is not kept."""
    cache = Cache(max_entries=2)
    computed: list[int] = []

    def compute() -> int:
        computed.append(len(computed))
        return computed[-1]

    assert cache.get("a", 1, compute) == 0
    assert cache.get("a", 1, compute) == 0
    assert cache.get("a", 2, compute, allow_stale=True) == 0
    assert cache.get("a", 2, compute) == 1
    with pytest.raises(ZeroDivisionError):
        cache.get("b", 1, lambda: 1 // 0)
    assert cache.get("b", 1, compute) == 2
    cache.get("c", 1, compute)
    assert cache.get("a", 2, compute) == 4, "of two entries the one unread for longest was dropped"


def test_an_expensive_value_may_be_recent() -> None:
    """With `allow_recent` an expensive value may be a few seconds old; a cheap one is always current."""
    cache = Cache()

    def slow() -> str:
        time.sleep(EXPENSIVE_SECONDS + 0.05)
        return "slow"

    assert cache.get("a", 1, slow) == "slow"
    assert cache.get("a", 2, lambda: "new", allow_recent=True) == "slow"
    assert cache.get("a", 2, lambda: "new") == "new"
    assert cache.get("a", 3, lambda: "newer", allow_recent=True) == "newer"
