"""Human ceiling: the agreement of a filter with the raters, of a rater with the others, of a rater with themselves."""

from collections.abc import Mapping

import numpy as np

from analysis.agreement.pairwise import votes_of_others
from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.raters.intra_rater import Repeats, repeat_agreement
from analysis.ratings import Ratings
from analysis.resampling import pattern_weights, percentile_interval

NAMES = ("filter_to_panel", "rater_to_rest", "rater_to_self")
"""The agreement that a filter reaches, that a person reaches, and that nobody can be expected to exceed."""


def human_ceiling(
    ratings: Ratings,
    verdicts: Mapping[str, str] | None,
    repeated: Repeats | None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[Estimate]:
    """The share of equal answers (0 to 1) for each of `NAMES`, with intervals.

    Those of filter and rater resample clips; `repeat_agreement` has its own.

    Filter and rater are compared with the same references: for every vote, the strict majority of the other raters
    (ties and clips without other raters are left out), with the filter in the place of that vote. Compared with the
    full panel, the filter would have a reference of one more vote than a rater has. `verdicts` maps clips to the
    filter's answers on the raters' scale; clips without one count for the raters only. `repeated` holds the repeated
    ratings. Raises ValueError for a verdict that is not on the scale.
    """
    majority, _ = votes_of_others(ratings)
    decided = ~np.isnan(majority)
    clip_of, reference = ratings.clip_of[decided], majority[decided]
    position = {level: number for number, level in enumerate(ratings.scale.levels)}
    verdicts = verdicts or {}
    for clip, verdict in verdicts.items():
        if verdict not in position and verdict not in ratings.scale.missing:
            raise ValueError(f"the filter's verdict on clip {clip} is {verdict!r}; the scale has {', '.join(position)}")
    said = np.array([position.get(verdicts.get(clip, ""), -1) for clip in ratings.clips], dtype=np.int64)[clip_of]
    judged = said >= 0
    nobody = "no clip has a strict majority of other raters"
    own = ratings.level[decided] == reference
    how = (resamples, seed, confidence)
    empty = np.zeros(0, dtype=np.int64)
    again = repeated if repeated is not None else Repeats(empty, empty, empty, empty)
    return [
        _share(NAMES[0], (said == reference)[judged], clip_of[judged], "no verdict of a filter on a decided clip", how),
        _share(NAMES[1], own, clip_of, nobody, how),
        repeat_agreement(again, name=NAMES[2], confidence=confidence),
    ]


def _share(name: str, same: Floats | np.ndarray, clip_of: Ints, nothing: str, how: tuple[int, int, float]) -> Estimate:
    resamples, seed, confidence = how
    made = signature(name, reference="others", resamples=resamples, seed=seed, confidence=confidence)
    if not len(same):
        return absent(name, nothing, signature=made, confidence=confidence, clips=0)
    clips, clip = np.unique(clip_of, return_inverse=True)
    pairs = np.stack([np.bincount(clip, weights=same), np.bincount(clip)], axis=1)
    kinds, sizes = np.unique(pairs, axis=0, return_counts=True)  # clips with equal counts form one pattern
    counts = pattern_weights(sizes, resamples, seed) @ kinds
    low, high, lost = percentile_interval(counts[:, 0] / counts[:, 1], confidence)
    method = f"percentile interval of {resamples} resamples of {len(clips)} clips"
    if low is None:
        method = "no interval: the resamples show no spread"
        if bool(np.all(same)):
            low, high = float((1 - confidence) ** (1 / len(clips))), 1.0
            method = f"one-sided lower bound: no miss on any of {len(clips)} clips"
    value = float(np.mean(same))
    return Estimate(name, value, low, high, confidence, len(clips), None, len(same), method, made, None, lost)
