"""Intra-rater agreement: how well raters agree with themselves on clips that they rated again without knowing it."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import chi2

from analysis.agreement.kappas import METHOD, disagreement, kappa, student_ends
from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.proportions import wilson
from analysis.ratings import Scale

NAMES = ("intra_rater_agreement", "intra_rater_kappa", "within_rater_sd", "repeatability")
"""Exact agreement, Cohen's kappa (quadratic weights unless nominal), standard deviation, and repeatability."""

NO_REPEATS = "no clip was judged twice by the same rater (column occasion)"


@dataclass(frozen=True, eq=False)
class Repeats:
    """Pairs of answers of one rater to one clip on two successive occasions.

    `first` and `second` are positions on the scale, shapes (pairs,), as those of the rater and the clip.
    """

    first: Ints
    second: Ints
    rater_of: Ints
    clip_of: Ints


def repeats(clip_of: Ints, rater_of: Ints, occasion: Ints, level: Ints) -> Repeats:
    """Pair every answer with the same rater's next answer to the same clip; the arguments have shape (answers,).

    >>> found = repeats(*map(np.array, ([0, 0, 1], [4, 4, 4], [0, 1, 0], [2, 1, 2])))
    >>> found.first.tolist(), found.second.tolist()
    ([2], [1])
    """
    order = np.lexsort((occasion, rater_of, clip_of))
    clips, raters, levels = clip_of[order], rater_of[order], level[order]
    again = np.flatnonzero((np.diff(clips) == 0) & (np.diff(raters) == 0))
    return Repeats(levels[again], levels[again + 1], raters[again], clips[again])


def repeat_agreement(found: Repeats, *, name: str = NAMES[0], confidence: float = 0.95) -> Estimate:
    """The share (0 to 1) of repeated ratings with the same answer, with Wilson's interval, as the statistic `name`."""
    n, clips = len(found.first), len(np.unique(found.clip_of))
    made = signature(name, ["scipy"], confidence=confidence)
    if not n:
        return absent(name, NO_REPEATS, signature=made, confidence=confidence, clips=clips)
    same, raters = int((found.first == found.second).sum()), len(np.unique(found.rater_of))
    low, high = wilson(same, n, confidence)
    method = f"Wilson on {n} repeated ratings"
    return Estimate(name, same / n, low, high, confidence, clips, raters, 2 * n, method, made)


def intra_rater(found: Repeats, scale: Scale, *, confidence: float = 0.95) -> list[Estimate]:
    """The four statistics of `NAMES`; pairs count as independent, so intervals are short with several pairs per clip.

    Agreement has Wilson's interval, kappa that of Fleiss, Cohen & Everitt. The within-rater standard deviation is
    sqrt(mean d**2 / 2) with a chi-squared interval, repeatability 1.96 sqrt(2) times it: two ratings of the same
    clip by the same rater differ by less in 95 of 100 cases (Bland & Altman 1996, doi:10.1136/bmj.313.7059.744).
    The last two need numbers for levels.
    """
    n = len(found.first)
    agreement = repeat_agreement(found, confidence=confidence)
    clips, raters = agreement.clips, agreement.raters
    weights = "none" if scale.metric == "nominal" else "quadratic"
    made = {name: signature(name, ["scipy"], confidence=confidence) for name in NAMES}
    made["intra_rater_kappa"] = signature("intra_rater_kappa", ["scipy"], weights=weights, confidence=confidence)

    def given(name: str, value: float, low: float | None, high: float | None, method: str) -> Estimate:
        return Estimate(name, value, low, high, confidence, clips, raters, 2 * n, method, made[name])

    def refused(name: str, reason: str) -> Estimate:
        return absent(name, reason, signature=made[name], confidence=confidence, clips=clips)

    if not n:
        return [agreement, *(refused(name, NO_REPEATS) for name in NAMES[1:])]
    answers = [agreement]
    own = kappa(found.first, found.second, disagreement(scale, "none" if weights == "none" else "quadratic"))
    if np.isnan(own.value):
        answers.append(refused(NAMES[1], "every repeated rating is the same answer: there is no variation"))
    else:
        ends = student_ends(own.value, own.influence / n, confidence)
        answers.append(given(NAMES[1], own.value, ends[0], ends[1], METHOD))
    numbers = scale.numbers
    if numbers is None or scale.metric == "nominal":
        return [*answers, *(refused(name, "the answers are not points on a scale") for name in NAMES[2:])]
    value, least, most = _spread(numbers[found.first] - numbers[found.second], confidence)
    method = "chi-squared" if least is not None else "no interval: every repeat is exact"
    answers.append(given(NAMES[2], value, least, most, method))
    factor = 1.96 * sqrt(2)
    low_, high_ = (None, None) if least is None or most is None else (factor * least, factor * most)
    return [*answers, given(NAMES[3], factor * value, low_, high_, method)]


def _spread(differences: Floats, confidence: float) -> tuple[float, float | None, float | None]:
    n, total = len(differences), float((differences**2).sum()) / 2
    if total == 0:
        return 0.0, None, None
    upper, lower = (float(chi2.ppf(share, n)) for share in ((1 + confidence) / 2, (1 - confidence) / 2))
    return sqrt(total / n), sqrt(total / upper), sqrt(total / lower)
