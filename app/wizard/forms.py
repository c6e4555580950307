"""Apply the forms of the study wizard to a draft: each function takes the form's fields and returns new content.

Values are not checked here: the reader of study files lists all errors afterwards.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from app.studies import scales

Form = Mapping[str, str]
Content = dict[str, Any]
DESIGNS = {
    "simple": "A simple random sample",
    "bands": "Bands of one filter's score",
    "pattern": "Which filters a clip passes and fails",
    "column": "A column of the pool, such as language or age",
    "crossed": "Bands of a filter's score crossed with a column",
    "borderline": "Next to each threshold: just passing, just failing",
    "two_phase": "A pilot, then where the pilot finds the threshold",
}
ALLOCATIONS = {
    "equal": "The same number in each stratum",
    "proportional": "In proportion to the pool",
    "power": "In between (square root)",
    "neyman": "More where verdicts vary (Neyman; needs a guess)",
}


def number(text: str) -> int | float | str:
    """The value of a number field: an int, a finite float, or the text as it was entered.

    >>> number("3"), number("0.5"), number("many"), number("1e999")
    (3, 0.5, 'many', '1e999')
    """
    for kind in (int, float):
        try:
            value = kind(text.strip())
            if isfinite(value):
                return value
        except (ValueError, OverflowError):
            continue
    return text.strip()


def filters(content: Content, form: Form) -> Content:
    """Change thresholds and titles of the filters, remove filters, and add one if its score was chosen."""
    kept = []
    for place, rule in enumerate(content.get("filters", [])):
        if form.get(f"keep-{place}") != "on":
            continue
        ends = {name: number(text) for name in ("min", "max") if (text := form.get(f"{name}-{place}", "")).strip()}
        plain = {key: value for key, value in rule.items() if key not in ("min", "max")}
        kept.append(plain | {"title": form.get(f"title-{place}", "").strip() or rule["title"]} | ends)
    score = form.get("new-score", "").strip()
    if score:
        ends = {name: number(text) for name in ("min", "max") if (text := form.get(f"new-{name}", "")).strip()}
        kept.append({"name": _free(score, [rule["name"] for rule in kept]), "title": score, "score": score} | ends)
    return content | {"filters": kept}


def _free(score: str, taken: list[str]) -> str:
    plain = "".join(letter if letter.isalnum() else "_" for letter in score.lower()).strip("_")[:36] or "filter"
    plain = plain if plain[0].isalpha() else f"f_{plain}"
    return next(name for name in (plain, *(f"{plain}_{n}" for n in range(2, 1000))) if name not in taken)


def design(content: Content, form: Form) -> Content:
    """Replace the sampling table by the form's."""
    chosen = form.get("design", "simple")
    plan: Content = {"design": chosen if chosen in ("simple", "borderline", "two_phase") else "stratified"}
    plan |= _of_borderline(form) if chosen == "borderline" else {"clips": number(form.get("clips", "100"))}
    if chosen in ("bands", "two_phase"):
        plan |= {"by": form.get("by", ""), "bands": number(form.get("bands", "4"))}
    if chosen == "two_phase":
        plan |= {"pilot": number(form.get("pilot", "30")), "target": number(form.get("target", "0.9"))}
    if chosen in ("pattern", "column", "crossed"):
        plan["strata"] = _strata(chosen, form)
    if plan["design"] == "stratified":
        plan |= _allocation(form)
    plan |= _limits(form, per_source=plan["design"] in ("simple", "stratified"))
    return content | {"sampling": plan, "seed": number(form.get("seed", str(content.get("seed", 1))))}


def _of_borderline(form: Form) -> Content:
    return {"each": number(form.get("each", "50")), "others": form.get("others", "ignored")}


def _allocation(form: Form) -> Content:
    chosen = form.get("allocation", "equal")
    if chosen != "neyman":
        return {"allocation": chosen}
    guesses = form.get("guess", "").replace(";", ",").split(",")
    return {"allocation": chosen, "guess": [number(part) for part in guesses if part.strip()]}


def _limits(form: Form, *, per_source: bool) -> Content:
    """Options of every design: limit per source, included and excluded clips, share of rejects or why there is none."""
    plan: Content = {}
    if per_source and form.get("per_source", "").strip():
        plan["per_source"] = number(form["per_source"])
    for name in ("include", "exclude"):
        clips = [line.strip() for line in form.get(name, "").splitlines() if line.strip()]
        if clips:
            plan[name] = clips
    if form.get("waive_rejects", "").strip():
        plan["waive_rejects"] = form["waive_rejects"].strip()
    elif form.get("rejects", "").strip():
        plan["rejects"] = number(form["rejects"])
    return plan


def _strata(chosen: str, form: Form) -> list[Content]:
    most = {"most": number(form["most"])} if form.get("most", "").strip() else {}
    by_column = {"column": form.get("column", "")} | most
    if chosen == "pattern":
        return [{"pattern": True} | most]
    if chosen == "column":
        return [by_column]
    return [{"filter": form.get("by", ""), "bands": number(form.get("bands", "4"))}, by_column]


def chosen_design(content: Content) -> str:
    """The key in `DESIGNS` of the sampling table.

    >>> chosen_design({"sampling": {"design": "stratified", "by": "sharpness"}})
    'bands'
    """
    plan = content.get("sampling", {})
    if plan.get("design") != "stratified":
        return str(plan.get("design", "simple"))
    strata = plan.get("strata", [])
    if not strata:
        return "bands"
    kinds = ["pattern" if "pattern" in one else "column" if "column" in one else "filter" for one in strata]
    return (
        "crossed"
        if sorted(kinds) == ["column", "filter"]
        else kinds[0]
        if len(kinds) == 1 and kinds[0] != "filter"
        else "bands"
    )


def questions(content: Content, form: Form) -> Content:
    """Change name, guidelines, raters per clip, visibility of scores, and the questions."""
    asked = []
    for place, item in enumerate(content.get("criteria", [])):
        if form.get(f"keep-{place}") == "on":
            said = {name: form.get(f"{name}-{place}", "").strip() for name in ("label", "question", "scale")}
            asked.append({**item, **{name: text for name, text in said.items() if text}})
    if form.get("new-label", "").strip():
        label = form["new-label"].strip()
        key = _free(label, [item["key"] for item in asked])
        said = {
            "question": form.get("new-question", "").strip() or label,
            "scale": form.get("new-scale", scales.without_options()[0].key),
        }
        asked.append({"key": key, "label": label, **said})
    return content | {
        "name": form.get("name", "").strip(),
        "guidelines": form.get("guidelines", "").replace("\r\n", "\n"),
        "raters_per_clip": number(form.get("raters_per_clip", "2")),
        "score_visibility": form.get("score_visibility", "hidden"),
        "criteria": asked,
    }
