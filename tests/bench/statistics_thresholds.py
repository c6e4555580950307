"""Speed of the threshold bootstrap against scikit-learn in a loop; the yield of cascades."""

import time

import numpy as np
from sklearn.metrics import roc_curve

from analysis.design import Design
from analysis.estimate import Floats
from analysis.thresholds.cascade import CascadeGrid, search
from analysis.thresholds.objectives import F1
from analysis.thresholds.sweeps import Sweep, resampled_thresholds


def seven_filters(clips: int, seed: int) -> tuple[Floats, Floats]:
    """A pool of overlapping filters: each sees one kind of defect with noise, and bad clips tend to have several."""
    generator = np.random.default_rng(seed)
    quality = generator.normal(size=clips)
    defects = generator.random((clips, 7)) < 0.12
    defects |= (quality < -1)[:, None] & (generator.random((clips, 7)) < 0.3)
    good = ~defects.any(axis=1) & (generator.random(clips) < 0.97)
    halo = 0.3 * quality[:, None] * generator.random(7)
    values = 1.2 * ~defects + halo + generator.normal(size=(clips, 7)) * 0.6
    return values, good.astype(np.float64)


def _timed(work: "object", times: int = 3) -> float:
    assert callable(work)
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return min(spent)


def run() -> None:
    """Print what was measured."""
    _bootstrap()
    _cascade()


def _bootstrap() -> None:
    generator, clips, resamples = np.random.default_rng(0), 5000, 1000
    scores = generator.random(clips)
    good = (generator.random(clips) < scores).astype(np.float64)
    design, sweep = Design.build(clips), Sweep.over(scores, good)
    chosen = int(sweep.best(design.clip_weight[None], F1)[0])
    ours = _timed(lambda: resampled_thresholds(sweep, design, F1, chosen, resamples, 0))

    def one() -> None:
        drawn = generator.integers(0, clips, clips)
        roc_curve(good[drawn], scores[drawn])

    loop = _timed(one, 10) * resamples
    print(
        f"threshold bootstrap, {clips} clips x {resamples}: {ours:.3f} s; a loop {loop:.1f} s, ratio {loop / ours:.0f}"
    )


def _cascade() -> None:
    for clips in (1500, 6000):
        values, good = seven_filters(clips, 1)
        grid = CascadeGrid.of(values, good, np.ones(clips))
        for target in (0.8, 0.9, 0.95):
            kept = []
            for restarts, seed in ((30, 0), (300, 7)):
                began = time.perf_counter()
                levels = search(grid, target, restarts=restarts, seed=seed)
                assert levels is not None
                kept.append((grid.accepted_weight(levels)[0], time.perf_counter() - began))
            (ours, spent), (known, longer) = kept
            print(f"cascade of 7 filters, {clips} clips, precision {target}: {ours:.0f} good clips in {spent:.1f} s,")
            print(f"  {100 * ours / known:.1f} % of the best known ({known:.0f} in {longer:.0f} s)")
