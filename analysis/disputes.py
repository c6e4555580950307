"""How much raters differ on each single clip: what the most disputed clips are sorted by."""

import numpy as np

from analysis.estimate import Floats
from analysis.kappas import disagreement
from analysis.ratings import Ratings


def clip_disagreement(ratings: Ratings) -> Floats:
    """Mean disagreement of two raters on each clip, 0 (all alike) to 1, shape (clips,); NaN under two votes.

    Two answers differ or not on a nominal scale; elsewhere their distance counts squared, 1 from end to end. This is
    a clip's own term of the observed disagreement in a weighted kappa (Conger 1980, doi:10.1037/0033-2909.88.2.322).

    >>> from analysis.ratings import VERDICT
    >>> votes = Ratings.from_votes(list("aabbc"), list("xyxyx"), ["accept", "reject", "accept", "accept", "accept"],
    ...     VERDICT)
    >>> clip_disagreement(votes).tolist()
    [1.0, 0.0, nan]
    """
    weights = disagreement(ratings.scale, "none" if ratings.scale.metric == "nominal" else "quadratic")
    counts = ratings.counts.astype(np.float64)
    votes = counts.sum(axis=1)
    apart = ((counts @ weights) * counts).sum(axis=1)
    pairs = votes * (votes - 1)
    return np.asarray(np.divide(apart, pairs, out=np.full(len(votes), np.nan), where=pairs > 0))
