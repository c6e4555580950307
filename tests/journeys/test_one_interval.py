"""One estimate, one string: what the raters agree on, wherever it is shown.

The tests read a generated study: cells of tables by row and column, drawings by their data, and the files that the
study exports, computed again with `clipjury stats`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis.agreement.statistics import STATISTICS, shown_on
from analysis.number_format import decimal, number_text
from app.report import methods
from app.studies import scales
from tests.helpers.exported_files import stats, stats_text
from tests.helpers.generated_study import Options
from tests.helpers.generated_study.homes import generated, signed_in
from tests.helpers.site_pages import Site, drawn, same, written

FOREST = "Agreement by question with intervals: the numbers"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A generated study of two raters who answered every clip."""
    options = Options(clips=60, raters=2, answers=2)
    with (
        generated(tmp_path_factory.mktemp("pair"), options) as made,
        signed_in(*made) as browser,
        made[0].reader() as db,
    ):
        yield Site(browser, db, f"/studies/{Options.slug}")


def stats_agreement(site: Site, criterion: str, folder: Path) -> dict[str, Any]:
    """What `clipjury stats agreement` says of the exported answers to a criterion, repeats included."""
    (item,) = (one for one in site.facts.parts.criteria if one.key == criterion)
    scale = scales.statistical(item)
    file = site.exports.ratings(criterion, folder / f"{criterion}.csv", repeats=True)
    levels = "--values", ",".join(scale.levels), "--unit", "source"
    return stats("agreement", file, "--scale", scale.metric, *levels, *site.exports.resampling)


def pseudonyms(site: Site) -> dict[str, str]:
    """R1, R2, ... by the names that the exported files hold."""
    return site.facts.pseudonyms


@pytest.mark.parametrize("criterion", ["quality", "stability", "verdict"])
def test_statistics_of_agreement_are_the_same_everywhere(site: Site, criterion: str, tmp_path: Path) -> None:
    """Results and agreement page, both figures, their tables, report, estimates.json, `clipjury stats agreement`."""
    results, agreement = site.tables("results"), site.tables("agreement")
    on_results, on_agreement = (
        drawn(site.figure("figures/agreement.json")),
        drawn(site.figure("agreement/figures/forest.json")),
    )
    (content,) = (one for one in site.exports.estimates["agreement"] if one["criterion"] == criterion)
    (label,) = (one.label for one in site.facts.parts.criteria if one.key == criterion)
    from_files = {one["statistic"]: written(one) for one in stats_agreement(site, criterion, tmp_path)["estimates"]}
    nominal = criterion == "verdict"
    found: dict[str, dict[str, str]] = {}
    for statistic in STATISTICS.values():
        key, heading, name = statistic.key, statistic.heading, statistic.label
        # Gwet's AC of the results page is AC1 on verdicts and AC2 on points.
        twin = ("gwet_ac1" if nominal else "gwet_ac2") if key == "gwet_ac" else key
        texts = found.setdefault(twin, {})
        if statistic in shown_on("results"):
            (point,) = (row for row in on_results if (row["criterion"], row["statistic"]) == (label, name))
            texts["estimates.json"] = written(content["estimates"][key])
            texts["results page"] = results["Agreement"].cell(heading, label)
            texts["table of its figure"] = results[FOREST].cell("estimate", label, name)
            texts["its figure"] = point["estimate"]
            texts["report"] = site.report["agreement"].cell(name, label)
        if statistic in shown_on("agreement") and not (nominal and key == "gwet_ac2"):
            (point,) = (row for row in on_agreement if (row["criterion"], row["statistic"]) == (label, name))
            texts["agreement page"] = agreement["Table of agreement by question"].cell(heading, label)
            texts["table of the agreement figure"] = agreement[FOREST].cell("estimate", label, name)
            texts["agreement figure"] = point["estimate"]
            texts["clipjury stats agreement"] = from_files[key]
    for key in ("krippendorff_alpha", "gwet_ac1", "gwet_ac2", "percent_agreement"):
        if not (nominal and key == "gwet_ac2"):
            assert "[" in same(found[key])
    titles = (
        str(site.figure("figures/agreement.json")["title"]),
        str(site.figure("agreement/figures/forest.json")["title"]),
    )
    assert titles[0] == titles[1]
    assert len(re.findall(r"\d\.\d\d \[", titles[0])) == 2


def test_alpha_on_raters_pages_and_the_next_batch_is_that_of_the_results_page(site: Site, tmp_path: Path) -> None:
    """With the rater and without, by the same method; half-widths are half of the intervals shown."""
    results = site.tables("results")["Agreement"]
    for criterion, label in (("quality", "Quality"), ("stability", "Stability"), ("verdict", "Verdict")):
        told = {one["rater"]: one for one in stats_agreement(site, criterion, tmp_path)["raters"]}
        for name, pseudonym in list(pseudonyms(site).items())[:4]:
            rater = site.tables(f"agreement/raters/{pseudonym}")["Beside the others"]
            shown = results.cell("Krippendorff's alpha", label)
            same({"results page": shown, "rater's page": rater.cell("As it is", label)})
            without = rater.cell(f"Without {pseudonym}", label)
            same({"rater's page": without, "clipjury stats agreement": written(told[name]["alpha_without"])})
    planned = site.tables("next")["What the batch buys"]
    (content,) = (one for one in site.exports.estimates["agreement"] if one["criterion"] == "quality")
    alpha = content["estimates"]["krippendorff_alpha"]
    row = planned.row("Quality", "alpha")
    assert row[2:4] == [decimal(alpha["value"]), decimal((alpha["high"] - alpha["low"]) / 2, 3)]
    sharpness = site.exports.estimates["filters"][0]["current"]
    for rate in ("precision", "recall"):
        one = sharpness[rate]
        row = next(row for row in planned.rows if row[0].startswith("Sharpness") and row[1] == rate)
        assert row[2:4] == [decimal(one["value"]), decimal((one["high"] - one["low"]) / 2, 3)]


def test_the_methods_text_names_the_method_of_the_intervals(site: Site) -> None:
    """It says what is resampled and quotes no estimate of its own."""
    text = methods.paragraph(site.facts)
    method = site.exports.estimates["agreement"][0]["estimates"]["krippendorff_alpha"]["method"]
    assert method.endswith(" sources")
    assert "Agreement is Krippendorff's alpha" in text
    assert "with a 95 % percentile interval" in text
    assert "Intervals resample the 190 source videos, not single clips." in text
    assert not re.search(r"\d\.\d\d \[", text)


@pytest.mark.parametrize(
    ("criterion", "statistic"), [("quality", "weighted_kappa_quadratic"), ("verdict", "cohen_kappa")]
)
def test_kappa_of_two_raters_is_the_same_everywhere(site: Site, criterion: str, statistic: str, tmp_path: Path) -> None:
    """Agreement page's figure, its table and `clipjury stats agreement`, for every pair of raters."""
    page = site.tables(f"agreement?criterion={criterion}")["Agreement of each two raters: the numbers"]
    cells = drawn(site.figure(f"agreement/figures/pairs.json?criterion={criterion}"))
    of = pseudonyms(site)
    told = {
        frozenset(of[name] for name in one["raters"]): written(one[statistic])
        for one in stats_agreement(site, criterion, tmp_path)["pairs"]
        if one["clips"]
    }
    assert len(told) == len(page.rows) == len(cells) > 20
    for first, second, kappa, *_ in page.rows:
        (cell,) = (one for one in cells if (one["first"], one["second"]) == (first, second))
        same({"page": kappa, "figure": cell["estimate"], "clipjury stats": told[frozenset((first, second))]})


def test_the_report_of_two_raters_has_the_kappa_of_the_agreement_page(pair: Site, tmp_path: Path) -> None:
    """Also for a filter whose score some clips lack; `clipjury stats talkvid` agrees where no clip lacks it."""
    page = pair.tables("agreement?criterion=verdict")
    kappa = page["Agreement of each two raters: the numbers"].cell("Cohen's kappa", "R1", "R2")
    assert "[" in kappa
    lacking = [one for one in pair.exports.estimates["filters"] if one["truth"]["without_score"]]
    assert lacking
    companion, published = pair.report["companion"], pair.report["as_published"]
    for result in pair.facts.results.filters:
        same({"agreement page": kappa, result.rule.name: companion.cell("κ", result.rule.title)})
    agreement = page["Table of agreement by question"].cell("Raw agreement", "Verdict")
    (row,) = {tuple(row[1:3]) for row in published.rows}
    assert f"{float(row[0]) / 100:.2f}" == agreement.partition(" ")[0]
    assert row[1] == kappa.partition(" ")[0]
    told = stats("talkvid", two_votes(pair, tmp_path / "votes.csv"))["filters"]
    for one in told:
        same({"agreement page": kappa, one["filter"]: written(one["kappa"])})
        texts = {"report": companion.cell("precision", "Sharpness"), "stats": written(one["precision"])}
        same(texts)


def two_votes(site: Site, file: Path) -> Path:
    """The file of `clipjury stats talkvid` for the sharpness filter, from the exported judgments."""
    minimum = site.exports.estimates["filters"][0]["minimum"]
    rows = site.exports.judgments.filter(pl.col("criterion") == "verdict", pl.col("in_agreement") == "1")
    passed = (pl.col("score_sharpness").cast(pl.Float64) >= minimum).cast(pl.Int64)
    rows.select("clip", "rater", "value", passed.alias("pass"), criterion=pl.lit("sharpness")).write_csv(file)
    return file


def test_agreement_with_oneself_is_the_same_everywhere(site: Site, tmp_path: Path) -> None:
    """Agreement page, anchoring page, its figure, raters' pages, and twice in `clipjury stats agreement`."""
    overall = site.tables("agreement")["Table of agreement by question"]
    anchoring = site.tables("anchoring")
    of = pseudonyms(site)
    for criterion, label in (("quality", "Quality"), ("verdict", "Verdict")):
        told = stats_agreement(site, criterion, tmp_path)
        texts = {"agreement page": overall.cell("With themselves", label)}
        for part, name in (("estimates", "intra_rater_agreement"), ("ceiling", "rater_to_self")):
            (one,) = (row for row in told[part] if row["statistic"] == name)
            texts[f"clipjury stats agreement, {part}"] = written(one)
        if label == "Verdict":
            who = f"A rater with themselves, {label}"
            texts["anchoring page"] = anchoring["Table of the human ceiling"].cell("Same verdict", who)
            texts["its table"] = anchoring["The human ceiling: the numbers"].row("themselves", "people")[2]
            (point,) = (
                row for row in drawn(site.figure("consequences/figures/ceiling.json")) if row["label"] == "themselves"
            )
            texts["its figure"] = point["estimate"]
        assert "[" in same(texts)
        for one in told["raters"][:3]:
            page = site.tables(f"agreement/raters/{of[one['rater']]}")["Beside the others"]
            if "intra_rater_agreement" in one:
                own = written(one["intra_rater_agreement"])
                same({"rater's page": page.cell("Same again", label), "clipjury stats agreement": own})


def test_the_mean_opinion_score_of_a_clip_is_the_same_everywhere(site: Site, tmp_path: Path) -> None:
    """`clipjury stats consensus --method mean`, as JSON and as text, and `clipjury stats raters`."""
    file = site.exports.ratings("quality", tmp_path / "quality.csv")
    told, said = stats("consensus", file, "--method", "mean"), stats_text("consensus", file, "--method", "mean")
    opinions = {one["clip"]: one for one in stats("raters", file)["clips"]}
    assert len(told["clips"]) == len(opinions) == 200
    for place, one in enumerate(told["clips"]):
        other = opinions[one["clip"]]
        low, high = other["t"] or (None, None)
        texts = {"consensus": number_text(one["value"], one["low"], one["high"], None)}
        texts["raters"] = number_text(other["mos"], low, high, None)
        text = same(texts)
        if place < 20:
            assert f"{one['clip']} {text}" in said
