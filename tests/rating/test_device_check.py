"""The device check: what the browser says is judged on the server, kept with the rater, and told in words."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db import Database
from app.errors import AppError, TooManyRequests
from app.rating import device_check
from app.settings import Settings
from app.studies.rules import Device
from tests.helpers.factories import StudyMaker
from tests.helpers.pool_entries import come, give_rubric, give_rules, only_rater
from tests.helpers.visitors import Visitor

GOOD: dict[str, Any] = {"script": True, "played": True, "width": 1280, "height": 800, "mbit": 40.0}


@pytest.mark.parametrize(
    ("rule", "told", "wanted"),
    [
        (Device(), GOOD, []),
        (Device(), {**GOOD, "played": False}, ["playback"]),
        (Device(min_width=1280, min_height=800, min_mbit=40), GOOD, []),
        (Device(min_width=1281), GOOD, ["size"]),
        (Device(min_height=801), GOOD, ["size"]),
        (Device(min_mbit=40.5), GOOD, ["speed"]),
        (Device(min_mbit=1), {"script": True, "played": True}, ["speed"]),
        (Device(), {"script": False}, []),
        (Device(min_width=1), {"script": False}, ["script"]),
    ],
)
def test_minimums_are_judged_at_their_very_value(rule: Device, told: dict[str, Any], wanted: list[str]) -> None:
    """As much as is asked for is enough; what was not measured is not there; without script only demands stand."""
    assert device_check.problems(rule, told) == wanted


@pytest.mark.parametrize("text", ["[]", "{", "7", '{"a":' * 500 + "1" + "}" * 500, json.dumps({"error": "x" * 3000})])
def test_an_outcome_that_cannot_be_read_is_refused(text: str) -> None:
    """In words, and nothing is stored."""
    with pytest.raises(AppError, match="could not be read"):
        device_check.told_in(text)


def test_only_known_facts_of_the_right_kind_are_kept() -> None:
    """Odd values are left out; what no database takes is taken out."""
    sent = {"played": 1, "width": "wide", "height": -3, "mbit": True, "error": "B\0r\ud800", "secret": "x"}
    assert device_check.told_in(json.dumps(sent)) == {"script": True, "played": False, "error": "Br?"}
    assert device_check.told_in('{"width": NaN, "mbit": Infinity}') == {"script": True, "played": False}


def test_a_device_that_does_not_fit_is_told_why_and_checked_again(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """The reasons stand on the page with the way out; a better check later lets the rater in."""
    study = study_maker()
    give_rules(database, study, device={"min_width": 1000, "min_mbit": 5})
    browser = visitor()
    assert come(browser, settings, study) == "/rate/device"
    small = browser.post("/rate/device", data={"told": json.dumps({**GOOD, "width": 390, "mbit": 1.25})})
    assert small.url.path == "/rate/device"
    assert "it is 390 pixels wide and 800 pixels high. The study needs a width of at least 1000." in small.text
    assert "a height of at least" not in small.text
    assert "1.2 Mbit/s were measured, and the study needs at least 5." in small.text
    assert "open your link on another device" in small.text
    assert only_rater(database, study).device["passed"] is False
    assert "<video" in browser.get("/rate/device?again=true").text
    assert "<video" in browser.get("/rate/device", headers={"User-Agent": "another one"}).text, "not checked yet"
    assert browser.post("/rate/device", data={"told": json.dumps(GOOD)}).url.path == "/rate/guidelines"
    kept = only_rater(database, study).device
    assert (kept["passed"], kept["width"], kept["problems"]) == (True, 1280, [])


def test_a_device_may_be_checked_so_often_within_an_hour(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Every check is kept, so a program that fails without end is stopped; an hour later the rater may check again."""
    study = study_maker(with_media=False)
    rule = Device(min_width=1000)
    give_rules(database, study, device={"min_width": 1000})
    come(visitor(), settings, study)
    rater = only_rater(database, study)

    def check(now: datetime) -> None:
        with database.writer() as db:
            device_check.record(db, rater, rule, {**GOOD, "width": 390}, browser="b", now=now)

    began = datetime.now(UTC)
    for _ in range(device_check.CHECKS_PER_HOUR):
        check(began)
    with pytest.raises(TooManyRequests) as refused:
        check(began + timedelta(minutes=50))
    assert 500 < refused.value.seconds <= 660
    check(began + timedelta(minutes=61))


def test_without_script_the_page_says_so_and_passes_unless_something_is_demanded(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """The words stand in the page for browsers without script; a study with minimums does not let them in."""
    free, strict = study_maker(), study_maker()
    give_rules(database, free, device={})
    give_rules(database, strict, device={"min_height": 500})
    browser = visitor()
    come(browser, settings, free)
    page = browser.get("/rate").text
    assert "This check needs scripts" in page
    assert "without the check. Switch" not in page
    assert browser.post("/rate/device").url.path == "/rate/guidelines"
    other = visitor()
    come(other, settings, strict)
    assert "it cannot go on without the check" in other.get("/rate").text
    assert "Scripts are switched off" in other.post("/rate/device").text


def test_the_clip_of_the_check_is_an_example_where_there_is_one(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """It plays for the rater; without an example it is a clip of the sample, under an address of its own."""
    plain, shown = study_maker(clips=2), study_maker(clips=2)
    example = give_rubric(database, settings, shown)
    for study in (plain, shown):
        give_rules(database, study, device={})
        browser = visitor()
        come(browser, settings, study)
        found = re.search(r'class="check-clip" src="(/media/c(\d+)-\w+\.mp4)"', browser.get("/rate").text)
        assert found
        assert (int(found[2]) == example) == (study is shown)
        assert browser.get(found[1]).headers["content-type"] == "video/mp4"
