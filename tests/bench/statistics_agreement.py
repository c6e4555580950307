"""Speed of alpha's interval on every scale, against the library in a loop."""

import time

import krippendorff
import numpy as np

from analysis.agreement.statistics import krippendorff_alpha
from analysis.ratings import Metric, Ratings, Scale

CLIPS, RATERS, RESAMPLES, LOOPS, BOUND = 100_000, 5, 1_000, 3, 0.3


def run() -> None:
    """Print what was measured."""
    chance = np.random.default_rng(1)
    truth = chance.normal(3, 1, CLIPS)
    votes = np.clip(np.rint(truth[None] + chance.normal(0, 0.7, (RATERS, CLIPS))), 1, 5)
    votes[chance.random(votes.shape) < 0.2] = np.nan
    rater, clip = np.nonzero(~np.isnan(votes))
    names, who = [f"c{one}" for one in clip], [f"r{one}" for one in rater]
    values = votes[rater, clip].astype(int).astype(str).tolist()
    metrics: tuple[Metric, ...] = ("nominal", "ordinal", "interval", "ratio")
    for metric in metrics:
        ratings = Ratings.from_votes(names, who, values, Scale("points", ("1", "2", "3", "4", "5"), metric))
        krippendorff_alpha(ratings, resamples=10)
        took = []
        for _ in range(3):
            began = time.perf_counter()
            krippendorff_alpha(ratings, resamples=RESAMPLES)
            took.append(time.perf_counter() - began)
        ours = min(took)
        began = time.perf_counter()
        for _ in range(LOOPS):
            drawn = chance.integers(0, CLIPS, CLIPS)
            krippendorff.alpha(reliability_data=votes[:, drawn], level_of_measurement=metric)
        loop = (time.perf_counter() - began) / LOOPS * RESAMPLES
        held = "held" if ours <= BOUND else "MISSED"
        print(f"  alpha ({metric}), {RESAMPLES} resamples, {RATERS} x {CLIPS}: {ours:.3f} s; {held}: bound {BOUND} s")
        print(f"    the library in a loop: {loop:.0f} s (from {LOOPS} rounds), ratio {loop / ours:.0f}")
