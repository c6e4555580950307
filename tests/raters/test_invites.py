"""Invite links: whom they admit, how many, until when; participants of recruitment platforms."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlmodel import col
from typer.testing import CliRunner

from app.cli import cli
from app.db import Database
from app.errors import AppError, NotAllowed, NotFound
from app.models import Invite, Rater
from app.raters import invites
from app.settings import Settings
from tests.helpers.factories import NOON, StudyMaker
from tests.helpers.visitors import Visitor
from tests.helpers.waiting import PATIENCE


def secret(link: invites.NewLink) -> str:
    return link.path.rsplit("/", 1)[-1]


def test_a_personal_link_is_one_rater_and_only_its_hash_is_stored(
    database: Database, study_maker: StudyMaker, visitor: Visitor
) -> None:
    """A personal link opened on two devices is one rater; the database does not contain its secret."""
    study = study_maker()
    with database.writer() as db:
        link = invites.personal(db, study, "Ada")
    for browser in (visitor(), visitor()):
        assert browser.get(link.path, follow_redirects=False).headers["location"] == "/rate"
    with database.writer() as db:
        rater = db.scalars(select(Rater).where(col(Rater.study_id) == study.id)).one()
    assert rater.name == "Ada"
    assert len(secret(link)) >= 22
    assert secret(link) not in repr(rater.model_dump())


def test_links_expire_and_can_be_withdrawn(database: Database, study_maker: StudyMaker) -> None:
    """An expired or withdrawn link admits nobody, from the exact time on."""
    study = study_maker()
    with database.writer() as db:
        link = invites.personal(db, study, "Ada", expires_at=NOON)
        crowd = invites.opened(db, study, label="class")
        assert invites.entrance(db, secret(link), now=NOON - timedelta(seconds=1)).rater is not None
        with pytest.raises(NotAllowed, match="expired"):
            invites.entrance(db, secret(link), now=NOON)
        invites.withdraw(db, study, db.scalars(select(Invite)).one().id, now=NOON)
        with pytest.raises(NotFound, match="withdrawn"):
            invites.entrance(db, secret(crowd), now=NOON)


def test_withdrawing_needs_the_right_study(database: Database, study_maker: StudyMaker) -> None:
    """A link of one study cannot be withdrawn through another."""
    mine, other = study_maker(), study_maker()
    with database.writer() as db:
        invites.opened(db, mine)
        with pytest.raises(NotFound, match="no open link"):
            invites.withdraw(db, other, db.scalars(select(Invite)).one().id, now=NOON)


def test_an_open_link_admits_as_many_raters_as_its_cap(
    database: Database, study_maker: StudyMaker, visitor: Visitor
) -> None:
    """The third person at a link for two is refused with a message; the first two are two raters."""
    study = study_maker()
    with database.writer() as db:
        link = invites.opened(db, study, cap=2)
    statuses = [visitor().post(link.path, data={"name": "Bo"}, follow_redirects=False).status_code for _ in range(3)]
    assert statuses == [303, 303, 403]
    with database.writer() as db:
        assert sorted(db.scalars(select(col(Rater.name)).where(col(Rater.study_id) == study.id))) == ["Bo", "Bo 2"]


@pytest.mark.parametrize("parameter", ["PROLIFIC_PID", "workerId"])
def test_a_participant_who_returns_is_the_same_rater(
    database: Database, study_maker: StudyMaker, visitor: Visitor, parameter: str
) -> None:
    """The platform's id identifies the rater: in another browser, and in a browser that another rater used."""
    study = study_maker()
    with database.writer() as db:
        link = invites.opened(db, study)
    first = visitor()
    first.post(f"{link.path}?{parameter}=p1", data={"name": "A"})
    again = visitor().get(f"{link.path}?{parameter}=p1", follow_redirects=False)
    assert again.headers["location"] == "/rate"
    first.post(f"{link.path}?{parameter}=p2", data={"name": "B"})
    with database.writer() as db:
        found = db.scalars(select(Rater).where(col(Rater.study_id) == study.id).order_by("id")).all()
    assert [one.platform_ids["participant"] for one in found] == ["p1", "p2"]


def test_a_paused_study_admits_only_existing_raters(database: Database, study_maker: StudyMaker) -> None:
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


def test_a_list_of_raters_is_read_and_links_are_written() -> None:
    """Names and expiry dates are read, e-mail addresses are not kept, and no name becomes a spreadsheet formula."""
    (ada, ends), (formula, _) = invites.names_in("\ufeffname,email,expires\nAda,a@b.c,2026-12-31T00:00+00:00\n=1+1,,\n")
    assert ends is not None
    assert (ada, ends.isoformat()) == ("Ada", "2026-12-31T00:00:00+00:00")
    out = invites.links_csv([invites.NewLink(formula, "/join/x", None)], "https://rate.example.org")
    assert out == "name,link,expires\n'=1+1,https://rate.example.org/join/x,\n"


@pytest.mark.parametrize(("text", "words"), [("who\nAda\n", "no column name"), ("name,expires\nAda,soon\n", "Line 2")])
def test_an_invalid_list_is_refused_with_its_line(text: str, words: str) -> None:
    """A list without names or with an invalid date is refused, and the error names the line."""
    with pytest.raises(AppError, match=words):
        invites.names_in(text)


def test_the_qr_code_is_an_image_that_the_content_policy_allows() -> None:
    """The code is an SVG in a data: URL, and differs with the address."""
    code = invites.qr_code("https://rate.example.org/join/abc")
    assert code.startswith("data:image/svg+xml")
    assert code != invites.qr_code("https://rate.example.org/join/abd")


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ("2026-12-31", "2027-01-01T00:00:00+00:00"),
        ("2026-12-31T10:00", "2026-12-31T10:00:00+00:00"),
        ("2026-12-31T10:00+02:00", "2026-12-31T08:00:00+00:00"),
    ],
)
def test_date_means_the_end_of_that_day(given: str, ends: str) -> None:
    """A link that expires on a date is valid on that day, in UTC."""
    end = invites.end_of(given)
    assert end is not None
    assert end.isoformat() == ends


def test_the_cap_holds_for_simultaneous_raters(database: Database, study_maker: StudyMaker) -> None:
    """Eight people open a link for three at the same time: three are admitted, five are told that it is used up."""
    study = study_maker()
    with database.writer() as db:
        link = invites.opened(db, study, cap=3)
    together = Barrier(8)

    def come(number: int) -> bool:
        together.wait(timeout=PATIENCE)
        try:
            with database.writer() as db:
                invites.admit(db, invites.entrance(db, secret(link), now=NOON), f"Rater {number}", {})
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(come, range(8))) == 3
    with database.writer() as db:
        assert len(db.scalars(select(Rater).where(col(Rater.study_id) == study.id)).all()) == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_commands_create_valid_links(
    study_maker: StudyMaker, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A link by name, links for a file of names, an open link with a cap; no file of links is overwritten."""
    study = study_maker(clips=1, with_media=False)
    monkeypatch.setenv("CLIPJURY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPJURY_DATABASE_URL", settings.database_url)
    names, links = tmp_path / "names.csv", tmp_path / "links.csv"
    names.write_text("name,expires\nBob,\nCleo,2027-01-05\n")
    runner = CliRunner()
    assert runner.invoke(cli, ["invite", study.slug, "Ann"]).output.startswith("http")
    assert "called Ann 2" in runner.invoke(cli, ["invite", study.slug, "Ann"]).stderr
    made = runner.invoke(cli, ["invites", study.slug, "--csv", str(names), "-o", str(links)])
    assert made.exit_code == 0, made.output
    assert links.read_text().count("/join/") == 2
    assert links.stat().st_mode & 0o077 == 0
    assert runner.invoke(cli, ["invites", study.slug, "--csv", str(names), "-o", str(links)]).exit_code
    assert "/join/" in runner.invoke(cli, ["invites", study.slug, "--open", "--cap", "5"]).output
