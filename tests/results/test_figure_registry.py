"""A figure is one registry entry: page, address and report show it, with the same refusal and the same mark."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import altair as alt
import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from analysis.figures import Chart, Table, spec
from app.db import Database
from app.errors import NotFound
from app.models import Study, StudyClip
from app.report import pack_files
from app.results.figure_registry import FIGURES, Figure, PageName, draw, find, register
from tests.helpers import pool_studies
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite

FINDING = "Seven swans a-swimming"
TEMPLATES = Path(__file__).parents[2] / "templates"
PLACES: dict[PageName, tuple[str, str, str]] = {
    "results": ("", "results", "figures/swans"),
    "filter": ("", "filters/still", "figures/swans-still"),
    "agreement": ("raters", "agreement", "agreement/figures/swans?criterion=verdict"),
    "rater": ("", "agreement/raters/R1", "agreement/figures/swans?rater=R1"),
    "pool": ("who", "pool", "consequences/figures/swans?by=language"),
    "fairness": ("numbers", "fairness?number=sync", "consequences/figures/swans?by=language&number=sync"),
    "anchoring": ("ceiling", "anchoring", "consequences/figures/swans"),
    "workbench": ("more", "filters/still/workbench", "filters/still/workbench/figures/swans"),
}
"""By page: section, address of the page, address of the figure without extension, both below the study's address."""


class Panel:
    """Figure data of a simulated panel."""

    simulated = True


def swans(_data: Any, width: int) -> Chart:
    """Draw a figure that needs no data."""
    title = alt.Title(FINDING, subtitle="n = 7 swans")
    drawn: Chart = alt.Chart(alt.InlineData(values=[{"swans": 7}])).mark_point().properties(width=width, title=title)
    return drawn


@pytest.fixture
def add() -> Iterator[Callable[..., Figure[Any]]]:
    """Register a figure during one test."""
    before = dict(FIGURES)

    def make(page: PageName, section: str = "", **more: Any) -> Figure[Any]:
        figure = Figure[Any](
            page=page,
            section=section,
            key="swans",
            title=lambda _: "Swans of the study",
            caption=lambda _: "Counted at noon.",
            chart=swans,
            table=lambda _: Table(("swans", "geese"), (("seven", 7),)),
            **more,
        )
        register(figure)
        return figure

    yield make
    FIGURES.clear()
    FIGURES.update(before)


@pytest.fixture
def study(study_maker: StudyMaker, tmp_path: Path) -> Study:
    """Thirty sampled clips of a pool of sixty, each judged by two people."""
    made = pool_studies.make(study_maker.database, study_maker.settings, tmp_path)
    with study_maker.database.reader() as db:
        clips = list(db.scalars(select(StudyClip).where(col(StudyClip.study_id) == made.id)))
    pool_studies.judge(study_maker, made, clips)
    return made


@on_sqlite
def test_a_registered_figure_is_on_its_page_and_at_its_address(
    add: Callable[..., Figure[Any]], study: Study, researcher: TestClient
) -> None:
    """Every kind of page shows its title and table; its address has the picture and the specification."""
    here = f"/studies/{study.slug}"
    for page, (section, address, figure) in PLACES.items():
        add(page, section)
        text = researcher.get(f"{here}/{address}").text
        path, _, query = figure.partition("?")
        assert f'data-figure="{here}/{path}' in text, page
        assert 'aria-label="Swans of the study"' in text, page
        assert '<th scope="col" class="number">swans</th>' in text, page
        drawn = researcher.get(f"{here}/{path}.svg?{query}")
        assert FINDING in drawn.text, page
        assert drawn.headers["content-disposition"].endswith('swans.svg"' if page != "filter" else 'swans-still.svg"')
        assert researcher.get(f"{here}/{path}.json?{query}").json()["title"]["text"] == FINDING, page


@on_sqlite
def test_a_registered_figure_is_in_the_report(
    add: Callable[..., Figure[Any]], study: Study, database: Database, tmp_path: Path
) -> None:
    """The report has the figures of the results page and of each filter's page, as files and in report.html."""
    add("results")
    add("filter")
    with database.reader() as db:
        names = pack_files.write(db, db.get_one(Study, study.id), tmp_path / "report")
    for name in ("swans", "swans-still", "swans-sharp"):
        assert {f"figures/{name}.svg", f"figures/{name}.pdf", f"figures/{name}.png"} <= set(names)
        assert FINDING in (tmp_path / "report/figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert f"Figure {name};" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


@on_sqlite
def test_an_unknown_figure_is_refused_at_every_address(study: Study, researcher: TestClient) -> None:
    """Every address answers 404 with the same sentence."""
    for _section, _address, figure in PLACES.values():
        path, _, query = figure.partition("?")
        asked = path.replace("swans-still", "swans")
        answer = researcher.get(f"/studies/{study.slug}/{asked}.json?{query}")
        assert answer.status_code == 404, asked
        assert "There is no figure &#39;swans&#39;." in answer.text, asked


def test_simulated_answers_are_marked_in_the_figure_itself(add: Callable[..., Figure[Any]]) -> None:
    """A saved file says so too; a figure without raters' answers has no mark."""
    marked, plain = add("results"), add("pool", from_ratings=False)
    assert "Simulated raters, no person's answers" in json.dumps(spec(draw(marked, Panel()), "light"))
    assert "Simulated" not in json.dumps(spec(draw(plain, Panel()), "light"))


def test_a_figure_that_cannot_be_drawn_yet_gives_the_reason(add: Callable[..., Figure[Any]]) -> None:
    """Drawing it raises an error with the reason; a second figure with the same key on a page is refused."""
    figure = add("results", missing=lambda _: "no clip has two answers")
    assert find("swans", "pool", "results") is figure
    with pytest.raises(NotFound, match=r"cannot be drawn yet.*No clip has two answers\."):
        draw(figure, Panel())
    with pytest.raises(ValueError, match="page results has a figure 'swans' already"):
        register(figure)


@on_sqlite
def test_an_uninformative_figure_is_not_on_the_page(
    add: Callable[..., Figure[Any]], study: Study, researcher: TestClient
) -> None:
    """The page leaves it out; its address draws it."""
    add("results", worth_showing=lambda _: False)
    assert "Swans of the study" not in researcher.get(f"/studies/{study.slug}/results").text
    assert FINDING in researcher.get(f"/studies/{study.slug}/figures/swans.svg").text


def test_every_section_of_a_figure_is_in_a_template() -> None:
    """No figure is registered for a section that no template shows."""
    shown = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.rglob("*.html"))
    assert FIGURES
    for figure in FIGURES.values():
        own = f'.section == "{figure.section}"'
        assert not figure.section or own in shown or (figure.page == "fairness" and ".section == kind" in shown)
        assert figure.page in cast(Any, PageName).__args__
