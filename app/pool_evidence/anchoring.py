"""Anchoring (whether raters who see a score follow it), and each filter's agreement compared with that among people."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.estimate import Estimate
from analysis.figures import Line
from analysis.number_format import estimate_text
from analysis.raters.anchoring import Anchoring, anchoring
from analysis.raters.human_ceiling import human_ceiling
from analysis.ratings import Ratings
from app.filters.threshold_text import passes
from app.models import Criterion, Filter, Study, StudyClip
from app.results.answers import Answers
from app.results.counted_answers import BLIND_ARMS
from app.studies import whole_study

RESAMPLES = 1000


@dataclass(frozen=True)
class FilterInfluence:
    """One filter: the effect of showing its score, and its agreement with the raters."""

    rule: Filter
    label: str
    """The question that is its truth."""
    anchoring: Anchoring
    answers: tuple[int, int]
    """Verdicts with the score shown, and hidden, that enter the effect."""
    to_panel: Estimate
    """How often the filter says what the majority of raters says."""


@dataclass(frozen=True)
class Ceiling:
    """What people reach on one question: each beside the rest, and each with themselves."""

    label: str
    to_rest: Estimate
    to_self: Estimate
    blind: bool
    """Only answers given without the scores in view."""


@dataclass(frozen=True)
class Influence:
    """All filters, and the ceilings of the questions that decide them."""

    filters: tuple[FilterInfluence, ...]
    ceilings: tuple[Ceiling, ...]


def influence(db: Session, study: Study, answers: Answers) -> Influence:
    """All of it, from the answers and the clips' scores."""
    whole = whole_study.parts(db, study.id)
    scores = dict(
        db.execute(
            select(col(StudyClip.id), col(StudyClip.scores)).where(
                col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample"
            )
        ).all()
    )
    of = {item.key: item for item in whole.criteria}
    used = {key: _ratings(answers, of[key]) for key in dict.fromkeys(rule.criterion for rule in whole.filters)}
    filters, ceilings = [], {}
    for rule in whole.filters:
        item, (ratings, blind) = of[rule.criterion], used[rule.criterion]
        accepted = {
            number: passes(float(value), rule.minimum, rule.maximum)
            for number, has in scores.items()
            if (value := has.get(rule.score)) is not None and isfinite(value)
        }
        verdicts = {str(number): "accept" if passed else "reject" for number, passed in accepted.items()}
        known = {clip: verdicts[clip] for clip in ratings.clips if clip in verdicts}
        repeated = answers.repeats(item)
        panel, rest, own = human_ceiling(ratings, known, repeated, resamples=RESAMPLES, seed=study.seed)
        ceilings[item.key] = Ceiling(item.label, rest, own, blind)
        effect, counts = _anchoring(answers, item, accepted)
        filters.append(FilterInfluence(rule, item.label, effect, counts, panel))
    return Influence(tuple(filters), tuple(ceilings.values()))


def _ratings(answers: Answers, item: Criterion) -> tuple[Ratings, bool]:
    """The answers that filters are judged by: those given without the scores in view, where there are any."""
    blind = answers.ratings(item, blind=True)
    return (blind, True) if len(blind.clip_of) else (answers.ratings(item), False)


def _anchoring(answers: Answers, item: Criterion, accepted: dict[int, bool]) -> tuple[Anchoring, tuple[int, int]]:
    """The effect on this question's verdicts: every answer in the arm that was drawn for it."""
    given = pl.when(pl.col("arm").is_in(BLIND_ARMS)).then("blind").otherwise("value").alias("value")
    found = answers.first(item.key).select("clip", "rater", "arm", given)
    found = found.filter(pl.col("value").is_in(("accept", "reject")), pl.col("clip").is_in(list(accepted)))
    shown = (found["arm"] == "shown").to_list()
    made = anchoring(
        [float(value == "accept") for value in found["value"]],
        [float(accepted[clip]) for clip in found["clip"]],
        shown,
        found["rater"].to_list(),
        [str(clip) for clip in found["clip"]],
    )
    return made, (sum(shown), len(shown) - sum(shown))


def effect_plot(found: Influence) -> dict[str, Any]:
    """What the figure of the effects is drawn from."""
    lines = [Line(one.rule.title, "shown less hidden", one.anchoring.effect) for one in found.filters]
    clear = [
        (abs(one.anchoring.effect.value), one)
        for one in found.filters
        if one.anchoring.effect.value is not None and one.anchoring.p is not None and one.anchoring.p < 0.05
    ]
    known = [one for one in found.filters if one.anchoring.effect.value is not None]
    finding = "No effect of showing the scores can be told from chance"
    if clear:
        _, most = max(clear, key=lambda one: one[0])
        effect = most.anchoring.effect
        way = "towards" if (effect.value or 0.0) > 0 else "away from"
        finding = f"Raters who see {most.rule.title} lean {way} it: effect {estimate_text(effect)}"
    elif not known:
        finding = "The effect of showing the scores is not known yet"
    shown = max((one.answers[0] for one in found.filters), default=0)
    hidden = max((one.answers[1] for one in found.filters), default=0)
    return {
        "lines": lines,
        "finding": finding,
        "caption": f"n = up to {shown} verdicts with the score shown, {hidden} hidden; bars are 95 % intervals",
        "axis": "effect of showing the score on following it, difference of shares",
        "at": 0.0,
    }


def ceiling_plot(found: Influence) -> dict[str, Any]:
    """What the figure of the ceilings is drawn from."""
    lines = []
    for one in found.ceilings:
        begin = f"{one.label}: " if len(found.ceilings) > 1 else ""
        lines.append(Line(f"{begin}themselves", "people", one.to_self))
        lines.append(Line(f"{begin}the others", "people", one.to_rest))
    lines += [Line(one.rule.title, "filters", one.to_panel) for one in found.filters]
    reached = [(one.to_panel.value, one.rule.title, one) for one in found.filters if one.to_panel.value is not None]
    people = found.ceilings[0].to_rest if found.ceilings else None
    finding = "Raters share too few clips to know what people reach"
    if people is not None and people.value is not None:
        finding = f"A rater gives the others' verdict: {estimate_text(people)}"
        if reached:
            _, title, best = max(reached, key=lambda one: one[:2])
            finding += f"; {title}, the best filter: {estimate_text(best.to_panel)}"
    counts = sorted({line.estimate.clips for line in lines if line.estimate.clips})
    span = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}" if counts else "0"
    return {
        "lines": lines,
        "finding": finding,
        "caption": f"n = {span} clips; bars are 95 % intervals",
        "axis": "same verdict, share of answers",
        "share": True,
    }
