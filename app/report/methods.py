"""The methods paragraph, written from the study's data. It contains no sentence that they do not support."""

from analysis.agreement.statistics import shown_on
from analysis.number_format import decimal
from app.filters.threshold_text import threshold_text
from app.report.facts import Facts
from app.report.formats import latex
from app.studies import scales

VISIBILITY = {
    "shown": "with the automated scores in view",
    "hidden": "blind to the automated scores",
    "after": "before the automated scores were revealed",
    "randomised": "with the automated scores shown or hidden by a seeded coin for each rater and clip",
}


def paragraph(facts: Facts) -> str:
    """The paragraph as plain text, ready for a paper; it names every count and setting that a reader needs."""
    return " ".join(
        sentence for part in (_sample, _raters, _questions, _truth, _statistics) for sentence in part(facts) if sentence
    )


def as_markdown(facts: Facts) -> str:
    """methods.md."""
    return f"# Methods\n\n{paragraph(facts)}\n"


def as_latex(facts: Facts) -> str:
    """methods.tex: a paragraph to \\input."""
    return latex(paragraph(facts)) + "\n"


def _sample(facts: Facts) -> list[str]:
    study, flow = facts.study, facts.flow
    words = {
        "simple": "at random",
        "stratified": f"at random within {len(facts.strata)} strata",
        "borderline": "next to the thresholds, some just passing and some just failing",
        "two_phase": "in two phases, the second where the first had found the threshold to lie",
    }.get(facts.design, f"by the design “{facts.design}”")
    sentences = [
        f"From a pool of {flow.pool} scored clips (SHA-256 {study.pool_fingerprint[:12]}…) {flow.sampled} were drawn "
        f"{words} (seed {study.seed}); every clip's inclusion probability was kept."
    ]
    if facts.design == "borderline":
        sentences.append("Figures of this sample speak of the thresholds' neighbourhood and not of the pool.")
    return sentences


def _raters(facts: Facts) -> list[str]:
    results = facts.results
    if results.kind == "simulated":
        return ["The answers reported here come from a simulated panel; no person's answer is among them."]
    times = facts.seconds_per_answer
    per_clip = facts.study.raters_per_clip
    sentences = [
        f"{_count(results.raters, 'rater')} gave {_count(results.answers, 'answer')}, at most {per_clip} per clip, "
        f"{VISIBILITY[facts.study.score_visibility]}."
    ]
    if times is not None:
        sentences.append(f"The middle rater took {decimal(times, 1)} s from seeing a clip to answering.")
    if facts.skips:
        reasons = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in facts.skips.items())
        sentences.append(f"Clips were skipped {_count(sum(facts.skips.values()), 'time')} ({reasons}).")
    if len(facts.guidelines) > 1:
        sentences.append(
            f"The guidelines changed during the study: answers were given under {len(facts.guidelines)} versions."
        )
    return sentences


def _questions(facts: Facts) -> list[str]:
    asked = [f"{item.label}: “{item.question}” ({scales.of(item).description})" for item in facts.whole.criteria]
    return [f"Raters were asked: {'; '.join(asked)}."]


def _truth(facts: Facts) -> list[str]:
    filters = ", ".join(
        f"{one.title} ({one.score} {threshold_text(one.minimum, one.maximum)})" for one in facts.whole.filters
    )
    tied = sum(one.verdicts.tied for one in facts.results.filters)
    return [
        f"Filters and their thresholds were fixed before rating: {filters}.",
        "A clip counts as good or bad by the strict majority of accept and reject; “unsure” is no vote.",
        f"Ties ({tied} over all filters) have no truth and are counted, not guessed." if tied else "",
    ]


def _statistics(facts: Facts) -> list[str]:
    borderline = facts.design == "borderline"
    weighting = (
        "Rates are unweighted."
        if borderline
        else "Rates are weighted by the inverse inclusion probabilities (Hájek), with linearised variances."
    )
    errors = facts.subgroups
    first, *others = shown_on("results")
    return [
        f"Agreement is {first.label} (nominal for verdicts, ordinal for categories) with a 95 % percentile "
        f"interval over resampled clips, beside {' and '.join(one.label for one in others)}.",
        weighting,
        "Intervals of rates are Wilson's on the effective number of clips; thresholds found on these data are marked "
        "exploratory and their F1 is cross-fitted.",
        f"Errors of the filters were compared between subgroups by {', '.join(errors.attributes)}, each against all "
        "others, with p-values adjusted after Holm and after Benjamini and Hochberg."
        if errors.rows
        else "",
    ]


def _count(number_of: int, word: str) -> str:
    return f"{number_of} {word}{'' if number_of == 1 else 's'}"
