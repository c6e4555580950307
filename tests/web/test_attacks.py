"""Situations in which answers, strata or people could be confused."""

import json

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app.db import Database
from app.models import Assignment, Judgment, Rater, StudyClip
from app.raters import raters
from app.report import exports
from app.settings import Settings
from app.studies import creation, lifecycle
from tests.helpers.factories import StudyMaker, form
from tests.helpers.visitors import Visitor


def enter(visitor: Visitor, settings: Settings, study: object, name: str = "Ada") -> TestClient:
    """A rater at their first clip."""
    browser = visitor()
    browser.post(raters.open_link(settings, study), data={"name": name})  # type: ignore[arg-type]  # a study
    browser.post("/rate/start")
    return browser


def on_screen(browser: TestClient) -> str:
    """Address of the answer form."""
    return browser.get("/rate").text.split('id="answers" method="post" action="')[1].split('"')[0]


def test_undo_goes_back_answer_by_answer(visitor: Visitor, settings: Settings, study_maker: StudyMaker) -> None:
    """Following Undo from answer to answer visits each of them once, newest first."""
    study = study_maker(clips=5, with_media=False)
    browser = enter(visitor, settings, study)
    answered = []
    for number in range(4):
        answered.append(on_screen(browser))
        browser.post(answered[-1], data=form(f"s{number}"))
    page = browser.get("/rate").text
    visited = []
    while 'data-act="undo" href="' in page:
        visited.append(page.split('data-act="undo" href="')[1].split('"')[0])
        assert len(visited) <= 4
        page = browser.get(visited[-1]).text
    assert visited == answered[::-1]


def test_a_skipped_clip_shows_no_scores(visitor: Visitor, settings: Settings, study_maker: StudyMaker) -> None:
    """Where scores follow the answer, a skip is not an answer: going back shows none, and a later answer is blind."""
    study = study_maker(clips=1, score_visibility="after", with_media=False)
    browser = enter(visitor, settings, study)
    address = on_screen(browser)
    browser.post(f"{address}/skip", data={"reason": "other"})
    assert "97.2" not in browser.get(address).text
    assert "97.2" not in browser.get(f"{address}?revealed=true").text


def test_ids_in_addresses_do_not_follow_the_strata(
    database: Database, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows are written in an order of their own: neither clips nor places come stratum by stratum."""
    from tests.studies.test_creation import SPEC, spec_of, thirty

    pool = thirty(tmp_path_factory.mktemp("pool"))
    orders = set()
    for slug in ("one", "two", "three"):
        creation.create(database, settings, pool, spec_of(), SPEC, slug=slug)
        with database.reader() as db:
            study = lifecycle.by_slug(db, slug)
            clips = {
                clip.id: clip for clip in db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id)).all()
            }
            places = db.scalars(select(Assignment).where(col(Assignment.study_id) == study.id)).all()
        ranked = [clips[place.study_clip_id].clip for place in sorted(places, key=lambda place: place.id)]
        orders.add(tuple(ranked))
        strata = [clips[number].stratum for number in sorted(clips)]
        assert strata != sorted(strata) or len(set(strata)) == 1
    assert len(orders) == 3, "the same draw, written in three orders"


@pytest.mark.parametrize("facts", ['{"shown_at": "\\ud800"}', '{"plays": 1e999}', '{"plays": NaN}', "[" * 3900])
def test_invalid_facts_do_not_break_the_export(
    facts: str, visitor: Visitor, settings: Settings, study_maker: StudyMaker, database: Database
) -> None:
    """Lone surrogates, infinite numbers and deep nesting are dropped; answer and export are complete."""
    study = study_maker(clips=1, with_media=False)
    browser = enter(visitor, settings, study)
    browser.post(on_screen(browser), data=form("s") | {"facts": facts})
    with database.reader() as db:
        rows = db.scalars(select(Judgment)).all()
        text = "".join(exports.judgments_csv(db, lifecycle.by_slug(db, study.slug)))
    assert len(rows) == 3
    assert json.dumps([row.facts for row in rows], allow_nan=False) == "[{}, {}, {}]"
    assert len(text.encode().splitlines()) == 4


def test_a_browser_remains_one_rater_per_study(
    visitor: Visitor, settings: Settings, study_maker: StudyMaker, database: Database
) -> None:
    """Opening another study's link and returning, or sending the name twice, creates no second rater."""
    first, second = study_maker(with_media=False), study_maker(with_media=False)
    browser = enter(visitor, settings, first)
    before = on_screen(browser)
    browser.post(raters.open_link(settings, second), data={"name": "Ada"})
    browser.get(raters.open_link(settings, first))
    assert on_screen(browser) == before
    browser.post(raters.open_link(settings, first), data={"name": "Ada again"})
    with database.reader() as db:
        assert [rater.study_id for rater in db.scalars(select(Rater)).all()] == [first.id, second.id]


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", "https://evil.example"])
def test_invalid_origins_are_refused_with_a_message(origin: str, visitor: Visitor, app: FastAPI) -> None:
    """An origin that is not an address counts as another site and causes no server error."""
    assert app is not None
    answer = visitor().post("/sign-in", data={"key": "x"}, headers={"origin": origin})
    assert answer.status_code == 403
    assert "another site" in answer.text


@pytest.mark.parametrize("number", ["0", "-1", "2147483648", "9223372036854775808", "9" * 40])
def test_impossible_ids_are_refused_with_a_message(
    number: str, visitor: Visitor, settings: Settings, study_maker: StudyMaker
) -> None:
    """No number in an address causes a server error, on either database."""
    browser = enter(visitor, settings, study_maker(with_media=False))
    for answer in (browser.get(f"/rate/{number}"), browser.post(f"/rate/{number}", data=form("s"))):
        assert answer.status_code == 422
        assert "not understood" in answer.text
