"""How much precision a further batch of clips would gain, and from which strata its clips would come."""

from dataclasses import dataclass

from sqlmodel import Session

from analysis.estimate import Estimate
from analysis.sampling.alpha_sample_size import alpha_half_width, pilot_votes
from analysis.sampling.sample_size import half_width, size_for
from app.errors import AppError
from app.filters.threshold_text import threshold_text
from app.models import Study
from app.pool_evidence.study_draws import study_draws
from app.pool_evidence.top_ups import StratumTopUp, preview
from app.results.agreement import MAX_PLANNED_LEVELS, Agreement, CriterionAgreement
from app.results.filter_results import FilterResult
from app.results.study_results import Results

USUAL = 50
MOST = 5000
RESAMPLES = 2000
"""Simulated samples behind a half-width of alpha."""


@dataclass(frozen=True)
class HalfWidthForecast:
    """Half the width of the 95 % interval of a statistic now and with the batch; `missing` is the reason if unknown.

    `statistic` is precision or recall of a filter, or alpha of a criterion; `subject` names that filter or criterion.
    """

    statistic: str
    subject: str
    value: float | None
    current: float | None
    with_batch: float | None
    clips: int
    """The number of clips behind the statistic now."""
    missing: str = ""


@dataclass(frozen=True)
class NextBatch:
    """What `clips` more clips would gain; `strata` is empty if they cannot be drawn, for the reason `why_not`."""

    clips: int
    forecasts: tuple[HalfWidthForecast, ...]
    strata: tuple[StratumTopUp, ...]
    why_not: str


def next_batch(db: Session, study: Study, results: Results, agreement: Agreement, clips: int) -> NextBatch:
    """Forecast the gain of a batch, assuming that new clips resemble those rated so far and as many get a verdict."""
    drawn = max(1, sum(int(row.get("drawn", 0)) for row in study.design.get("strata", [])))
    forecasts = [one for result in results.filters for one in _rate_forecasts(result, clips, drawn)]
    forecasts += [_alpha_forecast(one, study.raters_per_clip, clips) for one in agreement.criteria]
    try:
        strata = preview(study_draws(db, study), clips)
    except AppError as error:
        return NextBatch(clips, tuple(forecasts), (), str(error))
    return NextBatch(clips, tuple(forecasts), strata, "")


def _rate_forecasts(result: FilterResult, clips: int, drawn: int) -> list[HalfWidthForecast]:
    title = f"{result.rule.title} {threshold_text(result.rule.minimum, result.rule.maximum)}"
    if result.current is None:
        missing = result.missing.get("current", "no clip is judged")
        return [HalfWidthForecast("precision", title, None, None, None, 0, missing)]
    judged = result.verdicts.accepted + result.verdicts.rejected
    # As many clips of the batch as of the sample so far will get a verdict.
    more = max(1, round(clips * min(1.0, judged / drawn)))
    rates = (("precision", result.current.precision), ("recall", result.current.recall))
    return [_rate_forecast(statistic, title, one, judged, more) for statistic, one in rates]


def _rate_forecast(statistic: str, title: str, one: Estimate, judged: int, more: int) -> HalfWidthForecast:
    """Half of the interval on the results page, and of the one with as many more effective clips as clips in all."""
    if one.value is None or one.low is None or one.high is None:
        return HalfWidthForecast(statistic, title, one.value, None, None, judged, one.undefined or one.method)
    current = (one.high - one.low) / 2
    effective = size_for(one.value, current)
    planned, larger = (
        half_width(one.value, count) for count in (effective, round(effective * (judged + more) / judged))
    )
    return HalfWidthForecast(statistic, title, one.value, current, current * larger / planned, judged)


def _alpha_forecast(one: CriterionAgreement, raters: int, clips: int) -> HalfWidthForecast:
    label, alpha = one.item.label, one.alpha.value
    ratings, low, high = one.ratings, one.alpha.low, one.alpha.high
    have = int((ratings.votes >= 2).sum())
    if not have:
        return HalfWidthForecast("alpha", label, alpha, None, None, have, "no clip has two answers yet")
    if low is None or high is None:
        missing = one.alpha.undefined or one.alpha.method
        return HalfWidthForecast("alpha", label, alpha, None, None, have, missing)
    if len(ratings.scale.levels) > MAX_PLANNED_LEVELS:
        missing = "a scale of so many levels is not planned"
        return HalfWidthForecast("alpha", label, alpha, None, None, have, missing)
    try:
        votes = pilot_votes(ratings, max(2, min(raters, int(ratings.votes.max(initial=0)))))
        planned, larger = (alpha_half_width(votes, count, resamples=RESAMPLES) for count in (have, have + clips))
    except ValueError as error:
        return HalfWidthForecast("alpha", label, alpha, None, None, have, str(error))
    current = (high - low) / 2
    with_batch = current * larger / planned if planned else None
    return HalfWidthForecast("alpha", label, alpha, current, with_batch, have)
