"""Intervals that fit the sampling design: a bootstrap within strata, or a jackknife that leaves out whole sources."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student

from analysis.design import Design
from analysis.estimate import Estimate, Floats, Ints, absent, signature
from analysis.resampling import collapsed

Statistic = Callable[[Floats], Floats]
"""A function from weights (replicates, clips) to values (replicates,), NaN where the statistic is undefined."""
FEWEST_CLIPS = 10
FEWEST_SOURCES = 10
"""With fewer clips or sources an interval would promise more than it can hold."""
LARGE = 2000
"""From so many clips on nothing is drawn anew: a jackknife is as good, and much faster."""
MOST_GROUPS = 200
"""The largest number of parts that a jackknife leaves out in turn; more sources are left out several at a time."""


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: number of bootstrap replicates, seed, and confidence (0 to 1)."""

    resamples: int = 1000
    seed: int = 0
    confidence: float = 0.95


@dataclass(frozen=True)
class Scale:
    """A transformation on which the statistic is nearly normal, its inverse, its slope, and its name."""

    to: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]
    slope: Callable[[float], float]
    name: str


def _same(values: Floats) -> Floats:
    return values


FISHER = Scale(np.arctanh, np.tanh, lambda r: 1 / (1 - r * r), "Fisher's z")
LOGIT = Scale(logit, expit, lambda p: 1 / (p * (1 - p)), "logits")
LOGARITHM = Scale(np.log, np.exp, lambda value: 1 / value, "logarithms")
PLAIN = Scale(_same, _same, lambda _value: 1.0, "")


@dataclass(frozen=True)
class Interval:
    """Ends and standard error (None where there are none), the method in words, undefined replicates, and the degrees
    of freedom where Student's t was used.
    """

    low: float | None
    high: float | None
    se: float | None
    method: str
    undefined: int = 0
    freedom: float | None = None


@dataclass(frozen=True)
class DesignEstimate:
    """An estimate with its standard error and, where clips have unequal weights, the value without weights.

    `se` and `sample_value` are None where they do not exist.
    """

    estimate: Estimate
    se: float | None = None
    sample_value: float | None = None
    is_weighted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The JSON object: the estimate, `se`, and `sample_value` if weights differ."""
        more = {"sample_value": self.sample_value} if self.is_weighted else {}
        return self.estimate.to_dict() | {"se": self.se} | more


def is_simple(design: Design) -> bool:
    """True for one random sample of clips with equal weights, for which textbook formulas hold."""
    return design.source is None and len(design.labels) <= 1 and design.equal_weights


@dataclass(frozen=True)
class Described:
    """What every estimate about these clips says of itself: their design, the resampling, and the people behind them.

    `raters` and `ratings` are None if only mean ratings are known.
    """

    design: Design
    how: Resampling
    raters: int | None = None
    ratings: int | None = None

    @property
    def clips(self) -> int:
        """The number of clips."""
        return len(self.design.of)

    def estimate(
        self, name: str, value: float, sample: float | None, found: Interval, **more: object
    ) -> DesignEstimate:
        """An estimate with this interval; `sample` is the value without weights, `more` goes into the signature."""
        made = self._signature(name, is_drawn=" resamples of " in found.method, **more)
        ends = (found.low, found.high, self.how.confidence)
        counts = (self.clips, self.raters, self.ratings)
        one = Estimate(name, value, *ends, *counts, found.method, made, None, found.undefined)
        is_weighted = not self.design.equal_weights
        return DesignEstimate(one, found.se, sample if is_weighted else None, is_weighted)

    def absent(self, name: str, reason: str, **more: object) -> DesignEstimate:
        """An undefined estimate with the reason."""
        made = self._signature(name, is_drawn=False, **more)
        confidence = self.how.confidence
        one = absent(name, reason, signature=made, confidence=confidence, clips=self.clips, raters=self.raters)
        return DesignEstimate(one, is_weighted=not self.design.equal_weights)

    def _signature(self, name: str, *, is_drawn: bool, **more: object) -> str:
        return signature(
            name,
            ["scipy"],
            weights="equal" if self.design.equal_weights else "inverse-inclusion",
            strata=len(self.design.labels),
            unit="clip" if self.design.source is None else "source",
            resamples=self.how.resamples if is_drawn else None,
            seed=self.how.seed if is_drawn else None,
            confidence=self.how.confidence,
            **more,
        )


def too_few(clips: int) -> Interval:
    """The absence of an interval with so few clips."""
    return Interval(None, None, None, f"no interval: {clips} clips, and an interval needs {FEWEST_CLIPS}")


def too_few_sources(sources: int) -> Interval:
    """The absence of an interval with so few sources."""
    return Interval(None, None, None, f"no interval: {sources} sources, and a jackknife needs {FEWEST_SOURCES}")


def by_design(value: float, statistic: Statistic, design: Design, how: Resampling, scale: Scale = PLAIN) -> Interval:
    """The interval of `value` for a design with strata, weights or sources.

    With sources the jackknife leaves out one source at a time; otherwise clips are drawn anew within strata, or, from
    `LARGE` clips on, left out in parts. Each gives a standard error on `scale`, to which Student's t is applied.

    >>> design = Design.build(40, sources=[f"s{clip % 20}" for clip in range(40)])
    >>> by_design(0.5, lambda w: w @ (np.arange(40) % 2) / w.sum(axis=1), design, Resampling()).method
    'jackknife, leaving out one of 20 sources at a time'
    """
    if design.source is not None or len(design.of) >= LARGE:
        return jackknife(value, statistic, design, how, scale)
    return bootstrap(value, statistic, design, how, scale)


def bootstrap(value: float, statistic: Statistic, design: Design, how: Resampling, scale: Scale = PLAIN) -> Interval:
    """Student's t with the standard error of replicates in which clips are drawn anew within strata."""
    drawn = np.concatenate(
        [statistic(block * design.clip_weight) for block in design.replicates(how.resamples, how.seed)]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = scale.to(drawn)
    usable = np.isfinite(moved)
    lost = int((~usable).sum())
    words = f"bootstrap: standard error of {how.resamples} resamples of {len(design.of)} clips"
    words += f" within {len(design.labels)} strata" if len(design.labels) > 1 else ""
    if usable.sum() < 2 or np.ptp(moved[usable]) < 1e-12:
        return Interval(None, None, None, f"no interval: the {words.removeprefix('bootstrap: ')} is 0", lost)
    error, se = (float(np.std(part[usable], ddof=1)) for part in (moved, drawn))
    return _ends(value, error, se, _freedom(design), scale, how, words, lost)


def jackknife(value: float, statistic: Statistic, design: Design, how: Resampling, scale: Scale = PLAIN) -> Interval:
    """Student's t with the standard error of the jackknife that leaves out whole units, by strata.

    Units are sources where they are known, else clips; beyond `MOST_GROUPS` they are left out in so many random groups.
    Source: Wolter (2007), Introduction to Variance Estimation, sections 4.5 and 4.6.
    """
    parts = JackknifeParts.build(design, how.seed)
    unit = "clips" if design.source is None else "sources"
    if parts.units < (FEWEST_CLIPS if design.source is None else FEWEST_SOURCES):
        return too_few(parts.units) if design.source is None else too_few_sources(parts.units)
    left = np.concatenate([statistic(block * design.clip_weight) for block in parts.multipliers()])
    with np.errstate(divide="ignore", invalid="ignore"):
        apart, raw = scale.to(left) - scale.to(np.array(value)), left - value
    usable = np.isfinite(apart)
    lost = int((~usable).sum())
    if lost:
        return Interval(None, None, None, f"no interval: undefined without {lost} of the {unit}", lost)
    error, se = (float(np.sqrt((parts.factor * deviation**2).sum())) for deviation in (apart, raw))
    at_once = "one" if len(left) == parts.units else f"a part of {len(left)} parts"
    words = f"jackknife, leaving out {at_once} of {parts.units} {unit} at a time"
    if error < 1e-12:
        return Interval(None, None, None, f"no interval: the {words} changes nothing", lost)
    return _ends(value, error, se, parts.freedom, scale, how, words, lost)


def infinitesimal(value: float, influence: Floats, design: Design, how: Resampling, scale: Scale) -> Interval:
    """Student's t with the variance of the influences (clips,), weight x slope of the statistic in a clip's weight.

    This is the infinitesimal jackknife of clips, or of sources, by strata. Source: Efron (1982), The Jackknife, the
    Bootstrap and Other Resampling Plans, chapter 6.
    """
    sources = None if design.source is None else len(np.unique(design.source))
    if sources is not None and sources < FEWEST_SOURCES:
        return too_few_sources(sources)
    whole = _joined(design)
    se = float(np.sqrt(whole.total_variance(influence)))
    words = f"infinitesimal jackknife of {'clips' if sources is None else 'sources'}"
    if se < 1e-12:
        return Interval(None, None, None, f"no interval: the {words} sees no spread")
    freedom = max(1, (len(design.of) if sources is None else sources) - len(whole.labels))
    return _ends(value, se * scale.slope(value), se, freedom, scale, how, words, 0)


def _joined(design: Design) -> Design:
    """The design with strata of one clip joined, because one clip shows no spread."""
    if (design.drawn > 1).all():
        return design
    labels, of, drawn = np.unique(collapsed(design.of), return_inverse=True, return_counts=True)
    names = tuple(design.labels[label] for label in labels)
    return Design(of, names, drawn, design.clip_weight, np.full(len(names), np.inf), design.source)


def _ends(
    value: float, error: float, se: float, freedom: int, scale: Scale, how: Resampling, words: str, lost: int
) -> Interval:
    half = float(student.ppf((1 + how.confidence) / 2, freedom)) * error
    middle = scale.to(np.array(value))
    low, high = (float(end) for end in scale.back(np.array([middle - half, middle + half])))
    return Interval(low, high, se, words + (f", on {scale.name}" if scale.name else ""), lost, freedom)


def _freedom(design: Design) -> int:
    """Units less strata, at least 1; strata of one clip count as joined, as the bootstrap draws them."""
    return max(1, len(design.of) - len(np.unique(collapsed(design.of))))


@dataclass(frozen=True, eq=False)
class JackknifeParts:
    """The parts of a sample that a jackknife leaves out in turn.

    Shapes (clips,): `part` is the part of each clip and `stratum` its stratum. Shapes (parts,): `part_stratum` is the
    stratum of a part, `kept` the factor by which the rest of its stratum counts more, and `factor` the weight of a
    squared deviation in the variance. `units` counts clips or sources.
    """

    part: Ints
    stratum: Ints
    part_stratum: Ints
    kept: Floats
    factor: Floats
    units: int

    @classmethod
    def build(cls, design: Design, seed: int) -> "JackknifeParts":
        """Each source (or clip) is a part; if there are more than `MOST_GROUPS`, random groups of them by stratum."""
        unit_of = np.arange(len(design.of)) if design.source is None else design.source
        units = int(unit_of.max()) + 1
        of = np.zeros(units, dtype=np.int64)
        of[unit_of] = design.of
        if (of[unit_of] != design.of).any():
            of[:] = 0  # sources that lie in several strata are left out of all of them together
        of = np.unique(collapsed(of), return_inverse=True)[1]
        part_of = np.empty(units, dtype=np.int64)
        part_stratum: list[int] = []
        kept: list[float] = []
        factor: list[float] = []
        chance = np.random.default_rng(seed)
        for stratum in range(int(of.max()) + 1):
            members = np.flatnonzero(of == stratum)
            parts = len(members)
            if units > MOST_GROUPS:
                parts = min(parts, max(2, round(MOST_GROUPS * parts / units)))
                members = chance.permutation(members)
            for group in np.array_split(members, parts):
                part_of[group] = len(part_stratum)
                part_stratum.append(stratum)
                kept.append(len(members) / max(1, len(members) - len(group)))
                factor.append((parts - 1) / parts)
        return cls(part_of[unit_of], of[unit_of], np.array(part_stratum), np.array(kept), np.array(factor), units)

    @property
    def freedom(self) -> int:
        """Parts less strata, at least 1."""
        return max(1, len(self.factor) - int(self.part_stratum.max()) - 1)

    def multipliers(self) -> Iterator[Floats]:
        """Multipliers of the clips' weights with one part left out, in blocks of shape (block, clips)."""
        rows = max(1, 300_000 // len(self.part))
        for start in range(0, len(self.factor), rows):
            numbers = np.arange(start, min(start + rows, len(self.factor)))[:, None]
            inside = self.stratum == self.part_stratum[numbers]
            block = np.where(inside, self.kept[numbers], 1.0)
            yield np.where(self.part == numbers, 0.0, block)
