"""Sample size for Krippendorff's alpha: votes of a pilot, or guessed ones, simulated at any number of clips."""

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.special import comb
from scipy.stats import betabinom

from analysis.agreement import coefficients
from analysis.estimate import Floats, Ints
from analysis.ratings import Metric, Ratings
from analysis.resampling import percentile_interval

MAX_CLIPS = 200_000
"""A plan that needs more clips is refused."""
MAX_RATERS = 1_000
"""The largest number of raters per clip for guessed votes; the patterns of more do not fit into memory."""
MARGIN = 1e-6
"""The smallest distance of a guess from 0 and 1; with closer guesses all simulated votes are equal."""
_MAX_PATTERNS = 20_000


@dataclass(frozen=True, eq=False)
class VotePatterns:
    """A distribution of votes on clips: `patterns` (patterns, levels) count votes, `shares` (patterns,) sum to 1."""

    patterns: Ints
    shares: Floats
    metric: Metric

    @property
    def alpha(self) -> float:
        """Krippendorff's alpha of a very large sample of such clips."""
        return float(coefficients.alpha(self.patterns, self.shares[None] * 1e9, self.metric)[0])


def pilot_votes(ratings: Ratings, raters: int) -> VotePatterns:
    """The votes of a pilot if each clip had been rated by `raters` of its raters, chosen at random.

    Clips with fewer votes are left out. A pattern of counts n becomes the pattern k with the multivariate
    hypergeometric probability prod C(n_c, k_c) / C(sum n, m). Raises ValueError if no clip has so many votes (a pilot
    does not show how more raters than it had would agree), if there are too many patterns, or if all votes used are
    equal.

    >>> from analysis.ratings import VERDICT
    >>> pilot = Ratings.from_votes(list("aaabbb"), list("xyzxyz"), ["accept"] * 4 + ["reject"] * 2, VERDICT)
    >>> votes = pilot_votes(pilot, 2)
    >>> votes.patterns.tolist(), votes.shares.round(3).tolist()
    ([[0, 2], [1, 1], [2, 0]], [0.5, 0.333, 0.167])
    """
    enough = ratings.votes >= raters
    if raters < 2 or not enough.any():
        most = int(ratings.votes.max(initial=0))
        raise ValueError(f"agreement of {raters} raters needs a pilot clip with so many; the most votes are {most}")
    levels = len(ratings.scale.levels)
    if math.comb(raters + levels - 1, raters) > _MAX_PATTERNS:
        raise ValueError(f"{raters} raters on {levels} levels are too many patterns to plan with")
    whole, _, sizes = coefficients.collapse(ratings.counts[enough])
    chosen = np.array(list(combinations_with_replacement(range(levels), raters)))
    parts = (chosen[:, :, None] == np.arange(levels)).sum(axis=1)
    shares = np.zeros(len(parts))
    for counts, clips in zip(whole, sizes, strict=True):
        shares += clips * comb(counts, parts).prod(axis=1) / comb(counts.sum(), raters)
    kept = shares > 0
    if np.count_nonzero(parts[kept].sum(axis=0)) < 2:
        raise ValueError("every vote of the pilot is the same: without variation alpha is undefined")
    order = np.flatnonzero(kept)[::-1]
    return VotePatterns(parts[order], shares[order] / shares.sum(), ratings.scale.metric)


def guessed_votes(accepted: float, alpha: float, raters: int) -> VotePatterns:
    """Beta-binomial accept/reject votes with a guessed share of accepts and a guessed alpha.

    In a large sample, alpha of such votes is the correlation of two raters on a clip, 1 / (1 + a + b) for
    beta(a, b) (Skellam 1948, doi:10.1111/j.2517-6161.1948.tb00014.x). Raises ValueError unless both guesses lie
    between 0 and 1, at least `MARGIN` from either, and for one rater or more than `MAX_RATERS`.

    >>> round(guessed_votes(0.8, 0.6, 3).alpha, 6)
    0.6
    """
    if not (MARGIN <= accepted <= 1 - MARGIN and MARGIN <= alpha <= 1 - MARGIN and 2 <= raters <= MAX_RATERS):
        raise ValueError(f"alpha {alpha:g} of {raters} rater(s) who accept {accepted:g} of the clips cannot be planned")
    strength = (1 - alpha) / alpha
    accepts = np.arange(raters + 1)
    shares = betabinom.pmf(accepts, raters, accepted * strength, (1 - accepted) * strength)
    return VotePatterns(np.column_stack([raters - accepts, accepts]), shares / shares.sum(), "nominal")


def alpha_half_width(
    votes: VotePatterns, clips: int, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> float:
    """The half-width of the percentile interval of alpha over simulated samples of `clips` clips.

    Samples in which alpha is undefined are left out. Raises ValueError if alpha is undefined in most samples, or the
    same in all of them.

    >>> 0.05 < alpha_half_width(guessed_votes(0.5, 0.5, 3), 200) < 0.12
    True
    """
    drawn = np.random.default_rng(seed).multinomial(clips, votes.shares, size=resamples).astype(np.float64)
    low, high, lost = percentile_interval(coefficients.alpha(votes.patterns, drawn, votes.metric), confidence)
    if low is None or high is None or lost > resamples / 2:
        raise ValueError(f"with {clips} clips alpha is undefined or shows no spread in most samples: take more clips")
    return (high - low) / 2


def alpha_size(
    votes: VotePatterns, half_width: float, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[int, float]:
    """The number of clips for a half-width of alpha, and the half-width that the simulation gives for it.

    The search uses the square-root law, then raises the number by 2 % until the simulated half-width is reached. Raises
    ValueError for a half-width outside (0, 1), if more than 200,000 clips are needed, or if alpha of such votes cannot
    be simulated.
    """
    if not 0 < half_width < 1:
        raise ValueError(f"a half-width of {half_width:g} for alpha is not possible: it must lie between 0 and 1")

    def reached(clips: int) -> float:
        return alpha_half_width(votes, clips, confidence=confidence, resamples=resamples, seed=seed)

    clips = 100
    for _ in range(4):
        ratio = reached(clips) / half_width
        clips = max(5, _whole(clips * ratio * ratio * 0.97, half_width))
    while (found := reached(clips)) > half_width:
        clips = _whole(clips + max(1, clips // 50), half_width)
    return clips, found


def _whole(clips: float, half_width: float) -> int:
    if clips > MAX_CLIPS:
        raise ValueError(f"a half-width of {half_width:g} for alpha takes more than {MAX_CLIPS} clips")
    return math.floor(clips)
