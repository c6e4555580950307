"""Dawid & Skene's model: the likely level of each clip and the skill of each rater, from categorical votes, by EM."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from analysis.estimate import Floats, Ints

MAX_ROUNDS = 2000
SMOOTHING = 0.01
"""Votes added to every cell of a rater's confusion table, so that no rater with few votes counts as infallible."""
SkillModel = Literal["confusion", "one-coin"]


@dataclass(frozen=True, eq=False)
class DawidSkeneFit:
    """The fitted model.

    `posterior` (clips, levels) says how likely each level is the true one. The model assumes that votes on a clip are
    independent, which they are not for hard clips, so read it as a score rather than a probability. `prior` (levels,)
    is the share of each level, `confusion` (raters, levels, levels) the probability that a rater names the second
    level if the first is true. `log_likelihood` holds the objective after every round (it never falls). `switched`
    says whether levels were renamed, because the fit had them interchanged.
    """

    posterior: Floats
    prior: Floats
    confusion: Floats
    log_likelihood: Floats
    converged: bool
    switched: bool

    @property
    def skill(self) -> Floats:
        """Each rater's probability of naming the true level, weighted by the prior, shape (raters,)."""
        return np.asarray(np.einsum("k,rkk->r", self.prior, self.confusion))


def dawid_skene(
    clip_of: Ints,
    rater_of: Ints,
    level: Ints,
    *,
    levels: int,
    skill: SkillModel = "confusion",
    smoothing: float = SMOOTHING,
    tolerance: float = 1e-9,
) -> DawidSkeneFit:
    """Fit the model by EM, starting from the shares of votes.

    `clip_of`, `rater_of` and `level` (all numbered from 0) have shape (votes,); a rater may vote on a clip more than
    once. With `skill` "one-coin" a rater has the same accuracy for every true level; choose it if raters have few
    votes. The fit stops when the log-likelihood (with the small Dirichlet prior given by `smoothing`) rises by less
    than `tolerance` per clip. Sources: Dawid & Skene (1979), Applied Statistics 28, 20-28; one coin: Raykar et al.
    (2010), JMLR 11, 1297-1322.

    Raises ValueError without votes, with fewer than two levels, or if an entry is out of range.

    >>> votes = np.array([1, 1, 0, 0, 0, 1])
    >>> made = dawid_skene(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2] * 2), votes, levels=2)
    >>> made.posterior.argmax(axis=1).tolist()
    [1, 0]
    """
    if not len(clip_of) or levels < 2:
        raise ValueError("the model needs votes and at least two levels")
    if level.min() < 0 or level.max() >= levels or clip_of.min() < 0 or rater_of.min() < 0:
        raise ValueError(f"levels must lie between 0 and {levels - 1}, clips and raters count from 0")
    raters = int(rater_of.max()) + 1
    votes = _table(clip_of, rater_of * levels + level, int(clip_of.max()) + 1, raters * levels)
    patterns, pattern_of, sizes = _collapsed(votes, clip_of, rater_of, level, levels)
    shares = patterns @ np.tile(np.eye(levels), (raters, 1))
    totals = shares.sum(axis=1, keepdims=True)
    posterior = np.where(totals > 0, shares / np.maximum(totals, 1), 1 / levels)
    trail: list[float] = []
    while True:
        prior, confusion = _maximise(patterns, posterior, sizes, raters, levels, skill, smoothing)
        posterior, objective = _expect(patterns, prior, confusion, sizes, smoothing)
        done = bool(trail) and objective - trail[-1] < tolerance * sizes.sum()
        trail.append(objective)
        if done or len(trail) >= MAX_ROUNDS:
            break
    order = _renamed(shares, posterior, sizes)
    return DawidSkeneFit(
        posterior=posterior[:, order][pattern_of],
        prior=prior[order],
        confusion=confusion[:, order],
        log_likelihood=np.array(trail),
        converged=bool(done),
        switched=order.tolist() != list(range(levels)),
    )


def _table(row: Ints, column: Ints, rows: int, columns: int) -> csr_array:
    return csr_array((np.ones(len(row)), (row, column)), shape=(rows, columns))


def _collapsed(
    votes: csr_array, clip_of: Ints, rater_of: Ints, level: Ints, levels: int
) -> tuple[csr_array, Ints, Floats]:
    """Clips with the same votes as one pattern, which gives fewer rows and the same likelihood.

    Returns the votes of the patterns, the pattern of each clip (clips,), and the clips of each pattern (patterns,).
    """
    clips, raters = votes.shape[0], votes.shape[1] // levels
    pairs = np.unique(clip_of * raters + rater_of)
    if raters * np.log2(levels + 1) >= 62 or len(pairs) < len(clip_of):
        return votes, np.arange(clips), np.ones(clips)
    key = np.zeros(clips, dtype=np.int64)
    np.add.at(key, clip_of, (level + 1) * (levels + 1) ** rater_of.astype(np.int64))
    _, first, pattern_of, sizes = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    return votes[first], pattern_of, sizes.astype(np.float64)


def _maximise(
    votes: csr_array, posterior: Floats, sizes: Floats, raters: int, levels: int, skill: SkillModel, smoothing: float
) -> tuple[Floats, Floats]:
    """The M step: the prior and the confusion tables with the largest likelihood under the posterior."""
    weighted = posterior * sizes[:, None]
    prior = weighted.sum(axis=0) + smoothing
    counts = (votes.T @ weighted).reshape(raters, levels, levels).transpose(0, 2, 1) + smoothing
    if skill == "one-coin":
        right = np.einsum("rkk->r", counts)
        accuracy = right / counts.sum(axis=(1, 2))
        wrong = (1 - accuracy) / (levels - 1)
        confusion = np.where(np.eye(levels, dtype=bool), accuracy[:, None, None], wrong[:, None, None])
    else:
        confusion = counts / counts.sum(axis=2, keepdims=True)
    return prior / prior.sum(), confusion


def _expect(
    votes: csr_array, prior: Floats, confusion: Floats, sizes: Floats, smoothing: float
) -> tuple[Floats, float]:
    """The E step: the posterior of every pattern, and the log-likelihood with the log of the Dirichlet prior."""
    raters, levels, _ = confusion.shape
    words = np.log(np.maximum(confusion, 1e-300))
    by_vote = words.transpose(0, 2, 1).reshape(raters * levels, levels)
    logs = np.log(np.maximum(prior, 1e-300)) + votes @ by_vote
    most = logs.max(axis=1, keepdims=True)
    shifted = np.exp(logs - most)
    total = shifted.sum(axis=1, keepdims=True)
    objective = float(sizes @ (most + np.log(total))[:, 0])
    objective += smoothing * float(words.sum() + np.log(np.maximum(prior, 1e-300)).sum())
    return shifted / total, objective


def _renamed(shares: Floats, posterior: Floats, sizes: Floats) -> Ints:
    """The order of the levels that fits the votes best, because the likelihood is the same in every order."""
    overlap = (posterior * sizes[:, None]).T @ (shares / np.maximum(shares.sum(axis=1, keepdims=True), 1))
    found, named = linear_sum_assignment(-overlap)
    order = np.empty(len(found), dtype=np.int64)
    order[named] = found
    return order
