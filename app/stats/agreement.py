"""Agreement for `clipjury stats agreement`: of all raters, of pairs, of each rater with the others and themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from analysis.agreement import icc, kappas
from analysis.agreement.pairwise import raters_against_others, without_rater
from analysis.agreement.statistics import krippendorff_alpha, shown_on
from analysis.agreement.weighted import weighted_agreement
from analysis.estimate import Estimate, absent
from analysis.raters.human_ceiling import human_ceiling
from analysis.raters.intra_rater import Repeats, intra_rater, repeats
from analysis.ratings import Metric, Ratings, Scale
from app.errors import AppError
from app.stats.agreement_report import AgreementReport, CriterionEstimate, PairKappas, RaterAgreement
from app.stats.consensus import ABSTAIN, first_answers, levels_of, points, votes
from app.stats.ratings import RatingTable, as_written
from app.stats.tables import NOTHING

MOST_CELLS = 50_000_000
"""The largest number of clips times levels that is held in memory."""
UNUSED = "any other answer"


@dataclass(frozen=True)
class AgreementOptions:
    """The options of the command."""

    metric: Metric
    values: list[str] | None
    unit: Literal["clip", "source"]
    resamples: int
    seed: int
    confidence: float
    filter_column: str | None = None


@dataclass(frozen=True, eq=False)
class _CriterionRatings:
    """The ratings of one criterion: first answers, repeats, and the groups, weights, strata and verdicts of clips."""

    criterion: str
    ratings: Ratings
    repeated: Repeats
    repeaters: list[str]
    groups: dict[str, str] | None
    weights: dict[str, float] | None
    strata: dict[str, str] | None
    verdicts: dict[str, str] | None


def agreement(table: RatingTable, how: AgreementOptions, *, criterion: str | None = None) -> AgreementReport:
    """Compute the agreement of the raters, for the named criterion or every criterion in the file.

    Raises AppError for values that do not fit the scale, an unknown column or criterion, and a clip with two sources,
    strata, weights or verdicts.
    """
    names = table.criteria if criterion is None else [criterion]
    criteria = [_read(table, table.of(name), how) for name in names]
    return AgreementReport(
        estimates=tuple(estimate for read in criteria for estimate in _estimates(read, how)),
        pairs=tuple(pair for read in criteria for pair in _pairs(read, how)),
        raters=tuple(rater for read in criteria for rater in _raters(read, how)),
        ceiling=tuple(estimate for read in criteria for estimate in _ceiling(read, how)),
        metric=how.metric,
        levels={read.criterion: list(read.ratings.scale.levels) for read in criteria},
        unit=how.unit,
        empty=table.empty,
        abstained=table.frame.filter(pl.col("value") == ABSTAIN).height,
        notes=tuple(dict.fromkeys(note for read in criteria for note in _notes(read))),
    )


def _notes(read: _CriterionRatings) -> list[str]:
    """Notes on the statistics that ignore weights or sources."""
    found = []
    if read.weights is not None and len(set(read.weights.values())) > 1:
        found.append(
            "Pairs, raters against the rest, repeats and the ceiling describe the rated clips alone: they take no "
            "weights. Estimates and alpha without a rater are design-weighted."
        )
    if read.groups is not None:
        found.append(
            "Intervals of pairs, of raters against the rest, of repeats and of the ceiling take clips for independent, "
            "not sources: clips of one source make them too narrow."
        )
    return found


def _drawing(how: AgreementOptions) -> dict[str, Any]:
    return {"resamples": how.resamples, "seed": how.seed, "confidence": how.confidence}


def _ceiling(read: _CriterionRatings, how: AgreementOptions) -> list[CriterionEstimate]:
    found = human_ceiling(read.ratings, read.verdicts, read.repeated, **_drawing(how))
    return [CriterionEstimate(read.criterion, estimate) for estimate in found]


def _read(table: RatingTable, frame: pl.DataFrame, how: AgreementOptions) -> _CriterionRatings:
    frame = _as_levels(frame, table, how.metric)
    voted = votes(frame, table.path)
    scale = _scale(voted, table, how)
    first = first_answers(frame)
    if first.height * len(scale.levels) > MOST_CELLS:
        raise AppError(f"{len(scale.levels)} distinct values are too many for so many clips.", "Round the values.")
    ratings = Ratings.from_votes(first["clip"].to_list(), first["rater"].to_list(), first["value"].to_list(), scale)
    if how.unit == "source" and "source" not in frame.columns:
        raise AppError(f"{table.path} has no column 'source'.", "Name each clip's source, or take --unit clip.")
    filters = how.filter_column
    if filters is not None and filters not in frame.columns:
        raise AppError(f"{table.path} has no column {filters!r}.", f"Its columns are: {', '.join(frame.columns)}.")
    verdicts = None if filters is None else _verdicts(frame, filters, table)
    wrong = sorted(set((verdicts or {}).values()) - {*scale.levels, ABSTAIN})
    if wrong:
        raise AppError(f"{table.path}: {filters} has {wrong[0]!r}.", f"Filters answer as raters: {scale.levels}.")
    repeated, repeaters = _repeats(voted, scale)
    known = {name: _per_clip(frame, name, table) for name in ("source", "weight", "stratum") if name in frame.columns}
    return _CriterionRatings(
        criterion=frame["criterion"][0],
        ratings=ratings,
        repeated=repeated,
        repeaters=repeaters,
        groups=known["source"] if how.unit == "source" else None,
        weights=known.get("weight"),
        strata=known.get("stratum"),
        verdicts=verdicts,
    )


def _as_levels(frame: pl.DataFrame, table: RatingTable, metric: Metric) -> pl.DataFrame:
    """Write equal numbers alike (3.0 as 3) on numeric scales."""
    if metric == "nominal":
        return frame
    if metric in ("interval", "ratio"):
        given = points(frame.filter(pl.col("value") != ABSTAIN), table.path)
        if metric == "ratio" and (given < 0).any():
            raise AppError(f"{table.path} has {given.min():g}, below 0.", "Values below 0 need --scale interval.")
    return frame.with_columns(value=pl.Series([_plain(one) for one in frame["value"].to_list()], dtype=pl.String))


def _plain(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number + 0.0:.12g}" if np.isfinite(number) else text


def _scale(voted: pl.DataFrame, table: RatingTable, how: AgreementOptions) -> Scale:
    given = how.values
    if given is not None and how.metric != "nominal":
        given = [_plain(one) for one in given]
    if given is not None and len(set(given)) < len(given):
        raise AppError(f"--values names one answer twice: {', '.join(given)}.", "Name every answer once, in order.")
    levels = levels_of(voted, given, table.path)
    numeric = all(_is_number(one) for one in levels)
    if how.metric == "ordinal" and given is None and not numeric:
        raise AppError(f"{table.path}: the order of {', '.join(levels)} is unknown.", "Name it: --values low,mid,high")
    if how.metric in ("interval", "ratio"):
        if not numeric:
            raise AppError(f"--values names {', '.join(levels)}.", f"An {how.metric} scale has numbers for answers.")
        levels = sorted(levels, key=float)
    if len(levels) == 1:  # agreement is undefined then, but a scale needs two levels
        levels.append(f"{float(levels[0]) + 1:.12g}" if how.metric in ("interval", "ratio") else UNUSED)
    return Scale("answers", tuple(levels), how.metric, frozenset({ABSTAIN}) - set(levels))


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _verdicts(frame: pl.DataFrame, column: str, table: RatingTable) -> dict[str, str]:
    """The filter's verdict on each clip, written like the raters' answers; clips without a verdict are left out."""
    written = frame.with_columns(as_written(frame[column], table.path).alias(column))
    said = ~pl.col(column).str.strip_chars().str.to_lowercase().is_in(NOTHING)
    return _per_clip(written.filter(pl.col(column).is_not_null() & said), column, table)


def _per_clip(frame: pl.DataFrame, column: str, table: RatingTable) -> dict[str, Any]:
    """The value of a column for each clip. Raises AppError naming a clip with two values, or with none."""
    kinds = frame.select("clip", column).unique()
    if kinds[column].is_null().any():
        clip = sorted(kinds.filter(pl.col(column).is_null())["clip"].to_list())[0]
        raise AppError(f"{table.path}: {clip} has no {column}.", f"Give every row its {column}.")
    again = kinds.filter(kinds["clip"].is_duplicated()).sort("clip")
    if again.height:
        raise AppError(f"{table.path}: {again['clip'][0]} has two values of {column}.", "Give each clip one.")
    values: list[Any] = kinds[column].to_list()
    if column != "weight":
        values = [_plain(str(one)) if kinds[column].dtype.is_numeric() else str(one) for one in values]
    return dict(zip(kinds["clip"].to_list(), values, strict=True))


def _repeats(voted: pl.DataFrame, scale: Scale) -> tuple[Repeats, list[str]]:
    clip_of = np.unique(voted["clip"].to_numpy().astype(np.str_), return_inverse=True)[1]
    raters, rater_of = np.unique(voted["rater"].to_numpy().astype(np.str_), return_inverse=True)
    occasion = voted["occasion"].to_numpy() if "occasion" in voted.columns else np.zeros(voted.height, dtype=np.int64)
    position = {level: number for number, level in enumerate(scale.levels)}
    level = np.array([position[one] for one in voted["value"].to_list()], dtype=np.int64)
    return repeats(clip_of, rater_of, occasion, level), raters.tolist()


def _estimates(read: _CriterionRatings, how: AgreementOptions) -> list[CriterionEstimate]:
    own = intra_rater(read.repeated, read.ratings.scale, confidence=how.confidence)
    return _weighted_estimates(read, how) + _sample_estimates(read, how) + [_unweighted(read, one) for one in own]


def _unweighted(read: _CriterionRatings, estimate: Estimate) -> CriterionEstimate:
    return CriterionEstimate(read.criterion, estimate)


def _weighted_estimates(read: _CriterionRatings, how: AgreementOptions) -> list[CriterionEstimate]:
    """The statistics that have a design-weighted form, weighted if clips have weights."""
    drawing, groups, found = _drawing(how), read.groups, []
    for statistic in shown_on("files"):
        plain = statistic(read.ratings, **drawing, groups=groups)
        if read.weights is None:
            found.append(_unweighted(read, plain))
        else:
            weighted = weighted_agreement(
                statistic.key, read.ratings, read.weights, strata=read.strata, groups=groups, **drawing
            )  # fmt: skip
            found.append(CriterionEstimate(read.criterion, weighted, is_weighted=True, sample_value=plain.value))
    return found


def _sample_estimates(read: _CriterionRatings, how: AgreementOptions) -> list[CriterionEstimate]:
    """The statistics that describe the rated clips alone; undefined if clips have weights."""
    drawing, groups, found = _drawing(how), read.groups, []
    of_sample = [
        kappas.mean_kappa(name, read.ratings, confidence=how.confidence, groups=groups) for name in kappas.NAMES
    ] + [icc.icc(name, read.ratings, **drawing, groups=groups) for name in icc.NAMES]
    for one in of_sample:
        if read.weights is None or one.value is None:
            found.append(_unweighted(read, one))
            continue
        reason = "it has no design-weighted form here; sample_value describes the rated clips alone"
        refused = absent(
            one.statistic, reason, signature=one.signature, confidence=one.confidence, clips=one.clips
        )  # fmt: skip
        found.append(CriterionEstimate(read.criterion, refused, is_weighted=True, sample_value=one.value))
    return found


def _pairs(read: _CriterionRatings, how: AgreementOptions) -> list[PairKappas]:
    return [
        PairKappas(
            read.criterion,
            (read.ratings.raters[pair.first], read.ratings.raters[pair.second]),
            len(pair.clips),
            float(np.mean(pair.said[0] == pair.said[1])) if len(pair.clips) else None,
            {name: kappas.pair_estimate(name, pair, read.ratings, confidence=how.confidence) for name in kappas.NAMES},
        )
        for pair in kappas.pairs(read.ratings)
    ]


def _raters(read: _CriterionRatings, how: AgreementOptions) -> list[RaterAgreement]:
    alpha = _alpha(read, how)
    of_all, found = alpha(read.ratings), []
    for one in raters_against_others(read.ratings, confidence=how.confidence):
        without = alpha(without_rater(read.ratings, one.rater))
        change = None if of_all.value is None or without.value is None else of_all.value - without.value
        own = _repeats_of(read, one.rater)
        themselves = intra_rater(own, read.ratings.scale, confidence=how.confidence) if len(own.first) else []
        found.append(
            RaterAgreement(
                read.criterion,
                one.rater,
                one.ratings,
                one.ties,
                with_others=tuple(one.estimates),
                alpha_without=without,
                alpha_change=change,
                with_themselves=tuple(themselves),
            )
        )
    return found


def _repeats_of(read: _CriterionRatings, rater: str) -> Repeats:
    """The repeats of one rater."""
    repeated = read.repeated
    mine = repeated.rater_of == read.repeaters.index(rater)
    return Repeats(repeated.first[mine], repeated.second[mine], repeated.rater_of[mine], repeated.clip_of[mine])


def _alpha(read: _CriterionRatings, how: AgreementOptions) -> Callable[[Ratings], Estimate]:
    drawing = _drawing(how)
    weights = read.weights
    if weights is None:
        return lambda ratings: krippendorff_alpha(ratings, groups=read.groups, **drawing)
    return lambda ratings: weighted_agreement(
        "krippendorff_alpha", ratings, weights, strata=read.strata, groups=read.groups, **drawing
    )
