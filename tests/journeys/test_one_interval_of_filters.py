"""One estimate, one string: how good filters are, wherever it is shown.

The tests read a generated study, as those in `test_one_interval.py` do.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.pool_evidence import good_share
from app.settings import Settings
from tests.helpers import pool_studies
from tests.helpers.exported_files import Exports, stats, stats_text
from tests.helpers.factories import StudyMaker
from tests.helpers.page_tables import tables_of
from tests.helpers.rated_studies import average_and_worst
from tests.helpers.site_pages import Site, drawn, same, written
from tests.helpers.visitors import on_sqlite

RATES = {"precision": "Precision", "recall": "Recall", "f1": "F1", "specificity": "Specificity"}
"""The rates of a filter by their key, with how the filter page's rows begin."""


def workbench(site: Site, name: str) -> dict[str, dict[str, str]]:
    """The rates at the preset threshold: on the page, in its data, in its table of all thresholds."""
    page = site.browser.get(f"{site.address}/filters/{name}/workbench").text
    content = site.figure(f"filters/{name}/workbench.json")
    shown = re.findall(r'<span data-rate="(\w+)"[^>]*>([^<]*)</span> <small data-band="\w+">([^<]*)</small>', page)
    every = tables_of(page)["Every threshold"]
    row = dict(zip(every.headings, every.rows[content["now"]], strict=True))
    heads = {"f1": "F1"}
    return {
        "workbench": {rate: f"{value} {ends}" for rate, value, ends in shown},
        "data of the workbench": {rate: one["text"][content["now"]] for rate, one in content["rates"].items()},
        "table of the workbench": {rate: row[heads.get(rate, rate)] for rate in RATES},
    }


@pytest.mark.parametrize("name", ["sharpness", "steadiness", "brightness", "bitrate", "face_size", "noise", "sync"])
def test_rates_of_a_filter_are_the_same_everywhere(site: Site, name: str, tmp_path: Path) -> None:
    """Results and filter page, workbench, report, estimates.json, and `clipjury stats calibrate` on exported files.

    False rejections are 1 - recall and false acceptances 1 - specificity; no page shows them for the whole sample.
    """
    (content,) = (one for one in site.exports.estimates["filters"] if one["filter"] == name)
    (title,) = (one.title for one in site.facts.parts.filters if one.name == name)
    results = site.tables("results")["Filters"]
    at_both = site.tables(f"filters/{name}")["Rates at both thresholds"]
    one_end = content["minimum"] is None or content["maximum"] is None
    told, said = calibrated(site, content, tmp_path) if one_end else ({}, "")
    row = next(row for row in results.rows if row[0] == title)
    for rate, begin in RATES.items():
        texts = {"estimates.json": written(content["current"][rate])}
        texts["filter page"] = next(row[1] for row in at_both.rows if row[0].startswith(begin))
        texts["report"] = site.report["thresholds"].cell("F1" if rate == "f1" else rate, title)
        if rate != "specificity":
            texts["results page"] = row[results.headings.index(begin)]
        texts |= {place: one[rate] for place, one in workbench(site, name).items() if rate in one}
        if one_end:
            texts["clipjury stats calibrate"] = written(told["at"][rate])
            assert f"{rate} {texts['clipjury stats calibrate']}" in said
        same(texts)
    accuracy = next(row[1] for row in at_both.rows if row[0] == "Accuracy")
    same({"estimates.json": written(content["current"]["accuracy"]), "filter page": accuracy})
    best = content["best_f1"]["f1"]
    texts = {"estimates.json": written(best), "results page": row[7]}
    texts["filter page"] = next(row[2] for row in at_both.rows if row[0] == "F1")
    assert "[" in same(texts)


@pytest.mark.parametrize("name", ["sharpness", "steadiness", "brightness", "bitrate", "face_size", "noise", "sync"])
def test_the_area_under_the_curve_is_the_same_everywhere(site: Site, name: str, tmp_path: Path) -> None:
    """Results page, ROC curve, workbench, report, estimates.json and `clipjury stats calibrate`."""
    (content,) = (one for one in site.exports.estimates["filters"] if one["filter"] == name)
    (title,) = (one.title for one in site.facts.parts.filters if one.name == name)
    auc = written(content["auc"])
    texts = {"estimates.json": auc, "results page": site.tables("results")["Filters"].cell("AUC", title)}
    texts["report"] = site.report["thresholds"].cell("AUC", title)
    told, said = calibrated(site, content, tmp_path)
    texts["clipjury stats calibrate"] = written(told["auc"])
    assert f"AUC {auc}" in said
    assert "[" in same(texts)
    assert f"AUC {auc}" in str(site.figure(f"figures/roc-{name}.json")["title"])
    assert f"AUC {auc}" in str(site.figure(f"filters/{name}/workbench/figures/roc.json")["title"])


def calibrated(site: Site, content: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], str]:
    """What `clipjury stats calibrate` says of a filter, as JSON and as text, from exported files."""
    file = site.exports.judged_clips(content["criterion"], content["score"], folder / "clips.csv")
    end = "ge" if content["minimum"] is not None else "le"
    at = content["minimum"] if end == "ge" else content["maximum"]
    columns = (
        "--score",
        "score",
        "--label",
        "good",
        "--weight",
        "weight",
        "--stratum",
        "stratum",
        "--source",
        "source",
    )
    how = (file, *columns, "--direction", end, "--at", at, *site.exports.resampling)
    return stats("calibrate", *how), stats_text("calibrate", *how)


@pytest.mark.parametrize("name", ["sharpness", "noise", "sync"])
def test_the_share_of_good_clips_is_the_same_everywhere(site: Site, name: str, tmp_path: Path) -> None:
    """Filter page at both thresholds, pool page, its figure, estimates.json and `clipjury stats calibrate`."""
    (content,) = (one for one in site.exports.estimates["filters"] if one["filter"] == name)
    (title,) = (one.title for one in site.facts.parts.filters if one.name == name)
    at_both = site.tables(f"filters/{name}")["Rates at both thresholds"]
    pool = site.tables("pool")
    alone, powered = "from the judged clips alone", "with the score's predictions"
    rows = drawn(site.figure("consequences/figures/good.json"))
    points = {row["series"]: row for row in rows if row["label"] == title}
    told, said = calibrated(site, content, tmp_path)
    texts = {
        "estimates.json": written(content["current"]["prevalence"]),
        "estimates.json, best F1": written(content["best_f1"]["prevalence"]),
        "filter page": at_both.cell(at_both.headings[1], "Good clips in the pool"),
        "filter page, best F1": at_both.cell(at_both.headings[2], "Good clips in the pool"),
        "pool page": pool["Table of good clips in the pool"].cell("Judged clips alone", title),
        "table of its figure": pool["Share of good clips in the pool: the numbers"].row(title, alone)[2],
        "its figure": points[alone]["estimate"],
        "clipjury stats calibrate": written(told["at"]["prevalence"]),
    }
    assert "[" in same(texts)
    assert f"prevalence {texts['estimates.json']}" in said
    # Other methods come so near that two decimals do not tell them apart.
    for end in ("low", "high"):
        assert points[alone][end] == pytest.approx(content["current"]["prevalence"][end], abs=1e-9)
    texts = {
        "pool page": pool["Table of good clips in the pool"].cell("With its predictions", title),
        "table of its figure": pool["Share of good clips in the pool: the numbers"].row(title, powered)[2],
        "its figure": points[powered]["estimate"],
    }
    same(texts)


@on_sqlite
def test_stats_ppi_gives_the_shares_of_the_pool_page(
    study_maker: StudyMaker, database: Database, settings: Settings, researcher: TestClient, tmp_path: Path
) -> None:
    """With predictions and from the judged clips alone, from exported files and the pool with its strata."""
    study = pool_studies.make(database, settings, tmp_path)
    pool_studies.judge(study_maker, study, pool_studies.clips_of(database, study))
    with database.reader() as db:
        strata = good_share.stratified_pool(db, study).table
    exports = Exports.of(researcher, f"/studies/{study.slug}")
    judged = exports.judged_clips("verdict", "movement", tmp_path / "judged.csv")
    strata.write_parquet(tmp_path / "strata.parquet")
    columns = ("--score", "movement", "--stratum", "stratum")
    how = (judged, "--pool", tmp_path / "strata.parquet", *columns, "--seed", study.seed)
    told, said = stats("ppi", *how), stats_text("ppi", *how)
    page = tables_of(researcher.get(f"/studies/{study.slug}/pool").text)["Table of good clips in the pool"]
    for head, key in (("Judged clips alone", "judged_alone"), ("With its predictions", "with_predictions")):
        text = same({"pool page": page.cell(head, "Still"), "clipjury stats ppi": written(told[key])})
        assert "[" in text
        assert text in said
    rates = tables_of(researcher.get(f"/studies/{study.slug}/filters/still").text)["Rates at both thresholds"]
    same({"filter page": rates.row("Good clips in the pool")[1], "clipjury stats ppi": written(told["judged_alone"])})
    current = exports.estimates["filters"][0]["current"]["prevalence"]
    assert told["judged_alone"]["low"] == pytest.approx(current["low"], abs=1e-9)


def test_errors_by_subgroup_are_the_same_everywhere(site: Site, tmp_path: Path) -> None:
    """Fairness page, its figures, their tables, report and `clipjury stats fairness`: group, the others, difference."""
    page = site.tables("fairness?filter=sync&by=language")
    content = next(one for one in site.exports.estimates["filters"] if one["filter"] == "sync")
    file = site.exports.judged_clips("verdict", "sync", tmp_path / "clips.csv")
    pool = pl.read_parquet(site.facts.study.pool).select("clip", pl.col("language").fill_null("(none)"))
    rows = (
        pl.read_csv(file).join(pool, on="clip").with_columns(passed=(pl.col("score") >= content["minimum"]).cast(int))
    )
    rows.write_csv(file)
    told = stats("fairness", file, "--label", "good", "--pass", "passed", "--group", "language", "--weight", "weight")
    kinds = {"false_rejection": "good, rejected", "false_acceptance": "bad, accepted"}
    for kind, short in kinds.items():
        words = {"false_rejection": "Good clips that the filter rejects by language"}
        title = words.get(kind, "Bad clips that the filter accepts by language")
        (table,) = (one for label, one in page.items() if label.lower() == title.lower())
        numbers = page[f"{title}: the numbers"]
        points = drawn(site.figure(f"consequences/figures/{kind}.json?filter=sync&by=language"))
        groups = [one for one in told["groups"] if one["kind"] == kind]
        assert len(groups) >= 4
        for one in groups:
            group = one["group"]
            shown = f"{group} too few" if one["too_few"] else group
            printed = site.report["subgroups"].row(
                "Lip sync", "language", f"{group} (too few)" if one["too_few"] else group, short
            )
            heads = site.report["subgroups"].headings
            for key, head, series, in_report in (
                ("rate", "Rate", "this group", "rate"),
                ("rest", "The others", "all the others", "all others"),
                ("difference", "Difference", "", "difference"),
            ):
                texts = {"clipjury stats fairness": written(one[key]), "page": table.cell(head, shown)}
                texts["report"] = printed[heads.index(in_report)]
                if series:
                    texts["table of the figure"] = numbers.row(group, series)[2]
                    label = f"{group} (too few)" if one["too_few"] else group
                    (point,) = (row for row in points if (row["label"], row["series"]) == (label, series))
                    texts["figure"] = point["estimate"]
                same(texts)


@on_sqlite
def test_a_pair_of_thresholds_has_the_rates_of_its_filters(study_maker: StudyMaker, researcher: TestClient) -> None:
    """A partner that accepts every clip changes nothing; the preset pair is both filters together, as on their page."""
    here = f"/studies/{average_and_worst(study_maker).slug}"
    page = tables_of(researcher.get(f"{here}/filters/movement/pair").text)["Every pair of cuts"]
    own = tables_of(researcher.get(f"{here}/results").text)["Filters"].row("Movement")
    loosest = min((row[1] for row in page.rows), key=float)
    alone, preset = page.row("80", loosest), page.row("80", "60")
    for place, rate in enumerate(("precision", "recall", "f1")):
        same({"results page": own[2 + place], "pair": alone[6 + place]})
        cells = drawn(researcher.get(f"{here}/filters/movement/pair/{rate}.json").json())
        (cell,) = (one for one in cells if one["preset"])
        same({"pair": preset[6 + place], "map": cell["estimate"]})
    together = " ".join(re.sub(r"<[^>]+>", " ", researcher.get(f"{here}/cascade").text).split())
    assert f"Precision of all together preset {preset[6]}" in together
    assert f"Good clips kept preset {preset[7]}" in together
