"""Registry of agreement statistics: one entry per statistic, with its names, scales, formula and pages."""

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
"""A function from patterns (patterns, levels) and their weights (replicates, patterns) to values (replicates,)."""
Page = Literal["results", "agreement", "files"]
"""Results page with report and estimates.json, Agreement page, or `clipjury stats agreement`."""
METRICS: tuple[Metric, ...] = ("nominal", "ordinal", "interval", "ratio")
ORDERED: tuple[Metric, ...] = ("ordinal", "interval", "ratio")
PAGES: tuple[Page, ...] = ("results", "agreement", "files")
NO_PAIRS = "no clip has two ratings; agreement needs two raters on the same clip"
NO_ORDER = "the scale is nominal: no answer is nearer to another, so nothing can be weighted"


@dataclass(frozen=True, eq=False)
class AgreementStatistic:
    """An agreement statistic: how it is computed, what it is called and where it is shown.

    Call it to compute the estimate. The Results page, the Agreement page, the figures, the report, estimates.json and
    `clipjury stats agreement` read `STATISTICS`, so a new statistic needs one entry there and nothing else.
    """

    key: str
    """The name in files: letters, digits and underscores."""
    label: str
    """The name in a sentence; `heading` is the name in a table."""
    explanation: str
    """One or two sentences that a reader of the table needs."""
    coefficient: Callable[[Scale], Coefficient]
    """The coefficient for a scale; its values are NaN where it is undefined."""
    metrics: tuple[Metric, ...] = METRICS
    """The metrics of scales on which the statistic is defined."""
    inapplicable: str = "the statistic is not defined on this scale"
    """The reason why it is undefined on other scales."""
    fewest_votes: int = 1
    """The votes a clip needs to enter: 1 if single votes inform the shares of the levels, else 2."""
    chance_corrected: bool = True
    """False for a mean over clips from 0 to 1 that is 1 on a unanimous clip, which needs no variation of answers."""
    settings: Callable[[Scale], Mapping[str, str]] = lambda _scale: {}
    """The settings that the signature names besides those of the resampling."""
    value: Callable[[Ints, Ints, Scale], float] | None = None
    """Computes the value from patterns and their numbers of clips; by default the coefficient computes it."""
    libraries: tuple[str, ...] = ()
    """The packages besides numpy that `value` needs."""
    pages: tuple[Page, ...] = PAGES
    """The pages that show the statistic."""

    @property
    def heading(self) -> str:
        """The label with a capital letter, for the head of a column.

        >>> percent_agreement.heading
        'Raw agreement'
        """
        return self.label[:1].upper() + self.label[1:]

    def applies_to(self, scale: Scale) -> bool:
        """Whether the statistic is defined on this scale."""
        return scale.metric in self.metrics

    def entering(self, ratings: Ratings) -> Bools:
        """Which clips enter the statistic, shape (clips,)."""
        return np.asarray(ratings.votes >= self.fewest_votes)

    def undefined(self, ratings: Ratings) -> str | None:
        """The reason why the statistic is undefined for these votes; None if it is defined."""
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
        """Compute the statistic with a percentile interval over resampled clips, or the reason why it is undefined.

        With `groups` (clip to source) whole sources are resampled, because clips from one video resemble each other.
        `clips` of the result counts clips with two votes, `raters` and `ratings` what enters. If all clips are
        unanimous, resampling raw agreement shows no spread; its lower end is then the exact one-sided bound
        (1 - confidence) ** (1 / clips) of the share of unanimous clips. Raises ValueError for a clip without a source.

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
    """The number of replicates in which the coefficient is undefined."""


def _alpha(patterns: Ints, clips: Ints, scale: Scale) -> float:
    """Alpha as computed by the `krippendorff` package; it may be negative."""
    value = krippendorff.alpha(
        value_counts=np.repeat(patterns, clips, axis=0),  # sorted by pattern, so that names do not affect rounding
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
"""Krippendorff's alpha with the metric of the scale."""

gwet_ac = AgreementStatistic(
    key="gwet_ac",
    label="Gwet's AC",
    explanation="Gwet's AC is read in the same way and is less sensitive to this, so both are shown.",
    coefficient=lambda scale: partial(coefficients.gwet, metric=scale.metric, points=scale.points),
    settings=lambda scale: {"weights": "identity" if scale.metric == "nominal" else "quadratic"},
    pages=("results",),
)
"""Gwet's AC1 on a nominal scale, AC2 with quadratic weights on an ordered one (`coefficients.gwet`).

If every vote is the same, the formula gives 1 whatever raters would say about other clips; this is reported as
undefined, as for alpha."""

gwet_ac1 = AgreementStatistic(
    key="gwet_ac1",
    label="Gwet's AC1",
    explanation="Gwet's AC1 is less sensitive to this and counts answers as the same or not.",
    coefficient=lambda _scale: partial(coefficients.gwet, metric="nominal"),
    settings=lambda _scale: {"weights": "identity"},
    pages=("agreement", "files"),
)
"""Gwet's AC1 on every scale: answers are the same or not."""

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
"""Gwet's AC2 with quadratic weights; undefined on a nominal scale, on which answers have no distance."""

percent_agreement = AgreementStatistic(
    key="percent_agreement",
    label="raw agreement",
    explanation="Raw agreement is the share of rater pairs with the same answer, averaged over clips.",
    coefficient=lambda _scale: coefficients.percent,
    fewest_votes=2,
    chance_corrected=False,
    settings=lambda _scale: {"average": "clips"},
)
"""The share (0 to 1) of pairs of raters with the same answer, averaged over clips with two or more votes."""

fleiss_kappa = AgreementStatistic(
    key="fleiss_kappa",
    label="Fleiss' kappa",
    explanation="Fleiss' kappa corrects raw agreement for chance and counts answers as the same or not.",
    coefficient=lambda _scale: coefficients.fleiss,
    settings=lambda _scale: {"weights": "identity"},
    pages=("files",),
)
"""Fleiss' kappa, unweighted, for any number of votes per clip (`coefficients.fleiss`).

The interval is a bootstrap, because the standard error published in 1979 holds only for a kappa of 0."""

STATISTICS: dict[str, AgreementStatistic] = {
    one.key: one for one in (krippendorff_alpha, gwet_ac, gwet_ac1, gwet_ac2, percent_agreement, fleiss_kappa)
}
"""Every agreement statistic by its key, in the order in which pages and files show them."""


def shown_on(page: Page) -> list[AgreementStatistic]:
    """The statistics that a page shows, in order.

    >>> [one.key for one in shown_on("results")]
    ['krippendorff_alpha', 'gwet_ac', 'percent_agreement']
    """
    return [one for one in STATISTICS.values() if page in one.pages]


def statistic_named(key: str) -> AgreementStatistic:
    """The statistic with this key; raises ValueError for an unknown key."""
    if key not in STATISTICS:
        raise ValueError(f"there is no statistic of agreement {key!r}; there are: {', '.join(STATISTICS)}")
    return STATISTICS[key]


def label_of(key: str) -> str:
    """The label of a statistic; the key itself if it is not an agreement statistic."""
    return STATISTICS[key].label if key in STATISTICS else key


def _without_variation(ratings: Ratings, entering: Bools) -> str | None:
    """The reason why chance-corrected coefficients of the `entering` clips are undefined; None if they are defined."""
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
