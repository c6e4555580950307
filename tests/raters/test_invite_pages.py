"""The raters' page: links are created, shown once and withdrawn; lists of names become lists of links."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from threading import Barrier

import pytest
from httpx2 import Response
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app.db import Database
from app.models import Invite, Rater, Study
from app.raters import invite_list, invites, raters
from app.settings import Settings
from tests.helpers.factories import NOON, StudyMaker, answers
from tests.helpers.visitors import Visitor, on_sqlite
from tests.helpers.waiting import PATIENCE


@pytest.fixture
def study(study_maker: StudyMaker) -> Study:
    """A study without clips to play."""
    return study_maker(clips=2, with_media=False)


def post(browser: TestClient, study: Study, place: str, **form: str) -> Response:
    """Send a form of the raters' page."""
    return browser.post(f"/studies/{study.slug}/raters/{place}", data=form)


def made(page: Response) -> str:
    """Path of the link on the page."""
    found = re.search(r'id="made" readonly value="http://127.0.0.1(/join/[^"]+)"', page.text)
    assert found, page.text
    return found.group(1)


def row(page: Response, name: str) -> str:
    """The words of the row of a rater or link."""
    rows = re.findall(r"<tr>.*?</tr>", page.text, re.DOTALL)
    (found,) = [unescape(re.sub(r"<[^>]+>", " ", one)) for one in rows if f'<th scope="row">{name}' in one]
    return " ".join(found.split())


def listed(browser: TestClient, study: Study, query: str = "") -> Response:
    """The raters' page."""
    return browser.get(f"/studies/{study.slug}/raters{query}")


def test_a_personal_link_is_shown_once_with_its_qr_code(researcher: TestClient, study: Study, visitor: Visitor) -> None:
    """Only the response to the form contains link and QR code, and it is not cached; the link signs the rater in."""
    page = post(researcher, study, "personal", name=" Ada  L. ", expires="2099-12-31")
    link = made(page)
    assert page.headers["cache-control"] == "no-store"
    assert f'src="{invites.qr_code("http://127.0.0.1" + link)}"'.replace("&", "&amp;") in page.text.replace(
        "&#39;", "'"
    )
    assert "2100-01-01 00:00" in page.text
    assert "not come yet" in row(page, "Ada L.")
    assert link.removeprefix("/join/") not in listed(researcher, study).text
    assert visitor().get(link, follow_redirects=False).headers["location"] == "/rate"


def test_sending_the_same_name_again_creates_no_second_rater(
    researcher: TestClient, study: Study, database: Database
) -> None:
    """A reload sends the form again: it is refused with a message, the input is kept, and there is one rater."""
    post(researcher, study, "personal", name="Ada")
    again = post(researcher, study, "personal", name="Ada", expires="2099-12-31")
    assert again.status_code == 409
    assert "There is a rater of this name already: Ada." in again.text
    assert 'value="2099-12-31"' in again.text
    with database.reader() as db:
        assert db.scalars(select(col(Rater.name))).all() == ["Ada"]


@pytest.mark.parametrize(
    ("place", "form", "words"),
    [
        ("personal", {"name": "  "}, "There is no name."),
        ("personal", {"name": "Ada", "expires": "soon"}, "'soon' is no date."),
        ("open", {"cap": "0"}, "A cap of 0 lets nobody in."),
        ("open", {"cap": "-3"}, "'-3' is no number of raters."),
        ("open", {"cap": "٣"}, "is no number of raters."),
        ("open", {"expires": "9999-12-31"}, "'9999-12-31' is no date."),
    ],
)
@on_sqlite
def test_invalid_input_is_refused_with_a_message(
    researcher: TestClient, study: Study, database: Database, place: str, form: dict[str, str], words: str
) -> None:
    """A missing name, an invalid date or number: the page says which, and nothing is created."""
    refused = post(researcher, study, place, **form)
    assert refused.status_code == 422
    assert words in unescape(refused.text)
    with database.reader() as db:
        assert not db.scalars(select(Rater)).all()
        assert not db.scalars(select(Invite)).all()


def test_a_list_of_names_becomes_a_list_of_links(
    researcher: TestClient, study: Study, database: Database, visitor: Visitor
) -> None:
    """The response is the file of links and is not cached; every link works; the same list again is refused."""
    text = "name,expires,email\nAda,2099-01-01,a@example.org\nBo,,\n"
    place = f"/studies/{study.slug}/raters/list"
    answer = researcher.post(place, files={"names": ("n.csv", "\ufeff" + text)}, data={"expires": "2099-06-30"})
    assert answer.headers["content-disposition"] == f'attachment; filename="{study.slug}-links.csv"'
    assert answer.headers["cache-control"] == "no-store"
    head, ada, bo = answer.text.splitlines()
    assert head == "name,link,expires"
    assert ada.endswith(",2099-01-02T00:00:00+00:00")
    assert bo.endswith(",2099-07-01T00:00:00+00:00")
    for line in (ada, bo):
        path = line.split(",")[1].removeprefix("http://127.0.0.1")
        assert visitor().get(path, follow_redirects=False).headers["location"] == "/rate"
    again = researcher.post(place, files={"names": ("n.csv", text)})
    assert again.status_code == 409
    assert "Ada, Bo" in again.text
    with database.reader() as db:
        assert sorted(db.scalars(select(col(Rater.name)))) == ["Ada", "Bo"]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"who\nAda\n", 400, "no column name"),
        (b"name\nAda\nBo\nAda\n", 409, "Ada"),
        (b"name\n", 422, "There is no name."),
        ("name\nJosé\n".encode("latin-1"), 422, "not text in UTF-8"),
        (b"name\n" + b"x" * 1_000_001, 413, "larger than 1 MB"),
    ],
)
@on_sqlite
def test_an_invalid_list_creates_no_rater(
    researcher: TestClient, study: Study, database: Database, content: bytes, status: int, words: str
) -> None:
    """The page says what is wrong, and no part of the list is used."""
    refused = researcher.post(f"/studies/{study.slug}/raters/list", files={"names": ("n.csv", content)})
    assert refused.status_code == status
    assert words in refused.text
    with database.reader() as db:
        assert not db.scalars(select(Rater)).all()


def test_an_open_link_shows_its_count_and_state(researcher: TestClient, study: Study, visitor: Visitor) -> None:
    """A link for two: active, then used up; the third person is refused with a message."""
    link = made(post(researcher, study, "open", label="Class A", cap="2"))
    assert "active 0 of 2" in row(listed(researcher, study), "Class A")
    came = [visitor().post(link, data={"name": "Bo"}, follow_redirects=False).status_code for _ in range(3)]
    assert came == [303, 303, 403]
    page = listed(researcher, study)
    assert "used up 2 of 2" in row(page, "Class A")
    assert "active Class A" in row(page, "Bo 2")


def test_links_are_withdrawn_with_a_button(
    researcher: TestClient, study: Study, visitor: Visitor, database: Database
) -> None:
    """A rater's link and session, an open link and the study's own end at once; withdrawing twice changes nothing."""
    own = made(post(researcher, study, "personal", name="Ada"))
    crowd = made(post(researcher, study, "open", label="Class"))
    rater = visitor()
    rater.get(own)
    with database.reader() as db:
        number, link = db.scalars(select(col(Rater.id))).one(), db.scalars(select(col(Invite.id))).one()
    for _ in range(2):
        for place in (f"{number}/withdraw", f"open/{link}/withdraw"):
            assert post(researcher, study, place).url.path.endswith("/raters")
    page = listed(researcher, study)
    assert row(page, "Ada").startswith("Ada withdrawn")
    assert row(page, "Class").startswith("Class withdrawn")
    assert [visitor().get(path).status_code for path in (own, crowd)] == [404, 404]
    assert rater.get("/rate").status_code == 401


def test_the_study_s_own_link_can_be_withdrawn(
    researcher: TestClient, study: Study, visitor: Visitor, settings: Settings, database: Database
) -> None:
    """It admits nobody any more, and neither pages nor `clipjury links` show it."""
    link = raters.open_link(settings, study)
    pages = (f"/studies/{study.slug}", f"/studies/{study.slug}/raters")
    assert all(link in researcher.get(path).text for path in pages)
    post(researcher, study, "open/first/withdraw")
    assert visitor().get(link).status_code == 404
    assert not any(link in researcher.get(path).text for path in pages)
    assert not any(link in line for line in invite_list.links(settings, database))
    assert "withdrawn" in row(listed(researcher, study), "The study&#39;s own link")


def test_a_lost_link_is_replaced_for_the_same_rater(
    researcher: TestClient, study: Study, visitor: Visitor, database: Database
) -> None:
    """The new link signs in the same rater, also after a withdrawal; the old one stops working."""
    old = made(post(researcher, study, "personal", name="Ada"))
    with database.reader() as db:
        number = db.scalars(select(col(Rater.id))).one()
    post(researcher, study, f"{number}/withdraw")
    new = made(post(researcher, study, f"{number}/link"))
    assert visitor().get(old).status_code == 404
    assert visitor().get(new, follow_redirects=False).headers["location"] == "/rate"
    with database.reader() as db:
        assert db.scalars(select(col(Rater.id))).all() == [number]


@on_sqlite
def test_a_rater_of_an_open_link_gets_no_personal_link(
    researcher: TestClient, study: Study, visitor: Visitor, database: Database
) -> None:
    """A personal link would no longer count towards the open link's cap, so it is refused."""
    link = made(post(researcher, study, "open", cap="1"))
    visitor().post(link, data={"name": "Bo"})
    with database.reader() as db:
        number = db.scalars(select(col(Rater.id))).one()
    assert post(researcher, study, f"{number}/link").status_code == 404
    assert visitor().post(link, data={"name": "Cy"}, follow_redirects=False).status_code == 403


def test_a_study_cannot_withdraw_links_of_another(
    researcher: TestClient, study: Study, study_maker: StudyMaker, database: Database
) -> None:
    """A rater or link of another study is not found."""
    other = study_maker(clips=1, with_media=False)
    post(researcher, study, "personal", name="Ada")
    post(researcher, study, "open")
    with database.reader() as db:
        number, link = db.scalars(select(col(Rater.id))).one(), db.scalars(select(col(Invite.id))).one()
    places = (f"{number}/withdraw", f"{number}/link", f"open/{link}/withdraw")
    assert [post(researcher, other, place).status_code for place in places] == [404, 404, 404]


def test_states_and_counts_follow_the_time(database: Database, study: Study) -> None:
    """A link is expired from its exact end on; the counts by state equal those of the rows."""
    with database.writer() as db:
        ((ada,), _) = (
            invite_list.invite_all(db, study, [("Ada", NOON)]),
            invite_list.invite_all(db, study, [("Bo", None)]),
        )
        assert ada.name == "Ada"
        for moment, state in ((NOON - timedelta(seconds=1), "active"), (NOON, "expired")):
            page = invite_list.rater_page(db, study, now=moment)
            assert {one.name: one.state for one in page.rows} == {"Ada": state, "Bo": "active"}
            expired = int(state == "expired")
            counted = invite_list.counts(db, study, now=moment)
            assert counted == {"active": 2 - expired, "expired": expired, "withdrawn": 0}


def test_a_long_list_has_pages_and_a_search(
    researcher: TestClient, study: Study, database: Database, study_maker: StudyMaker
) -> None:
    """A page has a hundred raters, newest first; the search is literal and ignores case."""
    with database.writer() as db:
        invite_list.invite_all(db, study, [(f"Rater {number}", None) for number in range(101)])
    rater = study_maker.rater(study, "50%_Ω")
    study_maker.rate(study, rater, answers())
    first, second = listed(researcher, study), listed(researcher, study, "?page=2")
    assert "Page 1 of 2" in first.text
    assert "own link 1 no end" in row(first, "50%_Ω")
    assert "Rater 0" in row(second, "Rater 0")
    assert "Rater 100" not in second.text
    for query in ("?name=0%25_", "?name=_%CE%A9"):
        found = re.findall(r'<th scope="row">(.*?)</th>', listed(researcher, study, query).text, re.DOTALL)
        assert found[1:] == ["50%_Ω"]
    assert "Rater 7" in row(listed(researcher, study, "?name=rATER 77"), "Rater 77")
    assert "Nobody is called “zz”" in listed(researcher, study, "?name=zz").text


def test_no_secret_is_in_an_address_or_a_log(
    researcher: TestClient, study: Study, caplog: pytest.LogCaptureFixture
) -> None:
    """The page that shows a link has an address without the secret, and no log contains it."""
    caplog.set_level(logging.DEBUG, logger="clipjury")
    page = post(researcher, study, "personal", name="Ada")
    secret = made(page).removeprefix("/join/")
    assert secret not in str(page.url)
    assert "set-cookie" not in page.headers
    ours = [one.getMessage() for one in caplog.records if one.name.startswith(("clipjury", "uvicorn", "sqlalchemy"))]
    assert not any(secret in line for line in ours)


def test_the_cap_holds_for_simultaneous_forms(
    researcher: TestClient, study: Study, visitor: Visitor, database: Database
) -> None:
    """Six browsers send the form at the same time: two are admitted, four are told that the link is used up."""
    link = made(post(researcher, study, "open", cap="2"))
    browsers = [visitor() for _ in range(6)]
    together = Barrier(len(browsers))

    def come(browser: TestClient) -> int:
        together.wait(timeout=PATIENCE)
        return browser.post(link, data={"name": "Bo"}, follow_redirects=False).status_code

    with ThreadPoolExecutor(len(browsers)) as pool:
        assert sorted(pool.map(come, browsers)) == [303, 303, 403, 403, 403, 403]
    with database.reader() as db:
        assert len(db.scalars(select(Rater)).all()) == 2
