"""One estimate, one string: every page, figure, file and the report write a quantity of a filter alike."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient
from typer.testing import CliRunner

from analysis.estimate import Estimate
from analysis.number_format import estimate_text, number_text
from app.cli import cli
from app.db import Database
from app.models import Study
from app.report import facts, tables
from app.results import agreement
from app.results.study_results import Results
from app.studies import lifecycle
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import A, R, computed, nine_clips, verdicts, vote
from tests.helpers.visitors import on_sqlite

SHOWN_ON = {
    "precision": ("results", "filter", "workbench", "workbench.json", "report"),
    "recall": ("results", "filter", "workbench", "workbench.json", "report"),
    "f1": ("results", "filter", "workbench", "workbench.json", "report"),
    "specificity": ("filter", "workbench.json", "report"),
    "accuracy": ("filter",),
    "prevalence": ("filter",),
    "auc": ("results", "roc figure", "workbench figure", "report"),
}
"""Where each quantity of a filter is shown."""
BOTH = {"Ada": [A, R, A, A, R, A, R, A, A], "Ben": [A, R, A, A, R, R, R, A, R]}
"""What two raters say of nine clips."""


@pytest.fixture
def study(study_maker: StudyMaker) -> Study:
    """Nine clips in strata of unequal weights, two raters."""
    return nine_clips(study_maker)


def words(page: str) -> str:
    """What a page says, without its tags and its spaces."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page)))


def places(researcher: TestClient, db: Session, study: Study, results: Results) -> dict[str, str]:
    """The text of every place that shows a filter's estimates."""
    here = f"/studies/{study.slug}"
    content = researcher.get(f"{here}/filters/movement/workbench.json").json()
    found = facts.gather(db, study, results)
    report = {table.name: table for table in tables.all_tables(found)}
    return {
        "results": words(researcher.get(f"{here}/results").text),
        "filter": words(researcher.get(f"{here}/filters/movement").text),
        "workbench": words(researcher.get(f"{here}/filters/movement/workbench").text),
        "workbench.json": " ".join(rate["text"][content["now"]] for rate in content["rates"].values()),
        "roc figure": str(researcher.get(f"{here}/figures/roc-movement.json").json()["title"]),
        "workbench figure": str(researcher.get(f"{here}/filters/movement/workbench/figures/roc.json").json()["title"]),
        "report": " ".join(report["thresholds"].rows[0]),
    }


@on_sqlite
def test_every_place_writes_an_estimate_alike(study: Study, database: Database, researcher: TestClient) -> None:
    """Value and interval of every quantity stand as one string wherever the quantity is shown."""
    results = computed(database, study)
    filter_result = results.filter_named("movement")
    assert filter_result.current is not None
    assert filter_result.curve is not None
    with database.reader() as db:
        texts = places(researcher, db, lifecycle.by_slug(db, study.slug), results)
    for quantity, shown_on in SHOWN_ON.items():
        estimate: Estimate = filter_result.curve.auc if quantity == "auc" else getattr(filter_result.current, quantity)
        for place in shown_on:
            assert estimate_text(estimate) in texts[place], f"{quantity} on {place}"


@pytest.fixture
def two_raters(study_maker: StudyMaker) -> Study:
    """Nine clips with scores, each rated by the same two people."""
    study = study_maker(clips=9, raters_per_clip=2, scores=[90, 85, 80, 70, 60, 50, 95, 30, 40], with_media=False)
    for name, said in BOTH.items():
        vote(study_maker, study, name, verdicts(said))
    return study


@on_sqlite
def test_kappa_of_two_raters_is_that_of_the_agreement_page(
    two_raters: Study, database: Database, researcher: TestClient, tmp_path: Path
) -> None:
    """The agreement page, the report and the command line write kappa alike; raw agreement follows the results page."""
    results = computed(database, two_raters)
    (criterion,) = (one for one in results.criteria if one.key == "verdict")
    with database.reader() as db:
        found = facts.gather(db, lifecycle.by_slug(db, two_raters.slug), results)
        by_key = {one.item.key: one for one in agreement.compute(db, found.study, "person").criteria}
    (pair,) = by_key["verdict"].pairs
    (row,) = tables.two_rater_rows(found)
    (companion,) = (table for table in tables.all_tables(found) if table.name == "companion")
    here = f"/studies/{two_raters.slug}/agreement/figures/pairs.json?criterion=verdict"
    (printed,) = of_the_command_line(tmp_path)["filters"]
    kappa = estimate_text(pair.kappa)
    assert "[" in kappa
    assert kappa in str(researcher.get(here).json()["title"])
    assert kappa in companion.rows[0]
    assert kappa == written(printed["kappa"])
    assert estimate_text(criterion.estimates["percent_agreement"]) == estimate_text(row.agreement)


def of_the_command_line(folder: Path) -> dict[str, Any]:
    """What `clipjury stats talkvid` says of the same votes."""
    pairs = zip(*BOTH.values(), strict=True)
    lines = [f"movement,{clip},1,{one},{two}" for clip, (one, two) in enumerate(pairs)]
    file = folder / "votes.csv"
    file.write_text("\n".join(["filter,item,filter_pass,rater1,rater2", *lines]))
    told = CliRunner().invoke(cli, ["stats", "talkvid", str(file), "--json"])
    assert told.exit_code == 0, told.output
    found: dict[str, Any] = json.loads(told.output)
    return found


def written(estimate: Mapping[str, Any]) -> str:
    """An estimate of a JSON file as pages write it."""
    return number_text(*(estimate[part] for part in ("value", "low", "high", "undefined")))
