"""Invite links: who they let in, how often, until when; whom a recruitment platform sends."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from app import invites
from app.db import Database
from app.errors import AppError, NotAllowed, NotFound
from app.models import Invite, Rater
from tests.factories import NOON, StudyMaker

Visitor = Callable[[], TestClient]


def secret(link: invites.Link) -> str:
    return link.path.rsplit("/", 1)[-1]


def test_personal_link_is_the_same_rater_and_only_its_hash_is_kept(
    database: Database, study_maker: StudyMaker, visitor: Visitor
) -> None:
    """A personal link opened on two devices is one rater; the database never holds its secret."""
    study = study_maker()
    with database.writer() as db:
        link = invites.personal(db, study, "Ada")
    for browser in (visitor(), visitor()):
        assert browser.get(link.path, follow_redirects=False).headers["location"] == "/rate"
    with database.writer() as db:
        rater = db.exec(select(Rater).where(Rater.study_id == study.id)).one()
    assert rater.name == "Ada"
    assert len(secret(link)) >= 22
    assert secret(link) not in repr(rater.model_dump())


def test_links_end(database: Database, study_maker: StudyMaker) -> None:
    """An expired or withdrawn link opens nothing, from the very moment it ends."""
    study = study_maker()
    with database.writer() as db:
        link = invites.personal(db, study, "Ada", expires_at=NOON)
        crowd = invites.opened(db, study, label="class")
        assert invites.entrance(db, secret(link), now=NOON - timedelta(seconds=1)).rater is not None
        with pytest.raises(NotAllowed, match="expired"):
            invites.entrance(db, secret(link), now=NOON)
        invites.withdraw(db, study, db.exec(select(Invite)).one().id, now=NOON)
        with pytest.raises(NotFound, match="withdrawn"):
            invites.entrance(db, secret(crowd), now=NOON)


def test_withdrawing_needs_the_right_study(database: Database, study_maker: StudyMaker) -> None:
    """A link of one study cannot be withdrawn through another."""
    mine, other = study_maker(), study_maker()
    with database.writer() as db:
        invites.opened(db, mine)
        with pytest.raises(NotFound, match="no open link"):
            invites.withdraw(db, other, db.exec(select(Invite)).one().id, now=NOON)


def test_open_link_lets_in_as_many_as_its_cap(database: Database, study_maker: StudyMaker, visitor: Visitor) -> None:
    """The third person at a link for two is refused in words; the first two are two raters."""
    study = study_maker()
    with database.writer() as db:
        link = invites.opened(db, study, cap=2)
    statuses = [visitor().post(link.path, data={"name": "Bo"}, follow_redirects=False).status_code for _ in range(3)]
    assert statuses == [303, 303, 403]
    with database.writer() as db:
        assert sorted(db.exec(select(Rater.name).where(Rater.study_id == study.id))) == ["Bo", "Bo 2"]


@pytest.mark.parametrize("parameter", ["PROLIFIC_PID", "workerId"])
def test_participant_who_comes_again_is_the_same_rater(
    database: Database, study_maker: StudyMaker, visitor: Visitor, parameter: str
) -> None:
    """The platform's id decides who somebody is: in another browser, and in a browser somebody else used."""
    study = study_maker()
    with database.writer() as db:
        link = invites.opened(db, study)
    first = visitor()
    first.post(f"{link.path}?{parameter}=p1", data={"name": "A"})
    again = visitor().get(f"{link.path}?{parameter}=p1", follow_redirects=False)
    assert again.headers["location"] == "/rate"
    first.post(f"{link.path}?{parameter}=p2", data={"name": "B"})
    with database.writer() as db:
        found = db.exec(select(Rater).where(Rater.study_id == study.id).order_by("id")).all()
    assert [one.platform_ids["participant"] for one in found] == ["p1", "p2"]


def test_paused_study_takes_nobody_new_but_knows_its_own(database: Database, study_maker: StudyMaker) -> None:
    """While a study is paused a new person is refused, a rater with a personal link is not."""
    study = study_maker()
    with database.writer() as db:
        own, crowd = invites.personal(db, study, "Ada"), invites.opened(db, study)
        study.state = "paused"
        db.add(study)
        db.flush()
        assert invites.admit(db, invites.entrance(db, secret(own), now=NOON), "", {}).name == "Ada"
        with pytest.raises(NotAllowed, match="no new raters"):
            invites.admit(db, invites.entrance(db, secret(crowd), now=NOON), "Bo", {})


def test_list_of_raters_in_and_links_out() -> None:
    """Names and ends are read, addresses of mail are not kept, and no name becomes a spreadsheet's formula."""
    (ada, ends), (formula, _) = invites.names_in("\ufeffname,email,expires\nAda,a@b.c,2026-12-31T00:00+00:00\n=1+1,,\n")
    assert ends is not None
    assert (ada, ends.isoformat()) == ("Ada", "2026-12-31T00:00:00+00:00")
    out = invites.links_csv([invites.Link(formula, "/join/x", None)], "https://rate.example.org")
    assert out == "name,link,expires\n'=1+1,https://rate.example.org/join/x,\n"


@pytest.mark.parametrize(("text", "words"), [("who\nAda\n", "no column name"), ("name,expires\nAda,soon\n", "Line 2")])
def test_unreadable_list_is_refused_by_its_place(text: str, words: str) -> None:
    """A list without names, or with an end that is no date, is refused and says where."""
    with pytest.raises(AppError, match=words):
        invites.names_in(text)


def test_qr_code_is_an_image_the_page_may_show() -> None:
    """The code is an SVG within a data: address, and differs with the address it carries."""
    code = invites.qr_code("https://rate.example.org/join/abc")
    assert code.startswith("data:image/svg+xml")
    assert code != invites.qr_code("https://rate.example.org/join/abd")
