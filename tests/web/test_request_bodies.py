"""Bodies of requests: read only from known senders, only up to each address's limit, and only at a decent pace."""

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
from fastapi import FastAPI
from sqlalchemy import update
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send

from app import api_tokens, auth
from app.db import Database
from app.models import Rater
from app.raters import raters
from app.settings import Settings
from app.studies import lifecycle
from app.web.request_bodies import ELSEWHERE, RULES, BodyRule, Pace, RequestBodies, rule_of
from tests.helpers import raw_requests, servers
from tests.helpers.factories import StudyMaker
from tests.helpers.raters_over_http import Client, join
from tests.helpers.visitors import on_sqlite

MB = 1_000_000
HUGE = 200 * MB
MOST_MEMORY = 30 * MB
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
NO_SUCH_TOKEN = {"Authorization": f"Bearer clipjury_{'x' * 32}"}
OPEN_TO_STRANGERS = {"/sign-in", "/sign-out", "/join/{token}"}


def addresses_with_bodies(app: FastAPI) -> Iterator[str]:
    """Every address of the application and its interface for programs that takes another method than GET."""
    mounts = [route for route in app.routes if isinstance(route, Mount)]
    found = [("", app), *((one.path, one.app) for one in mounts if isinstance(one.app, FastAPI))]
    for start, one in found:
        for path, operations in one.openapi()["paths"].items():
            if set(operations) - {"get", "head"}:
                yield start + path


@on_sqlite
def test_every_address_that_takes_a_body_has_a_limit(app: FastAPI) -> None:
    """A new address without an entry in RULES fails here; only joining and signing in are open to strangers."""
    found = {path: rule_of(path.replace("{", "").replace("}", "")) for path in addresses_with_bodies(app)}
    assert "/api/v1/studies/{slug}/ratings" in found
    assert [path for path, rule in found.items() if rule is ELSEWHERE] == []
    assert {path for path, rule in found.items() if rule.sender == "anyone"} == OPEN_TO_STRANGERS
    assert all(rule.max_bytes > 0 for rule in found.values())


class Place:
    """A running server of two processes with a study."""

    def __init__(self, server: servers.Server, database: Database, settings: Settings, slug: str, link: str) -> None:
        self.server, self.database, self.slug, self.link = server, database, slug, link
        self.base = server.base
        self.researcher = Client(self.base)
        assert self.researcher.get(f"/researcher/{auth.researcher_key(settings)}")[0] == 303
        self.cookie = {"Cookie": self.researcher.cookie}
        self.processes = [psutil.Process(server.process.pid)]
        self.processes += self.processes[0].children()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One server for these tests, warmed up: what is loaded at the first request is no body."""
    settings = Settings(home=tmp_path_factory.mktemp("bodies") / "home", database_url="")
    database = Database(settings.database)
    database.migrate()
    study = StudyMaker(database, settings)(clips=4, with_media=False)
    made = Place(servers.start(settings), database, settings, study.slug, raters.open_link(settings, study))
    made.researcher.get("/studies")
    made.researcher.get(f"/studies/{study.slug}/raters")
    rater = join(made.base, made.link, "Warm")
    rater.get("/rate")
    rater.close()
    yield made
    made.researcher.close()
    assert made.server.stop() == 0
    database.dispose()


@pytest.mark.parametrize("chunked", [False, True])
def test_two_hundred_megabytes_from_strangers_cost_no_memory(place: Place, chunked: bool) -> None:
    """At pages and at the interface, with and without a length: refused at once, under 30 MB in both processes."""
    ratings = f"/api/v1/studies/{place.slug}/ratings"
    cases: list[tuple[str, dict[str, str], int]] = [
        ("/sign-in", FORM, 413),
        (place.link, FORM, 413),
        ("/rate/1", FORM, 401),
        ("/language", FORM, 401),
        (f"/studies/{place.slug}/raters/list", {"Content-Type": "multipart/form-data; boundary=x"}, 401),
        ("/studies/new", FORM, 401),
        (ratings, JSON, 401),
        (ratings, JSON | {"Authorization": "Bearer wrong"}, 401),
        (ratings, JSON | NO_SUCH_TOKEN, 401),
        ("/none", FORM, 404),
    ]
    size = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(HUGE)}
    with raw_requests.peak_memory(place.processes) as peak:
        for path, headers, wanted in cases:
            began = time.monotonic()
            status, text = raw_requests.post(
                place.base, path, headers | size, raw_requests.pieces(HUGE, chunked=chunked)
            )
            assert status == wanted, (path, text[:300])
            assert "connection: close" in text.lower(), path
            assert "content-security-policy" in text, path
            assert ('"remedy":' in text) is path.startswith("/api"), path
            assert time.monotonic() - began < 10, path
    assert max(peak.growth.values()) < MOST_MEMORY, peak.growth


def test_a_known_sender_is_told_the_limit_in_words(place: Place) -> None:
    """413 with the limit, for a body that names its length, and for one that does not."""
    token = {"Authorization": f"Bearer {_token(place.database)}"}
    for path, headers, most in (
        (f"/studies/{place.slug}/state", place.cookie | FORM, "1 MB"),
        (f"/studies/{place.slug}/raters/list", place.cookie | FORM, "1.1 MB"),
        (f"/api/v1/studies/{place.slug}/ratings", token | JSON, "32 MB"),
        ("/sign-in", FORM, "16 kB"),
    ):
        for chunked in (False, True):
            size = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(HUGE)}
            body = raw_requests.pieces(HUGE, chunked=chunked)
            status, text = raw_requests.post(place.base, path, headers | size, body)
            assert (status, f"{most} is the limit" in text) == (413, True), (path, text[:400])


def _token(database: Database) -> str:
    with database.writer() as db:
        return api_tokens.create(db, "writer", ["write"])


def test_a_body_at_the_limit_is_taken(place: Place) -> None:
    """A researcher's list of almost 1 MB is answered by its handler, through both processes."""
    names = "\n".join(["name,note", *(f"Rater {number},{'n' * 9_980}" for number in range(100))])
    body = f'--x\r\nContent-Disposition: form-data; name="names"; filename="a.csv"\r\n\r\n{names}\r\n--x--\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(len(body))}
    headers |= place.cookie | {"Connection": "close"}
    status, text = raw_requests.post(place.base, f"/studies/{place.slug}/raters/list", headers, [body])
    assert status == 200, text[:400]
    assert text.count("/join/") == 100


def _ended(database: Database, slug: str, name: str, *, how: str) -> None:
    now = datetime.now(UTC)
    with database.writer() as db:
        study = lifecycle.by_slug(db, slug)
        if how == "withdrawn":
            raters.revoke(db, study, name, now=now)
        elif how == "expired":
            db.execute(update(Rater).where(col(Rater.name) == name).values(expires_at=now - timedelta(seconds=1)))
        elif how == "renewed":
            db.execute(update(Rater).where(col(Rater.name) == name).values(epoch=1))


@pytest.mark.parametrize("how", ["withdrawn", "expired", "renewed", "open"])
def test_a_rater_whose_session_has_ended_sends_no_more_than_a_stranger(place: Place, how: str) -> None:
    """A larger body is refused before it arrives, with or without a length; other raters may send it."""
    rater = join(place.base, place.link, how)
    _ended(place.database, place.slug, how, how=how)
    is_chunked = how != "withdrawn"
    size = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": "200000"}
    headers = FORM | size | {"Cookie": rater.cookie, "Connection": "close"}
    with raw_requests.connect(place.base) as door:
        door.sendall(raw_requests.head(place.base, "POST", "/language", headers))
        if how == "open":
            door.sendall(b"30d40\r\nlanguage=en&x=%b\r\n0\r\n\r\n" % (b"x" * 199_986))
        status, text = raw_requests.answer(door)
    rater.close()
    assert status == (303 if how == "open" else 401), text[:400]
    assert ("is not valid any more" in text) is (how != "open")


def test_slow_posts_are_not_noticed_by_a_researcher_at_work(place: Place) -> None:
    """130 senders stop in the middle of a body, some of them signed in: pages come promptly; each sender gets 408."""
    doors = []
    for number in range(130):
        door = raw_requests.connect(place.base)
        path, headers = (f"/studies/{place.slug}/state", place.cookie) if number % 2 else ("/sign-in", {})
        headers = headers | FORM | {"Content-Length": "1000"}
        door.sendall(raw_requests.head(place.base, "POST", path, headers) + b"state=" + b"x" * 494)
        doors.append(door)
    began = time.monotonic()
    slowest = 0.0
    while time.monotonic() - began < 8:
        asked = time.monotonic()
        assert place.researcher.get("/studies")[0] == 200
        assert place.researcher.post(f"/studies/{place.slug}/state", {"state": "open"})[0] == 303
        slowest = max(slowest, time.monotonic() - asked)
    assert slowest < 2, slowest
    answers = [raw_requests.answer(door) for door in doors]
    for door in doors:
        door.close()
    assert {status for status, _text in answers} == {408}
    assert all("too slowly" in text for _status, text in answers)


UPLOAD = BodyRule(re.compile("/upload"), "anyone", MB, is_upload=True)


async def _sent_slowly(path: str, pieces: int, piece: bytes, pause: float, pace: Pace) -> tuple[int, float]:
    """Status of the answer to a body that comes piece by piece, and the seconds it took."""

    async def reader(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await Response(status_code=204)(scope, receive, send)

    left, status = pieces, 0

    async def receive() -> Message:
        nonlocal left
        if left == 0:
            await asyncio.sleep(60)
        await asyncio.sleep(pause)
        left -= 1
        return {"type": "http.request", "body": piece, "more_body": left > 0}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = [(b"transfer-encoding", b"chunked")]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    began = time.monotonic()
    await RequestBodies(reader, pace, (UPLOAD, *RULES))(scope, receive, send)
    return status, time.monotonic() - began


def test_a_dripping_body_is_ended() -> None:
    """Pieces that come often enough do not keep a connection for ever; an upload may go on at the lowest rate."""
    pace = Pace(silent=0.5, in_all=1.0, rate=1_000)
    assert asyncio.run(_sent_slowly("/sign-in", 4, b"x", 0.1, pace))[0] == 204
    status, seconds = asyncio.run(_sent_slowly("/sign-in", 1000, b"x", 0.1, pace))
    assert status == 408
    assert 0.9 < seconds < 5
    assert asyncio.run(_sent_slowly("/upload", 20, b"x" * 200, 0.1, pace))[0] == 204, "2 s at 2,000 bytes a second"
    assert asyncio.run(_sent_slowly("/upload", 1000, b"x", 0.1, pace))[0] == 408, "10 bytes a second"
    assert asyncio.run(_sent_slowly("/upload", 2, b"x", 1.0, pace))[0] == 408, "silent"
