"""Consensus of the raters on each clip: the share of accepts, and the verdict of the strict majority."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.estimate import Bools, Floats, Ints
from analysis.ratings import Ratings

Verdict = Literal["accept", "reject"]


@dataclass(frozen=True, eq=False)
class Consensus:
    """The consensus on every clip, one entry per clip.

    `share` is accepts / votes (0 to 1, NaN without votes), `votes` the number of votes, and `verdict` None on a tie or
    without votes. `ties` and `without_votes` count those clips, so that they can be reported.
    """

    clips: tuple[str, ...]
    share: Floats
    votes: Ints
    verdict: tuple[Verdict | None, ...]
    ties: int
    without_votes: int

    @property
    def decided(self) -> Bools:
        """True for clips with a verdict, shape (clips,)."""
        return np.array([verdict is not None for verdict in self.verdict], dtype=np.bool_)

    @property
    def good(self) -> Bools:
        """True for clips whose verdict is accept, shape (clips,); read it together with `decided`."""
        return np.array([verdict == "accept" for verdict in self.verdict], dtype=np.bool_)


def majority(ratings: Ratings) -> Consensus:
    """The verdict of the strict majority on every clip; a tie is no consensus. Two raters must agree.

    Raises ValueError unless the scale's levels are reject and accept.

    >>> from analysis.ratings import VERDICT
    >>> votes = Ratings.from_votes(["a", "a", "b"], ["x", "y", "x"], ["accept", "reject", "accept"], VERDICT)
    >>> consensus = majority(votes)
    >>> consensus.verdict, consensus.ties
    ((None, 'accept'), 1)
    """
    if set(ratings.scale.levels) != {"accept", "reject"}:
        raise ValueError(f"majority needs the levels accept and reject; {ratings.scale.name} has others")
    votes = ratings.votes
    accepts = ratings.counts[:, ratings.scale.levels.index("accept")]
    share = np.divide(accepts, votes, out=np.full(len(votes), np.nan), where=votes > 0)
    verdict: list[Verdict | None] = [
        None if 2 * yes == all_votes else "accept" if 2 * yes > all_votes else "reject"
        for yes, all_votes in zip(accepts.tolist(), votes.tolist(), strict=True)
    ]
    return Consensus(
        clips=ratings.clips,
        share=share,
        votes=votes,
        verdict=tuple(verdict),
        ties=int(((2 * accepts == votes) & (votes > 0)).sum()),
        without_votes=int((votes == 0).sum()),
    )
