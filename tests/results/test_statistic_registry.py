"""An agreement statistic is one registry entry: all pages, figures, files and commands with statistics show it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from analysis.agreement.statistics import STATISTICS, AgreementStatistic, statistic_named
from analysis.agreement.weighted import weighted_agreement
from analysis.estimate import Floats, Ints
from analysis.ratings import VERDICT, Ratings
from app.commands.stats.agreement import agreement
from app.db import Database
from app.models import Study
from app.report import pack_files
from tests.helpers.visitors import on_sqlite

COMMAND = typer.Typer()
COMMAND.command()(agreement)


def unanimous_share(patterns: Ints, weights: Floats) -> Floats:
    """Share of clips on which all raters gave the same answer, shape (replicates,)."""
    unanimous = (patterns.max(axis=1) == patterns.sum(axis=1)).astype(np.float64)
    return np.asarray((weights @ unanimous) / weights.sum(axis=1))


@pytest.fixture
def unanimity() -> Iterator[AgreementStatistic]:
    """Register a statistic during one test."""
    added = AgreementStatistic(
        key="unanimity",
        label="unanimous clips",
        explanation="Unanimous clips are those with one answer from all raters.",
        coefficient=lambda _scale: unanimous_share,
        fewest_votes=2,
        chance_corrected=False,
    )
    STATISTICS[added.key] = added
    yield added
    del STATISTICS[added.key]


@on_sqlite
def test_a_registered_statistic_is_on_every_page_and_in_every_figure(
    unanimity: AgreementStatistic, judged: Study, researcher: TestClient
) -> None:
    """The results page and the agreement page have its column, value and explanation; both forest plots draw it."""
    here = f"/studies/{judged.slug}"
    for page in (f"{here}/results", f"{here}/agreement"):
        text = researcher.get(page).text
        assert '<th scope="col" class="number">Unanimous clips</th>' in text
        assert unanimity.explanation in text
        row = re.search(r'<th scope="row">Verdict</th>.*?</tr>', text, re.DOTALL)
        assert row is not None
        assert "0.86" in row.group(), "six of seven clips"
    for figure in (f"{here}/figures/agreement", f"{here}/agreement/figures/forest"):
        assert ">unanimous clips<" in researcher.get(f"{figure}.svg").text
        assert "unanimous clips" in researcher.get(f"{figure}.json").text


@on_sqlite
def test_a_registered_statistic_is_in_the_files(
    unanimity: AgreementStatistic, judged: Study, researcher: TestClient, database: Database, tmp_path: Path
) -> None:
    """estimates.json has its estimate; the report has its column, and names it in the methods and the checklist."""
    sent = researcher.get(f"/studies/{judged.slug}/estimates.json").json()
    estimates = {one["criterion"]: one["estimates"] for one in sent["agreement"]}
    assert estimates["verdict"][unanimity.key]["value"] == pytest.approx(6 / 7)
    with database.reader() as db:
        pack_files.write(db, db.get_one(Study, judged.id), tmp_path / "report")
    heads, *rows = (tmp_path / "report/tables/agreement.csv").read_text(encoding="utf-8").splitlines()
    assert "unanimous clips" in heads.split(",")
    assert next("0.86" in row for row in rows if row.startswith("Verdict"))
    for name in ("methods.md", "checklist.md", "figures/agreement.svg", "report.html"):
        assert "unanimous clips" in (tmp_path / "report" / name).read_text(encoding="utf-8"), name


def test_a_registered_statistic_is_in_the_command(unanimity: AgreementStatistic, tmp_path: Path) -> None:
    """`clipjury stats agreement` prints it as a table and as JSON, and design-weighted if clips have weights."""
    votes = ["a,x,v,yes,1", "a,y,v,yes,1", "b,x,v,yes,3", "b,y,v,no,3", "c,x,v,no,1", "c,y,v,no,1"]
    plain, weighted = tmp_path / "plain.csv", tmp_path / "weighted.csv"
    plain.write_text("\n".join(["clip,rater,criterion,value", *(line.rsplit(",", 1)[0] for line in votes)]))
    weighted.write_text("\n".join(["clip,rater,criterion,value,weight", *votes]))
    for file, value in ((plain, 2 / 3), (weighted, 2 / 5)):
        asked = [str(file), "--scale", "nominal", "--resamples", "50"]
        found = json.loads(CliRunner().invoke(COMMAND, [*asked, "--json"]).output)
        row = next(one for one in found["estimates"] if one["statistic"] == unanimity.key)
        assert row["value"] == pytest.approx(value)
        assert f"{unanimity.key} " in CliRunner().invoke(COMMAND, asked).output


def test_an_unknown_statistic_is_refused() -> None:
    """An unknown name raises an error that lists the known names, instead of giving the value of another statistic."""
    with pytest.raises(ValueError, match=r"no statistic of agreement 'unanimity'.*krippendorff_alpha"):
        statistic_named("unanimity")
    ratings = Ratings.from_votes(list("aabb"), list("xyxy"), ["accept", "accept", "reject", "accept"], VERDICT)
    with pytest.raises(ValueError, match="no statistic of agreement"):
        weighted_agreement("unanimity", ratings, {"a": 1.0, "b": 1.0})
