"""Access rights: every address for each kind of visitor, cookies, forms from other sites, headers."""

import re
import time
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from sqlalchemy import inspect, select, text
from sqlmodel import col
from starlette.routing import Mount
from starlette.testclient import TestClient

from app import auth
from app.db import Database
from app.main import create_app
from app.models import Assignment, Judgment, Rater, Study, StudyClip
from app.raters import raters
from app.rating.assignments import held
from app.settings import Settings
from app.studies.media import address_of
from app.web.pages import CONTENT_POLICY
from tests.helpers.address_table import TABLE
from tests.helpers.factories import NOON, StudyMaker, form
from tests.helpers.visitors import Visitor, on_sqlite

ROLES = ("nobody", "wrong rater", "right rater", "researcher")


@dataclass(frozen=True)
class Scene:
    """A study of two clips, one of them on the right rater's screen, and a browser of each kind."""

    study: Study
    held: int
    spare: int
    media_key: str
    link: str
    personal: str
    browsers: dict[str, TestClient]


@pytest.fixture
def scene(study_maker: StudyMaker, visitor: Visitor, settings: Settings, database: Database) -> Scene:
    """The wrong rater is signed in, for another study; the right rater has read the guidelines and holds two clips."""
    study, other = study_maker(clips=2, raters_per_clip=1), study_maker(clips=1)
    with database.writer() as db:
        personal = raters.invite(db, settings, study, "Right")
    browsers = {role: visitor() for role in ROLES}
    browsers["wrong rater"].post(raters.open_link(settings, other), data={"name": "Wrong"})
    browsers["right rater"].get(personal)
    browsers["right rater"].post("/rate/start")
    browsers["researcher"].get(f"/researcher/{auth.researcher_key(settings)}")
    with database.reader() as db:
        right = db.scalars(select(Rater).where(col(Rater.name) == "Right")).one()
        first, second = held(db, right)
    for browser in browsers.values():
        browser.follow_redirects = False
    return Scene(
        study=study,
        held=first.assignment.id,
        spare=second.assignment.id,
        media_key=address_of(first.assignment.id, first.clip.media_key).removeprefix("/media/").removesuffix(".mp4"),
        link=raters.open_link(settings, study),
        personal=personal,
        browsers=browsers,
    )


def address(path: str, scene: Scene) -> str:
    """A path of the table with the scene's own things in it."""
    name = "agreement" if "{slug}/figures/" in path else "movement"
    key = "no-such-key" if path.startswith("/researcher") else scene.media_key
    number = scene.spare if path.endswith("/skip") else scene.held
    token = scene.link.removeprefix("/join/")
    of_study = {"slug": scene.study.slug, "name": name, "figure": "rates", "pseudonym": "R1"}
    other = 10**6 if "/raters/" in path else 1
    of_study |= {"form": "huggingface", "rate": "f1"}
    return path.format(key=key, token=token, assignment_id=number, row=0, number=other, **of_study)


@on_sqlite
def test_every_address_follows_the_access_table(scene: Scene) -> None:
    """Signed-out visitor, wrong rater, right rater and researcher, for every address."""
    found = []
    for method, path, sent, _wanted in TABLE:
        data = sent if method == "POST" else None
        got = (scene.browsers[role].request(method, address(path, scene), data=data).status_code for role in ROLES)
        found.append((method, path, tuple(got)))
    assert found == [(method, path, wanted) for method, path, _sent, wanted in TABLE]


@on_sqlite
def test_a_researcher_who_signed_out_is_answered_as_nobody(scene: Scene, visitor: Visitor) -> None:
    """A copy of the cookie from before the sign-out gets 401 at every address of the researcher's."""
    copy = visitor()
    copy.follow_redirects = False
    copy.cookies.update(dict(scene.browsers["researcher"].cookies))
    assert copy.get("/studies").status_code == 200
    scene.browsers["researcher"].post("/sign-out")
    rows = [row for row in TABLE if row[1].startswith("/studies")]
    assert len(rows) > 60
    for method, path, sent, _wanted in rows:
        got = copy.request(method, address(path, scene), data=sent if method == "POST" else None).status_code
        assert (method, path, got) == (method, path, 401)


@on_sqlite
def test_a_rater_of_the_same_study_is_answered_as_a_wrong_rater(scene: Scene, visitor: Visitor) -> None:
    """Assignments and clips that another rater of the study holds are closed to them."""
    colleague = visitor()
    colleague.follow_redirects = False
    colleague.post(scene.link, data={"name": "Colleague"})
    colleague.post("/rate/start")
    rows = [row for row in TABLE if "{assignment_id}" in row[1] or row[1].startswith("/media/")]
    assert len(rows) == 6
    for method, path, sent, wanted in rows:
        got = colleague.request(method, address(path, scene), data=sent if method == "POST" else None).status_code
        assert (method, path, got) == (method, path, wanted[1])


@on_sqlite
def test_the_access_table_is_complete(app: FastAPI) -> None:
    """A route without a line in the access table fails here."""
    described = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if method != "head"
    }
    assert described == {(method, path) for method, path, _sent, _wanted in TABLE if not path.startswith("/static")}


@on_sqlite
def test_no_address_is_hidden_from_the_access_table(app: FastAPI) -> None:
    """Only HEAD is left out of the description that the table is compared with; nothing is mounted but these two."""
    routers = [one.original_router for one in app.routes if hasattr(one, "original_router")]
    hidden = {
        (method, route.path)
        for router in routers
        for route in router.routes
        for method in route.methods
        if not route.include_in_schema
    }
    assert ("HEAD", "/healthz") in hidden
    assert {method for method, _path in hidden} == {"HEAD"}
    assert {route.path for route in app.routes if isinstance(route, Mount)} == {"/api/v1", "/static"}


@on_sqlite
def test_a_refused_request_changes_nothing(scene: Scene, database: Database) -> None:
    """Requests of signed-out visitors and wrong raters change neither study, assignments nor judgments."""

    def state() -> list[object]:
        with database.reader() as db:
            rows = db.scalars(select(Assignment)).all()
            return [
                [(row.id, row.status, row.rater_id, row.answered_at) for row in rows],
                [study.show_simulated for study in db.scalars(select(Study)).all()],
                len(db.scalars(select(Judgment)).all()),
            ]

    before = state()
    for role in ("nobody", "wrong rater"):
        for method, path, sent, _wanted in TABLE:
            if method == "POST" and path.startswith(("/rate/{", "/studies")):
                scene.browsers[role].post(address(path, scene), data=sent)
    assert state() == before


class LongAgo(TimestampSigner):
    """Signs as if sessions had ended a minute ago."""

    def get_timestamp(self) -> int:
        """The moment that is signed."""
        return int(time.time()) - auth.SESSION_SECONDS - 60


@on_sqlite
def test_a_forged_or_expired_cookie_counts_as_signed_out(scene: Scene, settings: Settings, visitor: Visitor) -> None:
    """A changed value, another key, the other role's value, an expired session: all count as signed out."""
    good = dict(scene.browsers["right rater"].cookies)
    name, value = next((name, value) for name, value in good.items() if "_rater_" in name)
    researcher_name = name.replace("_rater_", "_researcher_")
    who = URLSafeTimedSerializer(settings.key, salt="session-rater").loads(value)
    cases = {
        "changed": (name, value[:-2] + ("AA" if value[-2:] != "AA" else "BB")),
        "cut short": (name, value.rpartition(".")[0]),
        "unsigned": (name, str(who)),
        "empty": (name, ""),
        "other key": (name, str(URLSafeTimedSerializer(b"x" * 32, salt="session-rater").dumps(who))),
        "other salt": (name, str(URLSafeTimedSerializer(settings.key, salt="session-researcher").dumps(who))),
        "expired": (name, str(URLSafeTimedSerializer(settings.key, "session-rater", signer=LongAgo).dumps(who))),
        "no number": (name, str(URLSafeTimedSerializer(settings.key, "session-rater").dumps(["x"]))),
        "a rater as researcher": (researcher_name, value),
    }
    paths = {name: "/rate", researcher_name: "/studies"}
    assert visitor().get("/rate", headers={"Cookie": f"{name}={value}"}).status_code == 200
    got = {
        case: visitor().get(paths[cookie], headers={"Cookie": f"{cookie}={forged}"}).status_code
        for case, (cookie, forged) in cases.items()
    }
    assert got == dict.fromkeys(cases, 401)


@on_sqlite
def test_a_withdrawn_invitation_ends_session_and_link(scene: Scene, database: Database) -> None:
    """Cookie and personal link stop working at once; the answers stay."""
    browser = scene.browsers["right rater"]
    browser.post(f"/rate/{scene.held}", data=form("before"))
    with database.writer() as db:
        raters.revoke(db, scene.study, "Right", now=NOON)
    assert [browser.get(path).status_code for path in ("/rate", f"/media/{scene.media_key}.mp4")] == [401, 401]
    assert browser.post(f"/rate/{scene.spare}", data=form("after")).status_code == 401
    assert browser.get(scene.personal).status_code == 404
    with database.reader() as db:
        assert len(db.scalars(select(Judgment)).all()) == 3


@on_sqlite
def test_session_cookies_are_protected_from_scripts_and_other_sites(
    database: Database, settings: Settings, study_maker: StudyMaker
) -> None:
    """HttpOnly and SameSite=Lax always; Secure and the prefix __Host- if the public URL is https.

    The name contains a hash of this server's key. A header of the request changes nothing.
    """
    study = study_maker(clips=1)
    for public_url, prefix in (("", ""), ("https://jury.example.org", "__Host-")):
        app = create_app(settings.model_copy(update={"public_url": public_url}), database=database)
        with TestClient(app, "http://127.0.0.1", follow_redirects=False) as browser:
            browser.headers["X-Forwarded-Proto"] = "http" if prefix else "https"
            for made in (
                browser.get(f"/researcher/{auth.researcher_key(settings)}"),
                browser.post(raters.open_link(settings, study), data={"name": "Ada"}),
            ):
                cookie = made.headers["set-cookie"]
                assert "HttpOnly" in cookie
                assert "SameSite=lax" in cookie
                assert "Domain" not in cookie
                assert ("Secure" in cookie) is bool(prefix)
                assert re.match(rf"{prefix}clipjury_(rater|researcher)_[0-9a-f]{{8}}=", cookie)


@on_sqlite
def test_links_redirect_to_addresses_without_their_secret(scene: Scene, settings: Settings) -> None:
    """Both links redirect to an address without the secret, and no later page contains it."""
    browser = scene.browsers["nobody"]
    key = auth.researcher_key(settings)
    response = browser.get(f"/researcher/{key}")
    assert (response.status_code, response.headers["location"]) == (303, "/studies")
    assert key not in browser.get("/studies").text
    response = browser.get(scene.personal)
    assert (response.status_code, response.headers["location"]) == (303, "/rate")
    assert scene.personal not in browser.get("/rate").text


FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    {"Origin": "http://elsewhere.example"},
    {"Origin": "http://127.0.0.1.elsewhere.example"},
    {"Origin": "http://127.0.0.1:8001"},
    {"Origin": "null"},
    {"Origin": ""},
)
OWN: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://127.0.0.1"},
    {},
)


@on_sqlite
def test_a_form_sent_from_another_site_is_refused(scene: Scene, database: Database) -> None:
    """By Sec-Fetch-Site, or by Origin if a browser does not send it: 403 with a message, and nothing is stored."""
    browser = scene.browsers["right rater"]
    for headers in FOREIGN:
        refused = browser.post(f"/rate/{scene.held}", data=form("foreign"), headers=headers)
        assert (refused.status_code, "from another site" in refused.text) == (403, True), headers
        assert browser.post("/sign-out", headers=headers).status_code == 403, headers
        assert browser.get("/rate", headers=headers).status_code == 200, headers
    with database.reader() as db:
        assert db.scalars(select(Judgment)).all() == []


@on_sqlite
@pytest.mark.parametrize("headers", OWN)
def test_a_form_of_the_same_site_is_accepted(headers: dict[str, str], scene: Scene) -> None:
    """The same request from the same origin, or from a program without a browser, is stored."""
    sent = scene.browsers["right rater"].post(f"/rate/{scene.held}", data=form("own"), headers=headers)
    assert sent.status_code == 303


@on_sqlite
def test_every_kind_of_response_has_the_security_headers(scene: Scene) -> None:
    """Pages, fragments, redirects, files, byte ranges and each kind of error."""
    nobody, right, researcher = (scene.browsers[role] for role in ("nobody", "right rater", "researcher"))
    media, here = f"/media/{scene.media_key}.mp4", f"/studies/{scene.study.slug}"
    kinds = {
        ("page", 200): nobody.get("/"),
        ("block", 200): right.get("/rate", headers={"HX-Request": "true"}),
        ("redirect", 303): right.get("/"),
        ("file", 200): nobody.get("/static/app.css"),
        ("missing file", 404): nobody.get("/static/none.css"),
        ("missing page", 404): nobody.get("/none"),
        ("wrong method", 405): right.delete("/rate"),
        ("signed out", 401): nobody.get("/rate"),
        ("wrong role", 403): right.get("/studies"),
        ("foreign form", 403): right.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"}),
        ("bad form", 422): right.post(f"/rate/{scene.held}/skip", data={"reason": "boring"}),
        ("bad answer", 422): right.post(f"/rate/{scene.held}", data={"submission": "x"}),
        ("video", 200): right.get(media),
        ("byte range", 206): right.get(media, headers={"Range": "bytes=0-9"}),
        ("bad range", 416): right.get(media, headers={"Range": "bytes=99999999-"}),
        ("figure", 200): researcher.get(f"{here}/figures/agreement.json"),
        ("picture", 200): researcher.get(f"{here}/figures/agreement.svg"),
        ("stream", 200): researcher.get(f"{here}/judgments.csv"),
        ("export", 200): researcher.get(f"{here}/estimates.json"),
        ("study file", 200): researcher.get(f"{here}/study.toml"),
    }
    assert {kind: got.status_code for kind, got in kinds.items()} == {kind: kind[1] for kind in kinds}
    for kind, got in kinds.items():
        assert got.headers.get_list("content-security-policy") == [CONTENT_POLICY], kind
        assert got.headers["x-content-type-options"] == "nosniff", kind
        assert got.headers["referrer-policy"] == "same-origin", kind
        assert got.headers["cross-origin-opener-policy"] == "same-origin", kind
        assert got.headers["cross-origin-resource-policy"] == "same-origin", kind
        assert "x-powered-by" not in got.headers, kind
        assert "access-control-allow-origin" not in got.headers, kind


def test_the_database_contains_no_secret_of_any_link(
    study_maker: StudyMaker, settings: Settings, database: Database, visitor: Visitor
) -> None:
    """With a stolen database nobody can open invite links or sign in as researcher: only hashes are stored."""
    study = study_maker(clips=1)
    with database.writer() as db:
        personal = raters.invite(db, settings, study, "Grace")
    browser = visitor()
    browser.get(personal)
    secrets = [raters.open_link(settings, study).removeprefix("/join/"), personal.removeprefix("/join/")]
    with database.reader() as db:
        tables = inspect(database.engine).get_table_names()
        cells = {str(cell) for table in tables for row in db.execute(text(f'SELECT * FROM "{table}"')) for cell in row}
    assert {auth.token_hash(secret) for secret in secrets} <= cells
    everything = "\n".join(cells)
    for secret in (*secrets, auth.researcher_key(settings), settings.key.hex(), *dict(browser.cookies).values()):
        assert secret not in everything


@on_sqlite
def test_the_signing_key_is_readable_by_its_owner_only(settings: Settings, study_maker: StudyMaker) -> None:
    """Created once with 32 random bytes; links are the same at every start, and different with another key."""
    study = study_maker(clips=1)
    path = settings.home / "signing.key"
    assert len(settings.key) == 32
    assert path.stat().st_mode & 0o077 == 0
    again = Settings(home=settings.home, database_url=settings.database_url)
    elsewhere = Settings(home=settings.home / "other", database_url=settings.database_url)
    assert raters.open_link(again, study) == raters.open_link(settings, study)
    assert raters.open_link(elsewhere, study) != raters.open_link(settings, study)
    assert auth.researcher_key(elsewhere) != auth.researcher_key(settings)


@on_sqlite
def test_a_clip_key_is_random_and_differs_between_studies(study_maker: StudyMaker, database: Database) -> None:
    """96 random bits each: the same video has another address in another study."""
    study_maker(clips=3)
    study_maker(clips=3)
    with database.reader() as db:
        clips = db.scalars(select(StudyClip)).all()
    assert len({clip.media_key for clip in clips}) == 6
    assert all(re.fullmatch(r"[\w-]{16}", clip.media_key) for clip in clips)
