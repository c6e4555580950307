"""The notebook in docs/: its code runs on an exported study without the application."""

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import polars as pl
import pytest

from app.db import Database
from app.exchange import forms
from app.studies import lifecycle
from tests.helpers.factories import StudyMaker
from tests.helpers.places import ROOT
from tests.helpers.rated_studies import computed, nine_clips
from tests.helpers.visitors import on_sqlite

NOTEBOOK = ROOT / "docs" / "analysis.ipynb"


def code() -> list[str]:
    """The code of each code cell."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@on_sqlite
def test_the_notebook_gives_the_numbers_of_the_pages(
    study_maker: StudyMaker, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run in order on a Hugging Face export, its cells give the alpha and the consensus of the pages."""
    study = nine_clips(study_maker)
    with database.reader() as db:
        forms.write(tmp_path / "export", forms.FORMS["huggingface"](db, lifecycle.by_slug(db, study.slug)))
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    said = io.StringIO()
    with redirect_stdout(said):
        for cell in code():
            exec(cell, space)
    assert "48 answers by 2 raters on 9 clips" in said.getvalue()
    found = computed(database, study)
    pages = {one.key: one.estimates["krippendorff_alpha"].value for one in found.criteria}
    estimates = space["estimates"]
    assert isinstance(estimates, dict)
    assert {name: group[0].value for name, group in estimates.items()} == pages
    counts = found.filters[0].verdicts
    judged = space["judged"]
    assert isinstance(judged, pl.DataFrame)
    assert sorted(judged["verdict"]) == ["accept"] * counts.accepted + ["reject"] * counts.rejected
    assert (tmp_path / "agreement.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_notebook_does_not_import_the_application_and_is_small() -> None:
    """No cell imports `app`, and the file with its outputs has less than 30 kB."""
    trees = [ast.parse(cell) for cell in code()]
    found = {
        name.split(".")[0]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    assert found == {"pathlib", "polars", "analysis"}
    assert NOTEBOOK.stat().st_size < 30_000
