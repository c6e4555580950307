"""How much precision a further batch of clips would gain, and from which strata its clips would come."""

from dataclasses import dataclass

from sqlmodel import Session

from analysis.estimate import Floats
from analysis.sampling.alpha_sample_size import alpha_half_width, pilot_votes
from analysis.sampling.sample_size import half_width, rate_from
from app.errors import AppError
from app.filters.threshold_text import passes, threshold_text
from app.models import Study
from app.pool_evidence.study_draws import study_draws
from app.pool_evidence.top_ups import StratumTopUp, preview
from app.results.agreement import MAX_PLANNED_LEVELS, Agreement, CriterionAgreement
from app.results.filter_results import FilterResult
from app.results.judged_sample import JudgedSample
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
    sample = result.sample
    if sample is None:
        missing = result.missing.get("current", "no clip is judged")
        return [HalfWidthForecast("precision", title, None, None, None, 0, missing)]
    accepted = _accepted(result, sample)
    good = sample.good.astype(float)
    judged = len(good)
    # As many clips of the batch as of the sample so far will get a verdict.
    more = max(1, round(clips * min(1.0, judged / drawn)))
    found = []
    for statistic, hits, of in (("precision", good * accepted, accepted), ("recall", good * accepted, good)):
        try:
            rate, effect = rate_from(hits, of, sample.design)
            current, with_batch = (half_width(rate, count, design_effect=effect) for count in (judged, judged + more))
        except ValueError as error:
            found.append(HalfWidthForecast(statistic, title, None, None, None, judged, _reason(error)))
            continue
        found.append(HalfWidthForecast(statistic, title, rate, current, with_batch, judged))
    return found


def _reason(error: ValueError) -> str:
    """Reword an error about the pilot of a planned study for the clips of this study."""
    return str(error).partition(";")[0].replace("a pilot with a rate", "a rate").replace("of the pilot ", "")


def _accepted(result: FilterResult, sample: JudgedSample) -> Floats:
    """1 for each clip that the filter accepts and 0 for the others, shape (clips,)."""
    rule = result.rule
    accepted: Floats = sample.scores * 0.0
    accepted[[passes(score, rule.minimum, rule.maximum) for score in sample.scores.tolist()]] = 1.0
    return accepted


def _alpha_forecast(one: CriterionAgreement, raters: int, clips: int) -> HalfWidthForecast:
    label = one.item.label
    ratings, alpha = one.ratings, one.alpha.value
    have = int((ratings.votes >= 2).sum())
    if not have:
        return HalfWidthForecast("alpha", label, alpha, None, None, have, "no clip has two answers yet")
    if len(ratings.scale.levels) > MAX_PLANNED_LEVELS:
        missing = "a scale of so many levels is not planned"
        return HalfWidthForecast("alpha", label, alpha, None, None, have, missing)
    try:
        votes = pilot_votes(ratings, max(2, min(raters, int(ratings.votes.max(initial=0)))))
        current, with_batch = (alpha_half_width(votes, count, resamples=RESAMPLES) for count in (have, have + clips))
    except ValueError as error:
        return HalfWidthForecast("alpha", label, alpha, None, None, have, str(error))
    return HalfWidthForecast("alpha", label, alpha, current, with_batch, have)
