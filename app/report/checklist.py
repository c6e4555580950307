"""The checklist for reviewers: each item is filled from the study, answered by the author, or a visible gap.

The items follow, in our own words, GRRAS (Kottner et al. 2011), STARD 2015, HEDS (Shimorina & Belz 2022), ITU-T P.910
and P.913, ITU-R BT.500 and Datasheets for Datasets (Gebru et al. 2021).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from analysis.agreement.statistics import shown_on
from analysis.number_format import decimal
from app import __version__
from app.filters.threshold_text import threshold_text
from app.report.author import QUESTIONS
from app.report.facts import ReportFacts
from app.report.preregistration import as_lines

State = Literal["filled", "by the author", "GAP"]
Answers = list[tuple[str, str]]
"""The topic of each item and its answer; an empty answer is a gap."""


@dataclass(frozen=True)
class ChecklistItem:
    """One item: its part of the checklist, its topic, the answer, and who gave it."""

    part: str
    topic: str
    answer: str
    state: State


def items(facts: ReportFacts, author_answers: dict[str, str]) -> list[ChecklistItem]:
    """All items in order: those that the study answers, then the author's, whose answers are given by key."""
    filled = [
        ChecklistItem(part, topic, answer or "nothing recorded", "filled" if answer else "GAP")
        for part, answers_of in PARTS
        for topic, answer in answers_of(facts)
    ]
    return filled + [_author_item(key, author_answers.get(key)) for key in QUESTIONS]


def as_markdown(checklist: list[ChecklistItem]) -> str:
    """The text of checklist.md."""
    gaps = sum(item.state == "GAP" for item in checklist)
    text = [
        "# Reporting checklist",
        "",
        f"{len(checklist)} points, {gaps} gaps. After GRRAS, STARD 2015, HEDS, ITU-T P.910/P.913, ITU-R BT.500 and "
        "Datasheets for Datasets.",
    ]
    part = ""
    for item in checklist:
        if item.part != part:
            part = item.part
            text += ["", f"## {part}", ""]
        mark = {"filled": "[x]", "by the author": "[x]", "GAP": "[ ] **GAP**"}[item.state]
        text.append(f"- {mark} {item.topic}: {item.answer}")
    return "\n".join(text) + "\n"


def _author_item(key: str, answer: str | None) -> ChecklistItem:
    if answer is None:
        return ChecklistItem("Author", QUESTIONS[key], f"not answered: {key} in the answers file", "GAP")
    return ChecklistItem("Author", QUESTIONS[key], answer, "by the author")


def _study(facts: ReportFacts) -> Answers:
    filters = [
        (
            f"Filter {rule.title}",
            f"{rule.score} {threshold_text(rule.minimum, rule.maximum)}{', approximate' if rule.approximate else ''}; "
            "preset, not found here",
        )
        for rule in facts.parts.filters
    ]
    questions = "; ".join(f"{item.label}: {item.question} ({item.scale})" for item in facts.parts.criteria)
    versions = ", ".join(facts.guidelines) or facts.study.guidelines_hash
    return [
        *filters,
        ("Questions and scales", questions),
        ("Guidelines", f"version {versions}, text in study.toml"),
        ("Plan, frozen before the results", "; ".join(as_lines(facts.plan)) if facts.plan else ""),
    ]


def _clips(facts: ReportFacts) -> Answers:
    study, flow = facts.study, facts.flow
    left_out = [*study.design.get("left_out", []), *study.design.get("notes", [])]
    return [
        ("Pool", f"{flow.pool} clips, SHA-256 {study.pool_fingerprint}"),
        ("Sampling design", f"{facts.design}, {len(facts.strata)} strata, seed {study.seed}"),
        ("Inclusion probabilities and weights", "per clip in votes.parquet"),
        ("What was left out, and why", "; ".join(left_out) or "nothing"),
        (
            "Flow",
            f"pool {flow.pool}, sampled {flow.sampled}, shown {flow.shown}, rated {flow.rated}, usable {flow.usable}, "
            f"with a consensus {flow.with_consensus}",
        ),
    ]


def _raters(facts: ReportFacts) -> Answers:
    study, results = facts.study, facts.results
    used = [name for name in ("training", "qualification", "gold", "repeats", "attention") if study.rules.get(name)]
    return [
        ("Number", f"{results.raters} ({'simulated' if results.kind == 'simulated' else 'people'})"),
        ("Answers per clip", f"{study.raters_per_clip} asked for, {results.answers} answers in all"),
        ("Training and qualification", f"part of the study: {', '.join(used)}" if used else "none in this study"),
    ]


def _process(facts: ReportFacts) -> Answers:
    seconds = facts.seconds_per_answer
    return [
        ("Blinding", f"{facts.study.score_visibility}; answers by arm: {_counts_in_words(facts.arms)}"),
        ("Screens", _counts_in_words(facts.viewports)),
        ("Order", "each rater's own random order, seeds stored; another source than the last clip's where possible"),
        ("Time per answer", "" if seconds is None else f"median {decimal(seconds, 1)} s"),
        ("Seen to the end, replays, changes", "per rater in tables/raters.csv" if facts.raters else ""),
        ("Dates", f"{facts.first_answer} to {facts.last_answer}" if facts.first_answer else ""),
        (
            "Skips and broken clips",
            f"{_counts_in_words(facts.skips) or 'no skips'}; playback errors: {facts.playback_errors}",
        ),
    ]


def _consensus(facts: ReportFacts) -> Answers:
    counts = [(result.rule.title, result.verdicts) for result in facts.results.filters]
    return [
        ("Rule", "strict majority of accept and reject; unsure is no vote; ties have no truth"),
        *(
            (
                f"Counts for {title}",
                f"accepted {count.accepted}, rejected {count.rejected}, tied {count.tied}, "
                f"without votes {count.without_votes}, without score {count.without_score}",
            )
            for title, count in counts
        ),
    ]


def _analysis(facts: ReportFacts) -> Answers:
    statistics = ", ".join(statistic.label for statistic in shown_on("results"))
    attributes = ", ".join(facts.subgroups.attributes)
    return [
        ("Agreement", f"tables/agreement.csv: {statistics}, with intervals"),
        ("Two-by-two tables, precision, recall, specificity, F1, AUC", "tables/thresholds.csv and estimates.json"),
        ("Errors by subgroup", facts.subgroups.why_empty or f"tables/subgroups.csv: by {attributes}"),
        ("Thresholds found by search", "marked exploratory; F1 cross-fitted"),
        ("Software", f"ClipJury {__version__}; each estimate's signature in estimates.json"),
    ]


PARTS: tuple[tuple[str, Callable[[ReportFacts], Answers]], ...] = (
    ("Study", _study),
    ("Clips", _clips),
    ("Raters", _raters),
    ("Process", _process),
    ("Truth", _consensus),
    ("Analysis", _analysis),
)
"""The parts of the checklist in order; to add an item, add a topic and its answer to the list of its part."""


def _counts_in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
