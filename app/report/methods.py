"""Write the methods paragraph from the study's data. It contains only sentences that the data support."""

from analysis.agreement.statistics import shown_on
from analysis.number_format import decimal
from app.filters.threshold_text import threshold_text
from app.report.facts import ReportFacts
from app.report.formats import latex
from app.studies import scales

VISIBILITY = {
    "shown": "with the automated scores in view",
    "hidden": "blind to the automated scores",
    "after": "before the automated scores were revealed",
    "randomised": "with the automated scores shown or hidden by a seeded coin for each rater and clip",
}


def paragraph(facts: ReportFacts) -> str:
    """The paragraph as plain text for a paper, with every count and setting that a reader needs."""
    return " ".join(
        sentence
        for sentences in (_sample, _raters, _questions, _consensus, _statistics)
        for sentence in sentences(facts)
        if sentence
    )


def as_markdown(facts: ReportFacts) -> str:
    """The text of methods.md."""
    return f"# Methods\n\n{paragraph(facts)}\n"


def as_latex(facts: ReportFacts) -> str:
    """The text of methods.tex, which a paper includes with \\input."""
    return latex(paragraph(facts)) + "\n"


def _sample(facts: ReportFacts) -> list[str]:
    study, flow = facts.study, facts.flow
    how_drawn = {
        "simple": "at random",
        "stratified": f"at random within {len(facts.strata)} strata",
        "borderline": "next to the thresholds, some just passing and some just failing",
        "two_phase": "in two phases, the second where the first had found the threshold to lie",
    }.get(facts.design, f"by the design “{facts.design}”")
    sentences = [
        f"From a pool of {flow.pool} scored clips (SHA-256 {study.pool_fingerprint[:12]}…) {flow.sampled} were drawn "
        f"{how_drawn} (seed {study.seed}); every clip's inclusion probability was kept."
    ]
    if facts.design == "borderline":
        sentences.append("Figures of this sample speak of the thresholds' neighbourhood and not of the pool.")
    return sentences


def _raters(facts: ReportFacts) -> list[str]:
    results = facts.results
    if results.kind == "simulated":
        return ["The answers reported here come from a simulated panel; no person's answer is among them."]
    seconds = facts.seconds_per_answer
    per_clip = facts.study.raters_per_clip
    sentences = [
        f"{_count(results.raters, 'rater')} gave {_count(results.answers, 'answer')}, at most {per_clip} per clip, "
        f"{VISIBILITY[facts.study.score_visibility]}."
    ]
    if seconds is not None:
        sentences.append(f"The middle rater took {decimal(seconds, 1)} s from seeing a clip to answering.")
    if facts.skips:
        reasons = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in facts.skips.items())
        sentences.append(f"Clips were skipped {_count(sum(facts.skips.values()), 'time')} ({reasons}).")
    if len(facts.guidelines) > 1:
        sentences.append(
            f"The guidelines changed during the study: answers were given under {len(facts.guidelines)} versions."
        )
    return sentences


def _questions(facts: ReportFacts) -> list[str]:
    questions = [f"{item.label}: “{item.question}” ({scales.of(item).description})" for item in facts.parts.criteria]
    return [f"Raters were asked: {'; '.join(questions)}."]


def _consensus(facts: ReportFacts) -> list[str]:
    filters = ", ".join(
        f"{rule.title} ({rule.score} {threshold_text(rule.minimum, rule.maximum)})" for rule in facts.parts.filters
    )
    tied = sum(result.verdicts.tied for result in facts.results.filters)
    return [
        f"Filters and their thresholds were fixed before rating: {filters}.",
        "A clip counts as good or bad by the strict majority of accept and reject; “unsure” is no vote.",
        f"Ties ({tied} over all filters) have no truth and are counted, not guessed." if tied else "",
    ]


def _statistics(facts: ReportFacts) -> list[str]:
    borderline = facts.design == "borderline"
    weighting = (
        "Rates are unweighted."
        if borderline
        else "Rates are weighted by the inverse inclusion probabilities (Hájek), with linearised variances."
    )
    errors = facts.subgroups
    first, *others = shown_on("results")
    return [
        f"Agreement is {first.label} ({_metrics(facts)}) with a 95 % percentile interval, "
        f"beside {' and '.join(one.label for one in others)}.",
        *_resampling(facts),
        weighting,
        "Intervals of rates are Wilson's on the effective number of clips; thresholds found on these data are marked "
        "exploratory and their F1 is cross-fitted.",
        f"Errors of the filters were compared between subgroups by {', '.join(errors.attributes)}, each against all "
        "others, with p-values adjusted after Holm and after Benjamini and Hochberg."
        if errors.rows
        else "",
    ]


def _metrics(facts: ReportFacts) -> str:
    """The level of measurement of each question: "nominal for Verdict, ordinal for Quality and Stability"."""
    labels: dict[str, list[str]] = {}
    for item in facts.parts.criteria:
        metric = scales.of(item).metric
        if metric is not None:
            labels.setdefault(metric, []).append(item.label)
    return ", ".join(f"{metric} for {' and '.join(found)}" for metric, found in sorted(labels.items(), reverse=True))


def _resampling(facts: ReportFacts) -> list[str]:
    """What the intervals of agreement resample: whole source videos, or clips."""
    compared = [one for one in facts.results.criteria if one.estimates]
    notes = list(dict.fromkeys(one.note for one in compared if one.note))
    whole = any(not one.note for one in compared)
    return [*(["Intervals of agreement resample clips."] if whole else []), *notes]


def _count(number_of: int, word: str) -> str:
    return f"{number_of} {word}{'' if number_of == 1 else 's'}"
