"""Sessions end when they should: renewed, expired and withdrawn links, sign-out on the server, a new signing key."""

from datetime import timedelta
from pathlib import Path

import pytest
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app import auth
from app.db import Database
from app.main import create_app
from app.models import Rater, ResearcherSession, Study, now
from app.raters import invite_list, invites, raters
from app.settings import Settings
from tests.helpers.commands import run
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import Visitor, on_sqlite


@pytest.fixture
def study(study_maker: StudyMaker) -> Study:
    """A study of two clips without videos."""
    return study_maker(clips=2, with_media=False)


def invited(database: Database, study: Study, name: str) -> tuple[int, str]:
    """A new rater's number and personal link."""
    with database.writer() as db:
        link = invites.personal(db, study, name)
        number = db.scalars(select(col(Rater.id)).where(col(Rater.name) == name)).one()
    return number, link.path


def in_room(browser: TestClient) -> bool:
    """True if the browser is signed in as a rater."""
    status = browser.get("/rate").status_code
    assert status in (200, 401)
    return status == 200


@pytest.mark.parametrize("change", ["renewed", "withdrawn", "withdrawn, then renewed"])
def test_a_changed_link_ends_the_sessions_that_came_from_it(
    visitor: Visitor, database: Database, study: Study, change: str
) -> None:
    """For good: a link that is renewed later revives no earlier session, and other raters' sessions stay."""
    number, link = invited(database, study, "Ada")
    _, other_link = invited(database, study, "Grace")
    ada, grace = visitor(), visitor()
    ada.get(link)
    grace.get(other_link)
    assert in_room(ada)
    with database.writer() as db:
        if change.startswith("withdrawn"):
            invite_list.withdraw_rater(db, study, number, now=now())
    with database.writer() as db:
        renewed = invite_list.renew(db, study, number) if change.endswith("renewed") else None
    assert not in_room(ada)
    assert in_room(grace)
    if renewed is not None:
        again = visitor()
        again.get(renewed.path)
        assert in_room(again)
        assert not in_room(ada)


def test_an_expired_link_ends_the_sessions_that_came_from_it(
    visitor: Visitor, database: Database, study: Study
) -> None:
    """From the moment at which it expires."""
    with database.writer() as db:
        link = invites.personal(db, study, "Ada", expires_at=now() + timedelta(hours=1))
    browser = visitor()
    browser.get(link.path)
    assert in_room(browser)
    with database.writer() as db:
        rater = db.scalars(select(Rater)).one()
        rater.expires_at = now() - timedelta(seconds=1)
        db.add(rater)
    assert not in_room(browser)


@on_sqlite
def test_a_cookie_of_an_earlier_version_stays_valid(
    visitor: Visitor, database: Database, study: Study, settings: Settings
) -> None:
    """It names a rater without an epoch, until the link is renewed."""
    number, link = invited(database, study, "Ada")
    browser = visitor()
    browser.get(link)
    [name] = dict(browser.cookies)
    old = URLSafeTimedSerializer(settings.key, salt="session-rater").dumps([number])
    upgraded = visitor()
    upgraded.cookies.set(name, str(old))
    assert in_room(upgraded)
    with database.writer() as db:
        invite_list.renew(db, study, number)
    assert not in_room(upgraded)


def test_signing_out_ends_the_researchers_session_on_the_server(
    visitor: Visitor, database: Database, settings: Settings
) -> None:
    """A copy of the cookie opens nothing afterwards; the session of another browser stays."""
    one, other = visitor(), visitor()
    for browser in (one, other):
        browser.get(f"/researcher/{auth.researcher_key(settings)}")
        assert browser.get("/studies").status_code == 200
    copied = "; ".join(f"{name}={value}" for name, value in dict(one.cookies).items())
    one.post("/sign-out")
    assert visitor().get("/studies", headers={"Cookie": copied}).status_code == 401
    assert other.get("/studies").status_code == 200
    with database.reader() as db:
        [session] = db.scalars(select(ResearcherSession)).all()
    assert session.secret_hash not in copied


def test_the_researchers_session_ends_after_its_time(visitor: Visitor, database: Database, settings: Settings) -> None:
    """The database decides it, whatever the cookie says; the next sign-in removes the ended session."""
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    with database.writer() as db:
        session = db.scalars(select(ResearcherSession)).one()
        session.ends_at = now()
        db.add(session)
    assert browser.get("/studies").status_code == 401
    visitor().get(f"/researcher/{auth.researcher_key(settings)}")
    with database.reader() as db:
        assert session.secret_hash not in db.scalars(select(col(ResearcherSession.secret_hash))).all()


@on_sqlite
@pytest.mark.parametrize("forget", [False, True])
def test_a_new_signing_key_ends_no_study(
    database: Database, study: Study, settings: Settings, tmp_path: Path, forget: bool
) -> None:
    """Raters go on and every link for raters still works; the researcher gets a new link and signs in again.

    With --forget the sessions of raters end as well.
    """
    personal = invited(database, study, "Ada")[1]
    open_link, researcher_link = raters.open_link(settings, study), f"/researcher/{auth.researcher_key(settings)}"
    app = create_app(settings, database=database)
    rater, researcher = TestClient(app, "http://127.0.0.1"), TestClient(app, "http://127.0.0.1")
    rater.get(personal)
    researcher.get(researcher_link)
    words = ["key", "rotate", *(["--forget"] if forget else [])]
    environment = {"CLIPJURY_HOME": str(settings.home)}
    ended = run(words, tmp_path, tmp_path, environment, seconds=60)
    assert (ended.code, ended.err) == (0, "")
    assert f"Copy {settings.key_file} to a safe place" in ended.out
    assert settings.key_file.stat().st_mode & 0o777 == 0o600

    renewed = Settings(home=settings.home, database_url=settings.database_url)
    assert renewed.key != settings.key
    app = create_app(renewed, database=database)

    def after(cookies: dict[str, str]) -> TestClient:
        return TestClient(app, "http://127.0.0.1", cookies=cookies)

    assert after(dict(researcher.cookies)).get("/studies").status_code == 401
    assert after({}).get(researcher_link).status_code == 403
    assert after({}).get(f"/researcher/{auth.researcher_key(renewed)}").status_code == 200
    assert after({}).get(open_link).status_code == 200
    assert after({}).get(personal).status_code == 200
    assert after(dict(rater.cookies)).get("/rate").status_code == (401 if forget else 200)
    assert invite_list.has_first_link(renewed, study) is not forget
    assert (raters.open_link(renewed, study) == open_link) is not forget
