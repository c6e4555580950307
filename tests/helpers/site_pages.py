"""Everything that shows a study's estimates: pages, figures, exported files and the report, to be compared."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlmodel import Session
from starlette.testclient import TestClient

from analysis.number_format import number_text
from app.report import facts, tables
from app.report.facts import ReportFacts
from app.results import study_results
from app.studies import lifecycle
from tests.helpers.exported_files import Exports
from tests.helpers.page_tables import PageTable, tables_of


@dataclass(frozen=True, eq=False)
class Site:
    """A study's pages in a researcher's browser, its exported files, and the facts of its report."""

    browser: TestClient
    db: Session
    address: str

    def tables(self, path: str) -> dict[str, PageTable]:
        """The tables of one of the study's pages."""
        return tables_of(self.browser.get(f"{self.address}/{path}").text)

    def figure(self, path: str) -> dict[str, Any]:
        """The specification of a figure."""
        found: dict[str, Any] = self.browser.get(f"{self.address}/{path}").json()
        return found

    @cached_property
    def exports(self) -> Exports:
        """The study's exported files."""
        return Exports.of(self.browser, self.address)

    @cached_property
    def facts(self) -> ReportFacts:
        """What the report is made from."""
        study = lifecycle.by_slug(self.db, self.address.rpartition("/")[2])
        return facts.gather(self.db, study, study_results.compute(self.db, study, "person"))

    @cached_property
    def report(self) -> dict[str, PageTable]:
        """The report's tables by name."""
        made = tables.all_tables(self.facts)
        return {one.name: PageTable(one.name, list(one.headings), [list(row) for row in one.rows]) for one in made}


def written(estimate: Mapping[str, Any]) -> str:
    """An estimate of a JSON object as pages write it."""
    return number_text(*(estimate[part] for part in ("value", "low", "high", "undefined")))


def same(texts: Mapping[str, str]) -> str:
    """Check that all places say the same, whatever reason an undefined estimate has there; returns it."""
    said = {place: re.sub(r"^undefined.*", "undefined", text) for place, text in texts.items()}
    assert len(said) > 1
    assert len(set(said.values())) == 1, said
    text = next(iter(said.values()))
    assert re.fullmatch(r"−?\d\.\d\d (\[−?\d\.\d\d, −?\d\.\d\d\]|\(no interval\))|undefined", text), said
    return text


def drawn(figure: Any) -> list[dict[str, Any]]:
    """The rows of data in a figure's specification that hold an estimate."""
    if isinstance(figure, list):
        return [row for part in figure for row in drawn(part)]
    if not isinstance(figure, dict):
        return []
    own = [figure] if "estimate" in figure and "field" not in figure else []
    return own + [row for part in figure.values() for row in drawn(part)]
