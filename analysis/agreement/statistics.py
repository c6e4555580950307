"""The statistics of agreement between raters: an entry each, with its name, scales, formula and pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import krippendorff
import numpy as np

from analysis.agreement import coefficients
from analysis.estimate import Bools, Estimate, Floats, Ints, absent, signature
from analysis.ratings import Metric, Ratings, Scale
from analysis.resampling import pattern_weights, percentile_interval, source_weights

Coefficient = Callable[[Ints, Floats], Floats]
"""From patterns of answers (patterns, levels) and their weights (replicates, patterns) to values (replicates,)."""
Page = Literal["results", "agreement", "files"]
"""The Results page with the report and estimates.json; the Agreement page; `clipjury stats agreement`."""
METRICS: tuple[Metric, ...] = ("nominal", "ordinal", "interval", "ratio")
ORDERED: tuple[Metric, ...] = ("ordinal", "interval", "ratio")
PAGES: tuple[Page, ...] = ("results", "agreement", "files")
NO_PAIRS = "no clip has two ratings; agreement needs two raters on the same clip"
NO_ORDER = "the scale is nominal: no answer is nearer to another, so nothing can be weighted"


@dataclass(frozen=True, eq=False)
class AgreementStatistic:
    """One statistic of agreement: how it is computed, what it is called and where it is shown.

    Calling it computes the estimate. The results page, the agreement page, the figures, the report, estimates.json and
    `clipjury stats agreement` read `STATISTICS`, so that an entry there is all a new statistic needs.
    """

    key: str
    """As in files: letters, digits and underscores."""
    label: str
    """As in a sentence; tables begin it with a capital letter (`heading`)."""
    explanation: str
    """One or two sentences that a reader of the table needs."""
    coefficient: Callable[[Scale], Coefficient]
    """From a scale to the coefficient that is computed on it, NaN where undefined."""
    metrics: tuple[Metric, ...] = METRICS
    """Scales on which the statistic exists."""
    inapplicable: str = "the statistic is not defined on this scale"
    """Why it does not exist on the others."""
    fewest_votes: int = 1
    """Votes from which on a clip enters: 1 where single votes inform the shares of the levels, else 2."""
    chance_corrected: bool = True
    """False for a mean over clips that is 1 on a unanimous clip and never negative: it needs no variation."""
    settings: Callable[[Scale], Mapping[str, str]] = lambda _scale: {}
    """What the signature names beside the resampling."""
    value: Callable[[Ints, Ints, Scale], float] | None = None
    """Computes the value itself (from patterns and clips of each) where it is not left to the coefficient."""
    libraries: tuple[str, ...] = ()
    """Packages beside numpy that `value` needs, by their names on PyPI."""
    pages: tuple[Page, ...] = PAGES
    """Where it is shown."""

    @property
    def heading(self) -> str:
        """The label as the head of a column.

        >>> percent_agreement.heading
        'Raw agreement'
        """
        return self.label[:1].upper() + self.label[1:]

    def applies_to(self, scale: Scale) -> bool:
        """Whether the statistic exists on such a scale."""
        return scale.metric in self.metrics

    def entering(self, ratings: Ratings) -> Bools:
        """The clips that enter, shape (clips,)."""
        return np.asarray(ratings.votes >= self.fewest_votes)

    def undefined(self, ratings: Ratings) -> str | None:
        """Why the statistic has no value on these votes, or None when it has."""
        if not self.applies_to(ratings.scale):
            return self.inapplicable
        if not (ratings.votes >= 2).any():
            return NO_PAIRS
        return _without_variation(ratings, self.entering(ratings)) if self.chance_corrected else None

    def __call__(
        self,
        ratings: Ratings,
        *,
        resamples: int = 2000,
        seed: int = 0,
        confidence: float = 0.95,
        groups: Mapping[str, str] | None = None,
    ) -> Estimate:
        """The statistic with a percentile interval from resampled clips, or the reason why it is undefined.

        `groups` maps every clip to its source: then whole sources are resampled, because clips cut from one video
        resemble each other. `clips` of the result counts clips with two votes, `raters` and `ratings` what enters.

        When every clip is unanimous, resampling raw agreement shows no spread; its lower end is then the exact
        one-sided bound (1 - confidence) ** (1 / clips) on the share of unanimous clips, which it cannot fall below.

        >>> from analysis.ratings import VERDICT
        >>> votes = Ratings.from_votes(list("aabbcc"), list("xyxyxy"),
        ...     ["accept", "accept", "reject", "reject", "accept", "reject"], VERDICT)
        >>> round(krippendorff_alpha(votes, resamples=200).value, 3)
        0.444
        """
        how = _Resampling(resamples, seed, confidence, groups)
        made = _signature(self, ratings.scale, how)
        compared = int((ratings.votes >= 2).sum())
        reason = self.undefined(ratings)
        if reason:
            return absent(self.key, reason, signature=made, confidence=confidence, clips=compared)
        entering = self.entering(ratings)
        patterns, pattern_of, sizes = coefficients.collapse(ratings.counts[entering])
        coefficient = self.coefficient(ratings.scale)
        if self.value is None:
            value = float(coefficient(patterns, sizes[None].astype(np.float64))[0])
        else:
            value = self.value(patterns, sizes, ratings.scale)
        interval = _interval(self, value, coefficient, patterns, pattern_of, ratings, how)
        return Estimate(
            statistic=self.key,
            value=value,
            low=interval.low,
            high=interval.high,
            confidence=confidence,
            clips=compared,
            raters=len(np.unique(ratings.rater_of[entering[ratings.clip_of]])),
            ratings=int(ratings.votes[entering].sum()),
            method=interval.method,
            signature=made,
            resamples_undefined=interval.undefined,
        )


@dataclass(frozen=True)
class _Resampling:
    resamples: int
    seed: int
    confidence: float
    groups: Mapping[str, str] | None


@dataclass(frozen=True)
class _Interval:
    low: float | None
    high: float | None
    method: str
    undefined: int
    """Replicates in which the coefficient was undefined."""


def _alpha(patterns: Ints, clips: Ints, scale: Scale) -> float:
    """Alpha as the `krippendorff` package computes it; it may be negative and stays so."""
    value = krippendorff.alpha(
        value_counts=np.repeat(patterns, clips, axis=0),  # clips by pattern: their names cannot touch the last digit
        value_domain=scale.points,
        level_of_measurement=scale.metric,
    )
    return float(value)


krippendorff_alpha = AgreementStatistic(
    key="krippendorff_alpha",
    label="Krippendorff's alpha",
    explanation="Krippendorff's alpha is 1 when raters agree fully and 0 when they agree no more than by chance; it "
    "falls when nearly all answers are the same.",
    coefficient=lambda scale: partial(coefficients.alpha, metric=scale.metric, points=scale.points),
    fewest_votes=2,
    settings=lambda scale: {"metric": scale.metric},
    value=_alpha,
    libraries=("krippendorff",),
)
"""Krippendorff's alpha with the scale's own metric."""

gwet_ac = AgreementStatistic(
    key="gwet_ac",
    label="Gwet's AC",
    explanation="Gwet's AC is read in the same way and is less sensitive to this, so both are shown.",
    coefficient=lambda scale: partial(coefficients.gwet, metric=scale.metric, points=scale.points),
    settings=lambda scale: {"weights": "identity" if scale.metric == "nominal" else "quadratic"},
    pages=("results",),
)
"""Gwet's AC1 on a nominal scale, AC2 with quadratic weights on an ordered one (`coefficients.gwet`).

When every vote is the same its formula gives 1 however the raters would differ on other clips; that is reported as
undefined, as for alpha."""

gwet_ac1 = AgreementStatistic(
    key="gwet_ac1",
    label="Gwet's AC1",
    explanation="Gwet's AC1 is less sensitive to this and counts answers as the same or not.",
    coefficient=lambda _scale: partial(coefficients.gwet, metric="nominal"),
    settings=lambda _scale: {"weights": "identity"},
    pages=("agreement", "files"),
)
"""Gwet's AC1 whatever the scale: answers are the same or not."""

gwet_ac2 = AgreementStatistic(
    key="gwet_ac2",
    label="Gwet's AC2",
    explanation="Gwet's AC2 counts near answers as near.",
    coefficient=lambda scale: partial(coefficients.gwet, metric=scale.metric, points=scale.points),
    metrics=ORDERED,
    inapplicable=NO_ORDER,
    settings=lambda _scale: {"weights": "quadratic"},
    pages=("agreement", "files"),
)
"""Gwet's AC2 with quadratic weights; undefined on a nominal scale, where no answer is nearer than another."""

percent_agreement = AgreementStatistic(
    key="percent_agreement",
    label="raw agreement",
    explanation="Raw agreement is the share of rater pairs with the same answer, averaged over clips.",
    coefficient=lambda _scale: coefficients.percent,
    fewest_votes=2,
    chance_corrected=False,
    settings=lambda _scale: {"average": "clips"},
)
"""Share (0 to 1) of pairs of raters with the same answer, averaged over clips with two or more votes."""

fleiss_kappa = AgreementStatistic(
    key="fleiss_kappa",
    label="Fleiss' kappa",
    explanation="Fleiss' kappa corrects raw agreement for chance and counts answers as the same or not.",
    coefficient=lambda _scale: coefficients.fleiss,
    settings=lambda _scale: {"weights": "identity"},
    pages=("files",),
)
"""Fleiss' kappa, unweighted, for any number of votes per clip (`coefficients.fleiss`).

The interval is a bootstrap: the standard error printed in 1979 holds for a kappa of 0 only."""

STATISTICS: dict[str, AgreementStatistic] = {
    one.key: one for one in (krippendorff_alpha, gwet_ac, gwet_ac1, gwet_ac2, percent_agreement, fleiss_kappa)
}
"""Every statistic of agreement by its key, in the order in which pages and files show them."""


def shown_on(page: Page) -> list[AgreementStatistic]:
    """The statistics that a page shows, in order.

    >>> [one.key for one in shown_on("results")]
    ['krippendorff_alpha', 'gwet_ac', 'percent_agreement']
    """
    return [one for one in STATISTICS.values() if page in one.pages]


def statistic_named(key: str) -> AgreementStatistic:
    """The statistic with a key. Raises ValueError for an unknown one."""
    if key not in STATISTICS:
        raise ValueError(f"there is no statistic of agreement {key!r}; there are: {', '.join(STATISTICS)}")
    return STATISTICS[key]


def label_of(key: str) -> str:
    """What a statistic is called; the key itself for an estimate that is no statistic of agreement."""
    return STATISTICS[key].label if key in STATISTICS else key


def _without_variation(ratings: Ratings, entering: Bools) -> str | None:
    """Why no chance-corrected coefficient of the votes on the `entering` clips exists, or None."""
    used = np.flatnonzero(ratings.counts[entering].sum(axis=0))
    if len(used) > 1:
        return None
    only = ratings.scale.levels[used[0]]
    return f"every rating compared is {only!r}: without variation, agreement cannot be told from chance"


def _signature(statistic: AgreementStatistic, scale: Scale, how: _Resampling) -> str:
    unit, drawn_with = ("clip", []) if how.groups is None else ("source", ["scipy"])
    drawn: dict[str, object] = {"unit": unit, "resamples": how.resamples, "seed": how.seed}
    settings: dict[str, object] = {**statistic.settings(scale), **drawn, "confidence": how.confidence}
    return signature(statistic.key, [*statistic.libraries, *drawn_with], **settings)


def _interval(
    statistic: AgreementStatistic,
    value: float,
    coefficient: Coefficient,
    patterns: Ints,
    pattern_of: Ints,
    ratings: Ratings,
    how: _Resampling,
) -> _Interval:
    if how.groups is None:
        sizes = np.bincount(pattern_of, minlength=len(patterns))
        weights, units, unit = pattern_weights(sizes, how.resamples, how.seed), len(pattern_of), "clips"
    else:
        sources = _sources(ratings, statistic.entering(ratings), how.groups)
        weights = source_weights(pattern_of, sources, how.resamples, how.seed)
        units, unit = int(sources.max()) + 1, "sources"
    low, high, lost = percentile_interval(coefficient(patterns, weights), how.confidence)
    if low is not None:
        method = f"percentile interval of {how.resamples} resamples of {units} {unit}"
    elif not statistic.chance_corrected and value == 1.0 and how.groups is None:
        low, high = (1 - how.confidence) ** (1 / units), 1.0
        method = f"one-sided lower bound: all of {units} clips unanimous"
    else:
        method = f"no interval: {how.resamples} resamples of {units} {unit} show no spread"
    return _Interval(low, high, method, lost)


def _sources(ratings: Ratings, entering: Bools, groups: Mapping[str, str]) -> Ints:
    clips = [ratings.clips[number] for number in np.flatnonzero(entering)]
    unknown = [clip for clip in clips if clip not in groups]
    if unknown:
        raise ValueError(f"clip {unknown[0]} has no source in groups ({len(unknown)} such clips)")
    return np.unique(np.array([groups[clip] for clip in clips]), return_inverse=True)[1]
