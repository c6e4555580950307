"""Anchoring (whether raters who see a score follow it), and each filter's agreement compared with that among people."""

from dataclasses import dataclass
from math import isfinite

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
from app.results.answer_table import AnswerTable
from app.results.counted_answers import BLIND_ARMS
from app.results.interval_figures import IntervalPlot
from app.studies import whole_study

RESAMPLES = 1000


@dataclass(frozen=True)
class FilterInfluence:
    """One filter: the effect of showing its score, and its agreement with the raters."""

    rule: Filter
    label: str
    """The question whose consensus the filter should match."""
    anchoring: Anchoring
    answers: tuple[int, int]
    """The numbers of verdicts with the score shown and with the score hidden."""
    to_panel: Estimate
    """The share of clips on which the filter agrees with the majority of raters."""


@dataclass(frozen=True)
class Ceiling:
    """Agreement among people on one question: each rater with the majority of the others, and with themselves."""

    label: str
    to_others: Estimate
    to_self: Estimate
    blind: bool
    """Whether only answers given with scores hidden are used."""


@dataclass(frozen=True)
class Influence:
    """The influence of every filter, and the human ceilings of the questions that the filters are judged by."""

    filters: tuple[FilterInfluence, ...]
    ceilings: tuple[Ceiling, ...]


def influence(db: Session, study: Study, answers: AnswerTable) -> Influence:
    """Compute the effect of showing each filter's score, and how often filters and people agree with the majority."""
    whole = whole_study.parts(db, study.id)
    scores = dict(
        db.execute(
            select(col(StudyClip.id), col(StudyClip.scores)).where(
                col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample"
            )
        ).all()
    )
    criteria = {item.key: item for item in whole.criteria}
    used = {key: _ratings(answers, criteria[key]) for key in dict.fromkeys(rule.criterion for rule in whole.filters)}
    filters, ceilings = [], {}
    for rule in whole.filters:
        item, (ratings, blind) = criteria[rule.criterion], used[rule.criterion]
        accepted = {
            number: passes(float(value), rule.minimum, rule.maximum)
            for number, by_name in scores.items()
            if (value := by_name.get(rule.score)) is not None and isfinite(value)
        }
        verdicts = {str(number): "accept" if passed else "reject" for number, passed in accepted.items()}
        known = {clip: verdicts[clip] for clip in ratings.clips if clip in verdicts}
        repeats = answers.repeats(item)
        panel, others, same = human_ceiling(ratings, known, repeats, resamples=RESAMPLES, seed=study.seed)
        ceilings[item.key] = Ceiling(item.label, others, same, blind)
        effect, counts = _anchoring(answers, item, accepted)
        filters.append(FilterInfluence(rule, item.label, effect, counts, panel))
    return Influence(tuple(filters), tuple(ceilings.values()))


def _ratings(answers: AnswerTable, item: Criterion) -> tuple[Ratings, bool]:
    """The answers that filters are judged by: those with scores hidden if there are any (True), else all (False)."""
    blind = answers.ratings(item, blind=True)
    return (blind, True) if len(blind.clip_of) else (answers.ratings(item), False)


def _anchoring(answers: AnswerTable, item: Criterion, accepted: dict[int, bool]) -> tuple[Anchoring, tuple[int, int]]:
    """The effect of showing the score on the verdicts, and the numbers of verdicts with the score shown and hidden.

    Every answer belongs to the arm that was drawn for it.
    """
    given = pl.when(pl.col("arm").is_in(BLIND_ARMS)).then("blind").otherwise("value").alias("value")
    verdicts = answers.first(item.key).select("clip", "rater", "arm", given)
    verdicts = verdicts.filter(pl.col("value").is_in(("accept", "reject")), pl.col("clip").is_in(list(accepted)))
    shown = (verdicts["arm"] == "shown").to_list()
    effect = anchoring(
        [float(value == "accept") for value in verdicts["value"]],
        [float(accepted[clip]) for clip in verdicts["clip"]],
        shown,
        verdicts["rater"].to_list(),
        [str(clip) for clip in verdicts["clip"]],
    )
    return effect, (sum(shown), len(shown) - sum(shown))


def effect_plot(found: Influence) -> IntervalPlot:
    """The effect of showing the score, one line per filter."""
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
    return IntervalPlot(
        lines,
        finding=finding,
        caption=f"n = up to {shown} verdicts with the score shown, {hidden} hidden; bars are 95 % intervals",
        axis="effect of showing the score on following it, difference of shares",
        at=0.0,
    )


def ceiling_plot(found: Influence) -> IntervalPlot:
    """The agreement of raters with themselves, with the others, and of filters with the majority."""
    lines = []
    for one in found.ceilings:
        prefix = f"{one.label}: " if len(found.ceilings) > 1 else ""
        lines.append(Line(f"{prefix}themselves", "people", one.to_self))
        lines.append(Line(f"{prefix}the others", "people", one.to_others))
    lines += [Line(one.rule.title, "filters", one.to_panel) for one in found.filters]
    reached = [(one.to_panel.value, one.rule.title, one) for one in found.filters if one.to_panel.value is not None]
    people = found.ceilings[0].to_others if found.ceilings else None
    finding = "Raters share too few clips to know what people reach"
    if people is not None and people.value is not None:
        finding = f"A rater gives the others' verdict: {estimate_text(people)}"
        if reached:
            _, title, best = max(reached, key=lambda one: one[:2])
            finding += f"; {title}, the best filter: {estimate_text(best.to_panel)}"
    counts = sorted({line.estimate.clips for line in lines if line.estimate.clips})
    span = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}" if counts else "0"
    return IntervalPlot(
        lines,
        finding=finding,
        caption=f"n = {span} clips; bars are 95 % intervals",
        axis="same verdict, share of answers",
        share=True,
    )
