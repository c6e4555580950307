"""The checklist for reviewers: each point is filled from the study, answered by the author, or a visible gap.

The points follow, in our own words, GRRAS (Kottner et al. 2011), STARD 2015, HEDS (Shimorina & Belz 2022), ITU-T P.910
and P.913, ITU-R BT.500 and Datasheets for Datasets (Gebru et al. 2021).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from analysis.agreement.statistics import shown_on
from analysis.number_format import decimal
from app import __version__
from app.filters.threshold_text import threshold_text
from app.report.author import QUESTIONS
from app.report.facts import Facts
from app.report.preregistration import as_lines

State = Literal["filled", "by the author", "GAP"]


@dataclass(frozen=True)
class Line:
    """One point: what is asked, the answer, and who gave it."""

    part: str
    asked: str
    answer: str
    state: State


def lines(facts: Facts, said: dict[str, str]) -> list[Line]:
    """All points in order; `said` are the author's answers by key."""
    made = [
        Line(part, asked, answer or "nothing recorded", "filled" if answer else "GAP")
        for part, asked, answer in _known(facts)
    ]
    made += [
        Line("Author", question, said.get(key, f"not answered: {key} in the answers file"), _state(key, said))
        for key, question in QUESTIONS.items()
    ]
    return made


def as_markdown(checklist: list[Line]) -> str:
    """checklist.md."""
    gaps = sum(line.state == "GAP" for line in checklist)
    text = [
        "# Reporting checklist",
        "",
        f"{len(checklist)} points, {gaps} gaps. After GRRAS, STARD 2015, HEDS, ITU-T P.910/P.913, ITU-R BT.500 and "
        "Datasheets for Datasets.",
    ]
    part = ""
    for line in checklist:
        if line.part != part:
            part = line.part
            text += ["", f"## {part}", ""]
        mark = {"filled": "[x]", "by the author": "[x]", "GAP": "[ ] **GAP**"}[line.state]
        text.append(f"- {mark} {line.asked}: {line.answer}")
    return "\n".join(text) + "\n"


def _state(key: str, said: dict[str, str]) -> State:
    return "by the author" if key in said else "GAP"


def _known(facts: Facts) -> Iterator[tuple[str, str, str]]:
    study, results, flow = facts.study, facts.results, facts.flow
    for rule in facts.whole.filters:
        approximate = ", approximate" if rule.approximate else ""
        yield (
            "Study",
            f"Filter {rule.title}",
            (f"{rule.score} {threshold_text(rule.minimum, rule.maximum)}{approximate}; preset, not found here"),
        )
    yield (
        "Study",
        "Questions and scales",
        "; ".join(f"{c.label}: {c.question} ({c.scale})" for c in facts.whole.criteria),
    )
    yield "Study", "Guidelines", f"version {', '.join(facts.guidelines) or study.guidelines_hash}, text in study.toml"
    yield "Study", "Plan, frozen before the results", "; ".join(as_lines(facts.plan)) if facts.plan else ""
    design = study.design
    yield "Clips", "Pool", f"{flow.pool} clips, SHA-256 {study.pool_fingerprint}"
    yield (
        "Clips",
        "Sampling design",
        f"{facts.design}, {len(facts.strata)} strata, seed {study.seed}",
    )
    yield "Clips", "Inclusion probabilities and weights", "per clip in votes.parquet"
    yield (
        "Clips",
        "What was left out, and why",
        "; ".join([*design.get("left_out", []), *design.get("notes", [])]) or "nothing",
    )
    yield (
        "Clips",
        "Flow",
        (
            f"pool {flow.pool}, sampled {flow.sampled}, shown {flow.shown}, rated {flow.rated}, usable {flow.usable}, "
            f"in the truth {flow.in_truth}"
        ),
    )
    yield "Raters", "Number", f"{results.raters} ({'simulated' if results.kind == 'simulated' else 'people'})"
    yield "Raters", "Answers per clip", f"{study.raters_per_clip} asked for, {results.answers} answers in all"
    yield "Raters", "Training and qualification", _trained(facts)
    yield "Process", "Blinding", f"{study.score_visibility}; answers by arm: {_pairs(facts.arms)}"
    yield "Process", "Screens", _pairs(facts.viewports)
    yield (
        "Process",
        "Order",
        "each rater's own random order, seeds stored; another source than the last clip's where possible",
    )
    yield (
        "Process",
        "Time per answer",
        "" if facts.seconds_per_answer is None else f"median {decimal(facts.seconds_per_answer, 1)} s",
    )
    yield "Process", "Seen to the end, replays, changes", "per rater in tables/raters.csv" if facts.raters else ""
    yield "Process", "Dates", f"{facts.first_answer} to {facts.last_answer}" if facts.first_answer else ""
    yield (
        "Process",
        "Skips and broken clips",
        f"{_pairs(facts.skips) or 'no skips'}; playback errors: {facts.playback_errors}",
    )
    yield "Truth", "Rule", "strict majority of accept and reject; unsure is no vote; ties have no truth"
    for one in results.filters:
        counts = one.verdicts
        yield (
            "Truth",
            f"Counts for {one.rule.title}",
            (
                f"accepted {counts.accepted}, rejected {counts.rejected}, tied {counts.tied}, "
                f"without votes {counts.without_votes}, without score {counts.without_score}"
            ),
        )
    statistics = ", ".join(one.label for one in shown_on("results"))
    yield "Analysis", "Agreement", f"tables/agreement.csv: {statistics}, with intervals"
    yield (
        "Analysis",
        "Two-by-two tables, precision, recall, specificity, F1, AUC",
        "tables/thresholds.csv and estimates.json",
    )
    by = ", ".join(facts.subgroups.attributes)
    yield "Analysis", "Errors by subgroup", facts.subgroups.why_none or f"tables/subgroups.csv: by {by}"
    yield "Analysis", "Thresholds found by search", "marked exploratory; F1 cross-fitted"
    yield "Analysis", "Software", f"ClipJury {__version__}; each estimate's signature in estimates.json"


def _trained(facts: Facts) -> str:
    rules = facts.study.rules
    parts = [name for name in ("training", "qualification", "gold", "repeats", "attention") if rules.get(name)]
    return f"part of the study: {', '.join(parts)}" if parts else "none in this study"


def _pairs(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
