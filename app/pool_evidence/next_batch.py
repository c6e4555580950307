"""How much precision a further batch of clips would gain, and from which strata its clips would come."""

from dataclasses import dataclass

from sqlmodel import Session

from analysis.estimate import Floats
from analysis.sampling.alpha_sample_size import alpha_half_width, pilot_votes
from analysis.sampling.sample_size import half_width, rate_from
from app.errors import AppError
from app.filters.threshold_text import passes, threshold_text
from app.models import Study
from app.pool_evidence import top_ups
from app.results.agreement import MOST_LEVELS, Agreement, CriterionAgreement
from app.results.filter_results import FilterResult, Sample
from app.results.study_results import Results

USUAL = 50
MOST = 5000
PLANNED = 2000
"""Simulated samples behind a half-width of alpha."""


@dataclass(frozen=True)
class Bought:
    """A figure's half-width now and with the batch; `missing` says why it cannot be planned."""

    what: str
    of: str
    value: float | None
    now: float | None
    then: float | None
    clips: int
    missing: str = ""


@dataclass(frozen=True)
class Taken:
    """A stratum: clips there are, clips that the batch takes."""

    label: str
    have: int
    more: int


@dataclass(frozen=True)
class NextBatch:
    """What `clips` more would buy; `strata` is empty where `why_not` says why they cannot be drawn from here."""

    clips: int
    bought: tuple[Bought, ...]
    strata: tuple[Taken, ...]
    why_not: str


def next_batch(db: Session, study: Study, results: Results, agreement: Agreement, clips: int) -> NextBatch:
    """What so many more clips buy, if they are like those judged so far and as many of them get a verdict."""
    drawn = max(1, sum(int(row.get("drawn", 0)) for row in study.design.get("strata", [])))
    bought = [one for result in results.filters for one in _rates(result, clips, drawn)]
    bought += [_alpha(one, study.raters_per_clip, clips) for one in agreement.criteria]
    try:
        taken = top_ups.more(top_ups.so_far(db, study), clips)
    except AppError as error:
        return NextBatch(clips, tuple(bought), (), str(error))
    return NextBatch(clips, tuple(bought), tuple(Taken(label, *both) for label, both in taken.items()), "")


def _rates(result: FilterResult, clips: int, drawn: int) -> list[Bought]:
    title = f"{result.rule.title} {threshold_text(result.rule.minimum, result.rule.maximum)}"
    sample = result.sample
    if sample is None:
        return [Bought("precision", title, None, None, None, 0, result.missing.get("current", "no clip is judged"))]
    accepted = _accepted(result, sample)
    good = sample.good.astype(float)
    judged = len(good)
    # Clips that nobody decided yield no more of the batch than of the sample so far.
    more = max(1, round(clips * min(1.0, judged / drawn)))
    found = []
    for what, hits, of in (("precision", good * accepted, accepted), ("recall", good * accepted, good)):
        try:
            rate, effect = rate_from(hits, of, sample.design)
            widths = [half_width(rate, count, design_effect=effect) for count in (judged, judged + more)]
        except ValueError as error:
            found.append(Bought(what, title, None, None, None, judged, _why(error)))
            continue
        found.append(Bought(what, title, rate, widths[0], widths[1], judged))
    return found


def _why(error: ValueError) -> str:
    """Reword a planning error about a pilot for this study's clips."""
    return str(error).partition(";")[0].replace("a pilot with a rate", "a rate").replace("of the pilot ", "")


def _accepted(result: FilterResult, sample: Sample) -> Floats:
    rule = result.rule
    passed: Floats = sample.scores * 0.0
    passed[[passes(score, rule.minimum, rule.maximum) for score in sample.scores.tolist()]] = 1.0
    return passed


def _alpha(one: CriterionAgreement, raters: int, clips: int) -> Bought:
    label = one.item.label
    ratings, alpha = one.ratings, one.alpha.value
    have = int((ratings.votes >= 2).sum())
    if not have:
        return Bought("alpha", label, alpha, None, None, have, "no clip has two answers yet")
    if len(ratings.scale.levels) > MOST_LEVELS:
        return Bought("alpha", label, alpha, None, None, have, "a scale of so many levels is not planned")
    try:
        votes = pilot_votes(ratings, max(2, min(raters, int(ratings.votes.max(initial=0)))))
        now, then = (alpha_half_width(votes, count, resamples=PLANNED) for count in (have, have + clips))
    except ValueError as error:
        return Bought("alpha", label, alpha, None, None, have, str(error))
    return Bought("alpha", label, alpha, now, then, have)
