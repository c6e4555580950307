"""Speed of the interval for alpha, against the same thing done with the library in a loop."""

import time

import krippendorff
import numpy as np

from analysis.agreement.statistics import krippendorff_alpha
from analysis.ratings import ACR5, Ratings

CLIPS, RATERS, RESAMPLES, LOOPS = 100_000, 5, 1_000, 10


def run() -> None:
    """Print what was measured."""
    chance = np.random.default_rng(1)
    truth = chance.normal(3, 1, CLIPS)
    votes = np.clip(np.rint(truth[None] + chance.normal(0, 0.7, (RATERS, CLIPS))), 1, 5)
    votes[chance.random(votes.shape) < 0.2] = np.nan
    rater, clip = np.nonzero(~np.isnan(votes))
    values = votes[rater, clip].astype(int).astype(str)
    ratings = Ratings.from_votes([f"c{one}" for one in clip], [f"r{one}" for one in rater], values.tolist(), ACR5)
    krippendorff_alpha(ratings, resamples=10)
    began = time.perf_counter()
    krippendorff_alpha(ratings, resamples=RESAMPLES)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(LOOPS):
        drawn = chance.integers(0, CLIPS, CLIPS)
        krippendorff.alpha(reliability_data=votes[:, drawn], level_of_measurement="ordinal")
    loop = (time.perf_counter() - began) / LOOPS * RESAMPLES
    print(f"alpha with {RESAMPLES} resamples, {RATERS} raters x {CLIPS} clips: {ours:.2f} s")
    print(f"  the library in a loop: {loop:.0f} s (from {LOOPS} rounds), ratio {loop / ours:.0f}")
