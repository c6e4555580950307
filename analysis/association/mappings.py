"""How far ratings lie from what a score predicts after a monotone mapping (ITU-T P.1401)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import t as student

from analysis.association.correlations import correlation
from analysis.association.curves import PARAMETERS, Curve, Mapping, fit
from analysis.association.design_intervals import (
    FEWEST_CLIPS,
    LOGARITHM,
    Described,
    DesignEstimate,
    Interval,
    jackknife,
    too_few,
)
from analysis.association.opinion import NO_REPEATS, Opinion
from analysis.consensus.mean_opinion import FEW_RATINGS
from analysis.design import Design
from analysis.estimate import Bools, Floats
from analysis.filters.rates import tabulate

NO_RATINGS = "the single ratings behind the means are not known, and so neither are the means' intervals"
MOST_POOLED = 0.1
"""With a larger share of clips under four ratings the pooled deviation, itself uncertain, decides every outlier."""
POOLED = "no interval: clips with fewer than four ratings all depend on one pooled standard deviation"
FIXED = "the fitted mapping is taken as given"


@dataclass(frozen=True)
class MappedScore:
    """A score after a mapping to the scale of the ratings.

    `rmse` is the root mean square error in points of the scale, `rmse_star` the same for the part of an error beyond
    the 95 % interval of the clip's mean rating, `outlier_ratio` the share (0 to 1) of clips whose error lies beyond it,
    and `pearson` the correlation of mapped score and rating. `parameters` counts what was fitted; `monotone` and
    `converged` are those of `Curve`, which is in `curve` for pictures.
    """

    mapping: Mapping
    monotone: bool
    converged: bool
    parameters: int
    rmse: DesignEstimate
    rmse_star: DesignEstimate
    outlier_ratio: DesignEstimate
    pearson: DesignEstimate
    curve: Curve = field(compare=False)


def mapped_scores(
    mappings: Sequence[Mapping], score: Floats, opinion: Opinion, described: Described
) -> tuple[tuple[MappedScore, ...], tuple[str, ...]]:
    """Each mapping of a score that rises with quality, shape (clips,), in the order given; and notes.

    Where the logistic mapping has no usable fit, the cubic one is added, or else the straight line, and a note says so.
    """
    found = [mapped_score(mapping, score, opinion, described) for mapping in dict.fromkeys(mappings)]
    notes: list[str] = []
    if any(one.mapping == "logistic" and not one.converged for one in found):
        there = {one.mapping: one for one in found}
        for name in ("cubic", "linear"):
            other = there.get(name) or mapped_score(name, score, opinion, described)
            if other.rmse.estimate.value is None:
                continue
            if name not in there:
                found.append(other)
            notes.append(f"The logistic mapping has no usable fit; read the {name} one instead.")
            break
    return tuple(found), tuple(notes)


def mapped_score(mapping: Mapping, score: Floats, opinion: Opinion, described: Described) -> MappedScore:
    """A score after one mapping, by least squares weighted to the pool.

    The errors are corrected for the d parameters: sqrt(sum w e^2 / sum w * n / (n - d)), n = (sum w)^2 / sum w^2, which
    is sqrt(sum e^2 / (N - d)) for equal weights. Intervals of means are Student's; clips with fewer than four ratings
    use the standard deviation pooled over clips. Source: ITU-T P.1401 (2020), clauses 7.3, 7.5 and 7.7.

    >>> from analysis.association.design_intervals import Resampling
    >>> x, described = np.arange(20.0), Described(Design.build(20), Resampling())
    >>> made = mapped_score("linear", x, Opinion(3 * x + np.tile([1.0, -1.0], 10)), described)
    >>> round(made.rmse.estimate.value, 3)
    1.05
    """
    weights = described.design.clip_weight
    curve = fit(mapping, score, opinion.mean, weights)
    parameters = PARAMETERS[mapping]
    if curve.value is None:
        names = ("rmse", "rmse_star", "outlier_ratio", "pearson")
        nothing = {name: described.absent(name, str(curve.reason), mapping=mapping) for name in names}
        return MappedScore(mapping, curve.monotone, curve.converged, parameters, curve=curve, **nothing)
    plain = fit(mapping, score, opinion.mean, np.ones(len(weights))) if not described.design.equal_weights else curve
    errors = np.abs(curve.value(score) - opinion.mean)
    sample = None if plain.value is None else np.abs(plain.value(score) - opinion.mean)
    rmse = _root_mean_square("rmse", mapping, errors, sample, described)
    half = _half_widths(opinion)
    if half is None:
        reason = NO_RATINGS if opinion.grid is None else NO_REPEATS
        star = described.absent("rmse_star", reason, mapping=mapping)
        outliers = described.absent("outlier_ratio", reason, mapping=mapping)
    else:
        past = None if sample is None else np.maximum(0.0, sample - half)
        star = _root_mean_square("rmse_star", mapping, np.maximum(0.0, errors - half), past, described)
        is_known = opinion.votes is None or float((opinion.votes < FEW_RATINGS).mean()) <= MOST_POOLED
        if not is_known and star.estimate.value is not None:
            star = replace(star, estimate=replace(star.estimate, low=None, high=None, method=POOLED), se=None)
        beyond = None if past is None else past > 0
        outliers = _outlier_ratio(mapping, errors > half, beyond, is_known, described)
    pearson = correlation("pearson", curve.value(score), opinion.mean, described)
    one = replace(pearson.estimate, method=f"{pearson.estimate.method}; {FIXED}")
    pearson = replace(pearson, estimate=one) if one.value is not None else pearson
    return MappedScore(mapping, curve.monotone, curve.converged, parameters, rmse, star, outliers, pearson, curve)


def _half_widths(opinion: Opinion) -> Floats | None:
    """Half of the 95 % interval of every mean rating, shape (clips,); None where it is not known."""
    scores = opinion.scores(confidence=0.95)
    return None if scores is None or np.isnan(scores.t_half).any() else scores.t_half


def _root_mean_square(
    name: str, mapping: Mapping, errors: Floats, sample: Floats | None, described: Described
) -> DesignEstimate:
    """The root mean square of errors, corrected for the parameters, with a linearised interval on its logarithm."""
    design, parameters = described.design, PARAMETERS[mapping]
    weights = design.clip_weight
    value = _corrected(errors, weights, parameters)
    if value is None:
        reason = f"{_kish(weights):.4g} effective clips do not suffice for the {parameters} parameters of the mapping"
        return described.absent(name, reason, mapping=mapping)
    unweighted = None if sample is None else _corrected(sample, np.ones(len(sample)), parameters)
    found = _mean_square_interval(errors**2, value, design, described)
    return described.estimate(name, value, unweighted, found, mapping=mapping)


def _kish(weights: Floats) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())


def _corrected(errors: Floats, weights: Floats, parameters: int) -> float | None:
    effective = _kish(weights)
    if effective <= parameters + 1e-9:
        return None
    return float(np.sqrt(np.average(errors**2, weights=weights) * effective / (effective - parameters)))


def _mean_square_interval(squares: Floats, value: float, design: Design, described: Described) -> Interval:
    """The interval of the root of a weighted mean of squares; at the least squares fit its parameters do not matter."""
    if described.clips < FEWEST_CLIPS:
        return too_few(described.clips)
    mean = float(np.average(squares, weights=design.clip_weight))
    if mean < 1e-18:
        return Interval(None, None, None, "no interval: no error was seen")
    freedom = _freedom(squares, design)
    if design.source is None:
        residuals = design.clip_weight * (squares - mean) / design.clip_weight.sum()
        relative = float(np.sqrt(design.total_variance(residuals))) / mean / 2
        words = "linearised variance of the squared errors"
    else:
        factor = value / np.sqrt(mean)
        found = jackknife(
            value, lambda w: factor * np.sqrt(w @ squares / w.sum(axis=1)), design, described.how, LOGARITHM
        )
        if found.high is None or found.freedom is None:
            return found
        confidence = (1 + described.how.confidence) / 2
        relative = float(np.log(found.high / value) / student.ppf(confidence, found.freedom))
        words = found.method.partition(", on ")[0]
    half = float(student.ppf((1 + described.how.confidence) / 2, freedom)) * relative
    method = f"{words}, on logarithms; {FIXED}"
    return Interval(value * float(np.exp(-half)), value * float(np.exp(half)), value * relative, method)


def _freedom(squares: Floats, design: Design) -> float:
    """Degrees of freedom of a variance from so many units, fewer if few clips carry the squared errors, at least 2.

    2 (sum V)^2 / sum V^2 (kurtosis - 1) / n over strata, at most the units less the strata. With V the variance of a
    stratum's sum this is Satterthwaite's (1946) approximation for values that are not normal.
    """
    above, below = 0.0, 0.0
    for values in _unit_totals(design.clip_weight * squares, design):
        apart = values - values.mean()
        second = float((apart**2).mean())
        if len(values) < 2 or second < 1e-18:
            continue
        variance = len(values) * second
        above += variance
        below += variance**2 * (float((apart**4).mean()) / second**2 - 1) / len(values)
    units = max(1, int(design.units.sum()) - len(design.labels))
    return units if below == 0 else max(2.0, min(float(units), 2 * above**2 / below))


def _unit_totals(values: Floats, design: Design) -> list[Floats]:
    """The totals of the units drawn: one array per stratum with a value per clip, or one array with all sources."""
    if design.source is not None:
        centred = values - (np.bincount(design.of, values) / design.drawn)[design.of]
        return [np.asarray(np.bincount(design.source, centred), dtype=np.float64)]
    return [values[design.of == stratum] for stratum in range(len(design.labels))]


def _outlier_ratio(
    mapping: Mapping, outliers: Bools, sample: Bools | None, is_known: bool, described: Described
) -> DesignEstimate:
    """The weighted share of outliers, with the interval that every share of clips gets."""
    design = described.design
    table = tabulate(np.ones(len(outliers)), outliers.astype(np.float64), design, described.how.confidence)
    share = table.prevalence
    if share.value is None:
        return described.absent("outlier_ratio", str(share.undefined), mapping=mapping)
    found = Interval(share.low, share.high, table.se["prevalence"], f"{share.method}; {FIXED}")
    unweighted = None if sample is None else float(sample.mean())
    found = found if is_known else Interval(None, None, None, POOLED)
    return described.estimate("outlier_ratio", share.value, unweighted, found, mapping=mapping)
