"""Make the tables of the report, as headings and cells for CSV, LaTeX, HTML and the PDF."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite
from string import ascii_lowercase

from analysis.agreement.statistics import shown_on
from analysis.filters.fairness import FEW_CLIPS
from analysis.number_format import DASH, UNDEFINED, decimal, estimate_text
from analysis.raters.talkvid_table import TalkvidRow, talkvid_row
from app.filters.threshold_text import passes, threshold_text
from app.models import Filter
from app.report.facts import ReportFacts
from app.results.filter_results import FilterResult
from app.results.judged_sample import is_weighted

REASON = f"{UNDEFINED}: "
"""The beginning of a cell that says why a number is undefined."""
ERRORS = {"false_rejection": "good, rejected", "false_acceptance": "bad, accepted"}
PRINTED = 40
"""Rows of a table that fit on a page; the CSV file has all."""


@dataclass(frozen=True)
class ReportTable:
    """One table. `name` is the name of its files, `note` is the text below it, which explains the numbers."""

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str

    @property
    def on_paper(self) -> "ReportTable":
        """The table with as many rows as fit on a page, and a note that says where the others are."""
        if len(self.rows) <= PRINTED:
            return self
        more = f"{self.note} The first {PRINTED} of {len(self.rows)} lines; tables/{self.name}.csv has all."
        return replace(self, rows=self.rows[:PRINTED], note=more)


def all_tables(facts: ReportFacts) -> list[ReportTable]:
    """Every table that has rows, in the order of the report."""
    made = [_flow(facts), _sample(facts), _agreement(facts), _thresholds(facts)]
    rows = two_rater_rows(facts)
    if rows:
        made += [_as_published(rows), _companion(rows, facts)]
    made += [_subgroups(facts), _raters(facts), _screens(facts)]
    return [_with_reasons_below(table) for table in made if table.rows]


def _with_reasons_below(table: ReportTable) -> ReportTable:
    """Replace each reason why a number is undefined by a letter, `undefined (a)`, which the note explains."""
    reasons = list(dict.fromkeys(cell for line in table.rows for cell in line if cell.startswith(REASON)))
    if not reasons:
        return table
    marks = {reason: f"undefined ({ascii_lowercase[number % 26]})" for number, reason in enumerate(reasons)}
    pairs = ((mark.removeprefix("undefined "), reason.removeprefix(REASON)) for reason, mark in marks.items())
    reasons_text = "; ".join(" ".join(pair) for pair in pairs)
    rows = tuple(tuple(marks.get(cell, cell) for cell in line) for line in table.rows)
    return replace(table, rows=rows, note=f"{table.note} Undefined: {reasons_text}.")


def _flow(facts: ReportFacts) -> ReportTable:
    flow = facts.flow
    steps = (
        ("in the pool", flow.pool),
        ("sampled", flow.sampled),
        ("shown to a rater", flow.shown),
        ("rated", flow.rated),
        ("usable (with a vote)", flow.usable),
        ("with a consensus for a filter", flow.with_consensus),
    )
    note = "Clips. A vote is an answer other than “unsure”; the consensus is a strict majority of votes."
    return ReportTable(
        "flow", "From the pool to the consensus", ("step", "clips"), tuple((s, str(n)) for s, n in steps), note
    )


def _sample(facts: ReportFacts) -> ReportTable:
    simulated = facts.results.kind == "simulated"  # strata count the answers of people only
    lines = tuple(
        (
            one.label,
            one.criterion or "all",
            DASH if one.population is None else str(one.population),
            str(one.drawn),
            decimal(one.drawn / one.population if one.population else None, 4),
            decimal(one.weight, 3),
            DASH if simulated else f"{one.answers} of {one.places}",
        )
        for one in facts.strata
    )
    heads = ("stratum", "criterion", "clips in pool", "drawn", "sampling fraction", "largest weight", "answers")
    note = f"Design: {facts.design}; seed {facts.study.seed}."
    return ReportTable("sample", "How the clips were drawn", heads, lines, note)


def _agreement(facts: ReportFacts) -> ReportTable:
    shown = shown_on("results")
    lines = tuple(
        (
            one.label,
            *(estimate_text(one.estimates.get(statistic.key)) for statistic in shown),
            str(one.clips),
            str(one.raters),
            str(one.answers),
        )
        for one in facts.results.criteria
    )
    heads = ("criterion", *(statistic.label for statistic in shown), "clips", "raters", "answers")
    note = " ".join(
        [f"Value and 95 % interval; {facts.resampled} resampled.", *(statistic.explanation for statistic in shown)]
    )
    return ReportTable("agreement", "Agreement between raters", heads, lines, note)


def _thresholds(facts: ReportFacts) -> ReportTable:
    heads = ("filter", "cut", "clips", "precision", "recall", "specificity", "F1", "AUC", "best-F1 cut", "held-out F1")
    lines = tuple(_threshold_row(result) for result in facts.results.filters)
    blind = {True: "blind answers only", False: "answers with the score in view", None: "no answers yet"}
    note = (
        "Cut: as the study set it before rating. Value and 95 % interval, weighted to the pool where the sample was "
        f"drawn by design; {blind[facts.results.blind]}. The best-F1 cut was found on these clips and is exploratory; "
        "held-out F1 is cross-fitted: cut chosen on one half, F1 on the other."
    )
    return ReportTable("thresholds", "Filters against the raters", heads, lines, note)


def _threshold_row(result: FilterResult) -> tuple[str, ...]:
    threshold = threshold_text(result.rule.minimum, result.rule.maximum)
    clips = str(result.verdicts.accepted + result.verdicts.rejected)
    if result.current is None:
        return (result.rule.title, threshold, clips, result.missing.get("current", DASH), *[DASH] * 6)
    rates = (estimate_text(getattr(result.current, name)) for name in ("precision", "recall", "specificity", "f1"))
    auc = estimate_text(result.curve.auc) if result.curve else DASH
    best = result.best.shown() if result.best else DASH
    held_out = decimal(result.best.cross_fitted_f1) if result.best else DASH
    return (result.rule.title, threshold, clips, *rates, auc, best, held_out)


def two_rater_rows(facts: ReportFacts) -> list[TalkvidRow]:
    """A row of TalkVid's table for every filter, from clips with two votes; none unless two raters judge each clip."""
    return list(_two_rater_rows(facts)) if facts.study.raters_per_clip == 2 else []


def _two_rater_rows(facts: ReportFacts) -> Iterator[TalkvidRow]:
    for result in facts.results.filters:
        votes: dict[int, list[tuple[str, bool]]] = {}
        for vote in facts.votes:
            if vote.criterion == result.rule.criterion and vote.value in ("accept", "reject"):
                votes.setdefault(vote.clip, []).append((vote.rater, vote.value == "accept"))
        scores = _scores(facts, result.rule)
        clips = [clip for clip, given in sorted(votes.items()) if len(given) == 2]
        verdicts = [
            passes(scores[clip], result.rule.minimum, result.rule.maximum) if clip in scores else None for clip in clips
        ]
        if not any(verdict is not None for verdict in verdicts):
            continue
        pairs = [[given for _rater, given in sorted(votes[clip])] for clip in clips]
        yield talkvid_row(
            result.rule.title, verdicts, [one for one, _ in pairs], [two for _, two in pairs], seed=facts.study.seed
        )


def _scores(facts: ReportFacts, rule: Filter) -> dict[int, float]:
    """The scores of the clips that were drawn for this filter, where there is a score."""
    own = [one for one in facts.clips.values() if is_weighted(facts.study) or rule.name in one.drawn_for]
    given = ((one.id, one.scores.get(rule.score)) for one in own)
    return {clip: float(score) for clip, score in given if score is not None and isfinite(score)}


def _as_published(rows: list[TalkvidRow]) -> ReportTable:
    heads = ("filter", "agreement %", "κ", "accuracy %", "precision %", "recall %", "F1 %", "tp/fp/fn/tn")
    lines = tuple(
        (
            one.name,
            *(decimal(one.published[name]) for name in ("agreement", "kappa", "accuracy", "precision", "recall", "f1")),
            "/".join(map(str, one.cells)),
        )
        for one in rows
    )
    note = (
        "The layout of TalkVid’s table (arXiv 2508.13618): agreement and κ on all clips with two votes, rates on those "
        "with the filter’s score on which both raters agree."
    )
    return ReportTable("as_published", "Filters against agreeing raters, as usually published", heads, lines, note)


def _companion(rows: list[TalkvidRow], facts: ReportFacts) -> ReportTable:
    heads = ("filter", "κ", "accuracy", "precision", "recall", "F1", "split", "split wrong", "split half")
    lines = tuple(
        (
            one.name,
            estimate_text(one.kappa),
            *(estimate_text(getattr(one.table, name)) for name in ("accuracy", "precision", "recall", "f1")),
            f"{one.split} of {one.clips}",
            estimate_text(one.accuracy_split_wrong),
            decimal(one.accuracy_split_half),
        )
        for one in rows
    )
    borderline = facts.design == "borderline"
    note = (
        "The same with 95 % intervals; “split wrong” and “split half” are the accuracy when a clip on which the raters "
        "differ counts as an error of the filter, or as half of one."
    )
    if borderline:
        note += " The clips were drawn next to the thresholds: none of this is the pool’s precision or recall."
    return ReportTable("companion", "What that table leaves out", heads, lines, note)


def _subgroups(facts: ReportFacts) -> ReportTable:
    heads = ("filter", "by", "group", "error", "wrong of", "rate", "all others", "difference", "p, Holm", "p, BH")
    lines = tuple(
        (
            title,
            by,
            f"{one.group} (too few)" if one.too_few else one.group,
            ERRORS[kind],
            f"{one.errors} of {one.clips}",
            *(estimate_text(estimate) for estimate in (one.rate, one.rest, one.difference)),
            *(DASH if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001" for p in (one.p_holm, one.p_bh)),
        )
        for title, by, kind, one in facts.subgroups.rows
    )
    note = (
        "Each group beside all the others together, with 95 % intervals (Wilson, Newcombe), weighted where the sample "
        "was drawn by design. p adjusted over the groups of one filter, attribute and error: Holm’s for claims, "
        f"Benjamini and Hochberg’s for a search. Too few: under {FEW_CLIPS} clips, shown and not to be leant on. "
        "Raters may treat groups differently themselves; this table cannot show it."
    )
    return ReportTable("subgroups", "Filters’ errors by subgroup", heads, lines, note)


def _raters(facts: ReportFacts) -> ReportTable:
    heads = (
        "rater",
        "answered",
        "skipped",
        "gone silent",
        "median s",
        "seen to the end %",
        "replays",
        "changes of mind",
    )
    lines = tuple(
        (
            one.pseudonym,
            str(one.answered),
            str(one.skipped),
            str(one.expired),
            decimal(one.median_seconds, 1),
            decimal(None if one.seen_to_the_end is None else 100 * one.seen_to_the_end, 0),
            str(one.replays),
            str(one.changes),
        )
        for one in facts.raters
    )
    who = "Simulated raters: programs, no people." if facts.results.kind == "simulated" else "Pseudonyms."
    return ReportTable("raters", "Raters", heads, lines, f"{who} Median time from showing a clip to its answer.")


def _screens(facts: ReportFacts) -> ReportTable:
    lines = tuple((width, str(count)) for width, count in facts.viewports.items())
    return ReportTable(
        "screens", "Screens", ("width of the browser’s window", "answers"), lines, "As browsers reported it."
    )
