"""The truth behind votes and opinion scores: time beside the plain loop of the field's libraries."""

import time
from collections.abc import Callable

import numpy as np

from analysis.consensus.dawid_skene import dawid_skene
from analysis.consensus.subject_model import subject_model

REPEATS = 3
BOUNDS = {"dawid_skene": 0.5, "subject_model": 1.5}
"""Seconds."""


def run() -> None:
    """Print what was measured."""
    generator = np.random.default_rng(0)
    truth = generator.integers(2, size=100_000)
    right = generator.random((100_000, 5)) < 0.8
    said = np.where(right, truth[:, None], 1 - truth[:, None]).ravel()
    clips, raters = np.repeat(np.arange(100_000), 5), np.tile(np.arange(5), 100_000)
    _print("Dawid-Skene, 100,000 clips x 5", lambda: dawid_skene(clips, raters, said, levels=2), BOUNDS["dawid_skene"])
    _print(
        "  one round of it as a loop over votes, 1,000 clips", lambda: _plain_round(clips[:5000], raters, said), None
    )
    panel = generator.integers(0, 200, 500_000)
    _print(
        "Dawid-Skene, a pool of 200 raters", lambda: dawid_skene(clips, panel, said, levels=2), BOUNDS["dawid_skene"]
    )
    quality, bias, spread = (
        generator.normal(3, 1, 100_000),
        generator.normal(0, 0.3, 200),
        generator.uniform(0.3, 0.9, 200),
    )
    points = quality[clips] + bias[panel] + generator.normal(0, 1, 500_000) * spread[panel]
    model: Callable[[], object] = lambda: subject_model(clips, panel, points)  # noqa: E731 - the same shape as above
    _print("subject model, 500,000 votes of 200 raters", model, BOUNDS["subject_model"])


def _plain_round(clips: np.ndarray, raters: np.ndarray, said: np.ndarray) -> None:
    """One expectation and one maximisation, vote by vote, as a first implementation writes it."""
    confusion = np.full((5, 2, 2), 0.1) + 0.8 * np.eye(2)
    posterior = np.full((int(clips.max()) + 1, 2), 0.5)
    for clip, rater, level in zip(clips, raters, said, strict=False):
        posterior[clip] *= confusion[rater, :, level]
    posterior /= posterior.sum(axis=1, keepdims=True)
    counts = np.zeros((5, 2, 2))
    for clip, rater, level in zip(clips, raters, said, strict=False):
        counts[rater, :, level] += posterior[clip]


def _print(what: str, work: Callable[[], object], bound: float | None) -> None:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    best = min(times)
    verdict = "" if bound is None else f"; {'held' if best <= bound else 'MISSED'}: bound <= {bound:g} s"
    print(f"  {what}: {best:.3f} s{verdict}")
