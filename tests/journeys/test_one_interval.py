"""One estimate, one string: every page, figure, file and the report write a quantity of a filter alike."""

import html
import re

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from analysis.estimate import Estimate
from analysis.number_format import estimate_text
from app.db import Database
from app.models import Study
from app.report import facts, tables
from app.results.study_results import Results
from app.studies import lifecycle
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import computed, nine_clips
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
