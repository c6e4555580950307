"""Everything about scores and one question at once: what the pages, the report and `stats association` show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.association import ranks
from analysis.association.correlations import correlation
from analysis.association.curves import Mapping as MappingName
from analysis.association.design_intervals import (
    FEWEST_CLIPS,
    Described,
    DesignEstimate,
    Resampling,
    by_design,
    too_few,
)
from analysis.association.differences import ScoreDifference, differences
from analysis.association.mappings import MappedScore, mapped_scores
from analysis.association.opinion import Opinion, Reliability, VarianceParts, reliability
from analysis.association.pairs import PairAnalysis, pair_analysis
from analysis.design import Design, scored
from analysis.estimate import Floats
from analysis.filters.roc import Direction


@dataclass(frozen=True)
class ScoreAssociation:
    """How one score follows the mean opinion.

    `direction` is "ge" if high scores go with high ratings and "le" if low ones do, by the sign of Spearman's
    correlation unless it was given; None if there is none. `disattenuated_pearson` is what Pearson's correlation would
    be without the raters' noise; None if the ratings are not known. `mappings` and `pairs` use the score turned so
    that it rises with quality; `pairs` is None if it was not asked for or the ratings are not known.
    """

    score: str
    direction: Direction | None
    spearman: DesignEstimate
    pearson: DesignEstimate
    kendall_tau_b: DesignEstimate
    disattenuated_pearson: DesignEstimate | None
    mappings: tuple[MappedScore, ...]
    pairs: PairAnalysis | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Association:
    """The association of several scores with the answers to one question; see `associate`.

    `differences` compare the first score with each other one, every score turned so that it rises with quality.
    """

    reliability: Reliability | None
    scores: tuple[ScoreAssociation, ...]
    differences: tuple[ScoreDifference, ...]


def associate(
    scores: Mapping[str, Floats],
    opinion: Opinion,
    design: Design,
    how: Resampling,
    *,
    directions: Mapping[str, Direction] | None = None,
    mappings: Sequence[MappingName] = ("cubic",),
    pairs: bool = False,
) -> Association:
    """Compare scores with the mean opinion of the same clips.

    `scores` maps names to values, shape (clips,); `directions` says where known in which direction a score is good.
    `mappings` names the curves to fit; with `pairs` all pairs of clips are compared.
    The result does not depend on the order of the clips. Raises ValueError for a clip without a score.

    >>> found = associate({"s": np.arange(12.0)}, Opinion(np.arange(12.0) ** 2), Design.build(12), Resampling())
    >>> found.scores[0].spearman.estimate.value, found.scores[0].direction
    (1.0, 'ge')
    """
    values = {name: scored(column, len(opinion.mean)) for name, column in scores.items()}
    order = _order(list(values.values()), opinion, design)
    values = {name: column[order] for name, column in values.items()}
    opinion, design = opinion.reordered(order), design.reordered(order)
    described = Described(design, how, opinion.raters, opinion.ratings)
    trust = reliability(opinion, described)
    ask = _Question(opinion, trust, described, tuple(mappings), pairs)
    known = directions or {}
    found = tuple(_score(name, column, ask, known.get(name)) for name, column in values.items())
    turned = [-values[one.score] if one.direction == "le" else values[one.score] for one in found]
    return Association(trust, found, differences(list(values), turned, opinion.mean, described))


@dataclass(frozen=True, eq=False)
class _Question:
    """What every score is compared with, and how."""

    opinion: Opinion
    trust: Reliability | None
    described: Described
    mappings: tuple[MappingName, ...]
    pairs: bool


def _order(columns: Sequence[Floats], opinion: Opinion, design: Design) -> Any:
    """Positions that sort the clips by what is known of them, so that seeded draws do not depend on their order."""
    keys = [*columns, opinion.mean, design.clip_weight, design.of]
    if design.source is not None:
        keys.append(design.source)
    return np.lexsort(keys)


def _score(name: str, values: Floats, ask: _Question, direction: Direction | None) -> ScoreAssociation:
    opinion, described = ask.opinion, ask.described
    spearman = correlation("spearman", values, opinion.mean, described)
    pearson = correlation("pearson", values, opinion.mean, described)
    kendall = correlation("kendall_tau_b", values, opinion.mean, described)
    rank = spearman.estimate.value
    if direction is None and rank is not None:
        direction = "ge" if rank >= 0 else "le"
    pure = None if ask.trust is None else disattenuated(values, opinion, pearson, ask.trust, described)
    rising = -values if direction == "le" else values
    mapped, notes = mapped_scores(ask.mappings, rising, opinion, described)
    pairs = pair_analysis(rising, opinion, described) if ask.pairs else None
    return ScoreAssociation(name, direction, spearman, pearson, kendall, pure, mapped, pairs, notes)


def disattenuated(
    score: Floats, opinion: Opinion, pearson: DesignEstimate, trust: Reliability, described: Described
) -> DesignEstimate:
    """Pearson's correlation divided by the ceiling: what it would be with the opinion of everybody.

    May exceed 1, which is shown as it is. The interval redoes correlation and reliability in every resample. It
    answers how good a score is, not whether a filter accepts the right clips. Source: Spearman (1904).
    """
    name, mean = "disattenuated_pearson", trust.mos_reliability.estimate
    if pearson.estimate.value is None:
        return described.absent(name, str(pearson.estimate.undefined))
    if opinion.grid is None or mean.value is None:
        return described.absent(name, f"the reliability of the mean rating is undefined: {mean.undefined}")
    if trust.ceiling is None:
        reason = f"the reliability of the mean rating is {mean.value:.2f}: the ratings cannot be told from noise"
        return described.absent(name, reason)
    raw = ranks.pearson(score, opinion.mean)

    def statistic(weights: Floats, parts: VarianceParts) -> Floats:
        noise_free = parts.mean_rating(weights)
        return np.asarray(raw(weights) / np.sqrt(np.where(noise_free > 0, noise_free, np.nan)))

    design = described.design
    own = VarianceParts.of(opinion.grid, design.clip_weight)
    value = pearson.estimate.value / trust.ceiling
    sample = None
    if not design.equal_weights:
        ones = np.ones(described.clips)
        sample = float(statistic(ones[None], VarianceParts.of(opinion.grid, ones))[0])
        sample = None if np.isnan(sample) else sample
    if described.clips < FEWEST_CLIPS:
        found = too_few(described.clips)
    else:
        found = by_design(value, lambda weights: statistic(weights, own), design, described.how)
    return described.estimate(name, value, sample, found)
