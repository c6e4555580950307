"""Raters' steps before and after rating: their order, completion codes, and that no address skips a step."""

import pytest
from sqlalchemy import event, select
from sqlmodel import col
from starlette.testclient import TestClient

from app.db import Database
from app.models import Assignment, Judgment
from app.raters import raters
from app.rating import completion, onboarding
from app.settings import Settings
from app.studies.rules import Recruitment
from tests.helpers.factories import StudyMaker, form
from tests.helpers.pool_entries import agree, asked, come, events, give_rules, only_rater
from tests.helpers.visitors import Visitor
from tests.rating.test_languages import seen_words

CODES = {"completion_code": "DONE1", "screened_out_code": "OUT1", "returned_code": "BACK1"}


def test_the_steps_come_in_their_order(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Consent, device check, guidelines, then the first clip; each address redirects to the step that is due."""
    study = study_maker()
    give_rules(database, study, consent={"text": "We keep your answers."}, device={})
    browser = visitor()
    assert come(browser, settings, study) == "/rate/consent"
    for address in ("/rate", "/rate/device", "/rate/guidelines", "/rate/closed", "/rate/ended"):
        assert browser.get(address).url.path == "/rate/consent", address
    assert browser.post("/rate/start").url.path == "/rate/consent"
    assert browser.post("/rate/device", data={"told": ""}).url.path == "/rate/consent"
    assert agree(browser) == "/rate/device"
    assert browser.post("/rate/device").url.path == "/rate/guidelines"
    assert browser.get("/rate/device").url.path == "/rate/guidelines"
    assert 'action="/rate/' in browser.post("/rate/start").text
    assert browser.get("/rate/guidelines").url.path == "/rate"
    assert only_rater(database, study).device["script"] is False


def test_onboarding_costs_raters_at_work_no_database_statement(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """With all onboarding rules a study needs no more statements per answer than without them."""

    def statements(browser: TestClient) -> int:
        seen: list[str] = []
        note = lambda *given: seen.append(given[2])  # noqa: E731 - a listener that can be taken off again
        event.listen(database.engine, "before_cursor_execute", note)
        assert browser.get("/rate").status_code == 200
        event.remove(database.engine, "before_cursor_execute", note)
        return len(seen)

    plain, ruled = study_maker(), study_maker()
    rules = {"recruitment": {"cap": 9}}
    give_rules(database, plain, **rules)
    give_rules(database, ruled, consent={"text": "Yes?"}, device={}, **rules)
    first, second = visitor(), visitor()
    come(first, settings, plain)
    come(second, settings, ruled)
    agree(second)
    second.post("/rate/device")
    for browser in (first, second):
        browser.post("/rate/start")
    assert statements(second) == statements(first)


def test_a_rater_who_declines_sees_no_clip_and_may_agree_later(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Declining shows the code for returning the study; agreeing later continues."""
    study = study_maker()
    give_rules(database, study, consent={"text": "Yes?"}, recruitment=CODES)
    browser = visitor()
    come(browser, settings, study)
    assert agree(browser, yes=False) == "/rate/ended"
    assert only_rater(database, study).ended == "declined"
    page = browser.get("/rate")
    assert page.url.path == "/rate/ended"
    assert "BACK1" in page.text
    assert "DONE1" not in page.text
    assert agree(browser) == "/rate/guidelines"
    assert only_rater(database, study).ended == ""
    assert [kind for kind in events(database, study) if "consent" in kind or kind == "declined"] == [
        "declined",
        "consent_given",
    ]


def test_the_completion_code_is_shown_at_the_end_and_only_there(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """No page before the last answer contains the code; the last page and later visits do."""
    study = study_maker(clips=2, raters_per_clip=1)
    address = "https://example.org/done?cc={code}"
    give_rules(database, study, recruitment={**CODES, "completion_url": address})
    browser = visitor()
    come(browser, settings, study)
    page = browser.post("/rate/start")
    for number in range(2):
        assert "DONE1" not in page.text
        page = browser.post(asked(page.text), data=form(f"s{number}"))
    assert 'value="DONE1"' in page.text
    assert 'href="https://example.org/done?cc=DONE1"' in page.text
    assert "DONE1" in browser.get("/rate").text
    assert only_rater(database, study).ended == "completed"
    assert events(database, study).count("completed") == 1


def test_a_completed_rater_cannot_withdraw_and_keeps_the_code(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """After the last answer neither a link nor a form turns a completed study into a returned one."""
    study = study_maker(clips=1, raters_per_clip=1)
    give_rules(database, study, recruitment=CODES)
    browser = visitor()
    come(browser, settings, study)
    browser.post(asked(browser.post("/rate/start").text), data=form("s"))
    assert "/rate/return" not in browser.get("/rate/answers").text
    assert "DONE1" in browser.get("/rate/return").text
    assert "DONE1" in browser.post("/rate/return").text
    assert only_rater(database, study).ended == "completed"


def test_a_waiting_rater_can_withdraw(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """While other raters hold the last clips, the page has a way to withdraw and counts no missing answers."""
    study = study_maker(clips=1, raters_per_clip=1)
    give_rules(database, study, recruitment=CODES)
    ada, ben = visitor(), visitor()
    for browser, name in ((ada, "Ada"), (ben, "Ben")):
        come(browser, settings, study, name)
    ada.post("/rate/start")
    waiting = ben.post("/rate/start").text
    assert "Nothing is free" in waiting
    assert "You rated 0" not in waiting
    assert 'href="/rate/return"' in waiting
    assert "BACK1" in ben.post("/rate/return").text


def test_a_rater_without_answers_gets_no_completion_code(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Without any answer nothing is completed: the code for returning the study is shown."""
    study = study_maker(clips=1, raters_per_clip=1)
    give_rules(database, study, recruitment=CODES)
    study_maker.rate(study, study_maker.rater(study, "First"), {"quality": "3", "stability": "3", "verdict": "accept"})
    browser = visitor()
    come(browser, settings, study)
    page = browser.post("/rate/start").text
    assert "DONE1" not in page
    assert "BACK1" in page


def test_a_full_quota_completes_while_others_are_rating(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """A rater with enough clips is done and does not wait for clips that others hold."""
    study = study_maker(clips=3, raters_per_clip=1)
    give_rules(database, study, recruitment={**CODES, "clips_per_rater": 1})
    ada, ben = visitor(), visitor()
    for browser, name in ((ada, "Ada"), (ben, "Ben")):
        come(browser, settings, study, name)
    mine = ada.post("/rate/start").text
    ben.post("/rate/start")
    page = ada.post(asked(mine), data=form("s")).text
    assert "DONE1" in page
    assert "Nothing is free" not in page


def test_withdrawing_frees_places_and_keeps_answers(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """After a confirmation the rater gets a code, reserved clips are free, and answers stay."""
    study = study_maker(clips=3, raters_per_clip=1)
    give_rules(database, study, recruitment=CODES)
    browser = visitor()
    come(browser, settings, study)
    page = browser.post("/rate/start")
    page = browser.post(asked(page.text), data=form("first"))
    held = asked(page.text)
    confirm = browser.get("/rate/return")
    assert "The 1 clip you rated stays saved." in confirm.text
    assert only_rater(database, study).ended == ""
    gone = browser.post("/rate/return")
    assert gone.url.path == "/rate/ended"
    assert "BACK1" in gone.text
    assert browser.get("/rate").url.path == "/rate/ended"
    with database.reader() as db:
        states = sorted(
            row.status for row in db.scalars(select(Assignment).where(col(Assignment.study_id) == study.id))
        )
        assert states == ["done", "open", "open", "skipped", "skipped"]
        assert len(db.scalars(select(Judgment)).all()) == 3
    late = browser.post(held, data=form("late"), headers={"HX-Request": "true"})
    assert late.url.path == "/rate/ended"
    with database.reader() as db:
        assert len(db.scalars(select(Judgment)).all()) == 6, "an answer that was on its way is kept"


def test_a_screened_out_rater_sees_the_code_for_it(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """The page shows the code for screened-out raters, and no clip comes any more."""
    study = study_maker()
    give_rules(database, study, recruitment=CODES)
    browser = visitor()
    come(browser, settings, study)
    browser.post("/rate/start")
    with database.writer() as db:
        completion.end(db, study, only_rater(database, study), "screened_out")
    page = browser.get("/rate")
    assert page.url.path == "/rate/ended"
    assert "OUT1" in page.text
    with database.reader() as db:
        held = select(Assignment).where(col(Assignment.study_id) == study.id, col(Assignment.status) == "held")
        assert db.scalars(held).all() == []


@pytest.mark.parametrize(
    ("url", "ending", "code", "address"),
    [
        ("", "completed", "DONE1", ""),
        ("https://x.org/", "completed", "DONE1", "https://x.org/"),
        ("https://x.org/", "returned", "BACK1", ""),
        ("https://x.org/?c={code}", "screened_out", "OUT1", "https://x.org/?c=OUT1"),
        ("https://x.org/?c={code}", "declined", "BACK1", "https://x.org/?c=BACK1"),
    ],
)
def test_each_ending_has_its_code_and_return_address(
    url: str, ending: completion.Ending, code: str, address: str
) -> None:
    """An address without a placeholder for the code is used for completion only; with one for every ending."""
    recruitment = Recruitment(**CODES, completion_url=url)
    assert completion.code_for(recruitment, ending) == completion.CompletionCode(code, address)


def test_prolific_participants_return_to_prolific() -> None:
    """The platform's name is enough: its completion address is known; the study's own address takes precedence."""
    named = Recruitment(platform="prolific", completion_code="DONE1")
    assert completion.code_for(named, "completed").address == "https://app.prolific.com/submissions/complete?cc=DONE1"
    assert completion.code_for(named, "returned") == completion.CompletionCode()
    own = Recruitment(platform="prolific", completion_code="DONE1", completion_url="https://x.org/{code}")
    assert completion.code_for(own, "completed").address == "https://x.org/DONE1"


def test_every_step_has_a_page() -> None:
    """Every step has an address."""
    assert set(onboarding.PAGES) == set(onboarding.Step.__args__)  # type: ignore[attr-defined]  # of a Literal


def test_the_join_page_uses_the_study_s_language(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Until the rater chooses a language, the study's is used."""
    study = study_maker()
    give_rules(database, study, language="zh-Hans")
    assert '<html lang="zh-Hans">' in visitor().get(raters.open_link(settings, study)).text


def test_onboarding_and_completion_in_chinese_have_no_english_text(
    study_maker: StudyMaker, database: Database, settings: Settings, visitor: Visitor
) -> None:
    """Only the researcher's own texts stay as they were written."""
    study = study_maker()
    give_rules(
        database, study, language="zh-Hans", consent={"text": "同意"}, device={"min_width": 9}, recruitment=CODES
    )
    browser = visitor()
    pages = [browser.get(raters.open_link(settings, study)).text]
    come(browser, settings, study)
    pages.append(browser.get("/rate").text)
    agree(browser)
    pages += [browser.get("/rate").text, browser.post("/rate/device").text]
    browser.post("/rate/device", data={"told": '{"played": true, "width": 9}'})
    pages += [browser.get("/rate").text, browser.get("/rate/return").text, browser.post("/rate/return").text]
    titles = {page.split("<title>")[1].split(" ·")[0] for page in pages}
    assert len(titles) == 6, "the two pages of the device check share theirs"
    for page in pages:
        assert '<html lang="zh-Hans">' in page
        assert seen_words(page) == []
