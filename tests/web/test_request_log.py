"""References of requests, what the log says, and what neither log nor page ever says: secrets, hosts and paths."""

import logging
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app import api_tokens, auth
from app.db import Database
from app.main import create_app
from app.raters import raters
from app.settings import Settings
from app.web.request_log import RequestLog
from tests.helpers import raw_requests, servers
from tests.helpers.factories import StudyMaker
from tests.helpers.raters_over_http import Client, join
from tests.helpers.visitors import Visitor, on_sqlite

LINE = re.compile(r"^\S+ \S+ (INFO|WARNING|ERROR) ([0-9a-f]{12}|-) (.+)$")


class Place:
    """A running server, its log, and the secrets that lead into it."""

    def __init__(self, tmp_path: Path) -> None:
        self.settings = Settings(home=tmp_path / "home", database_url="")
        self.database = Database(self.settings.database)
        self.database.migrate()
        study = StudyMaker(self.database, self.settings)(clips=4, with_media=False)
        self.slug, self.link = study.slug, raters.open_link(self.settings, study)
        with self.database.writer() as db:
            self.personal = raters.invite(db, self.settings, study, "Grace")
            self.token = api_tokens.create(db, "reader", ["read"])
        self.log = tmp_path / "log.txt"
        self.server = servers.start(self.settings, errors=self.log)

    def lines(self) -> list[tuple[str, str]]:
        """Reference and text of every line of the log."""
        found = [LINE.match(line) for line in self.log.read_text().splitlines()]
        return [(one[2], one[3]) for one in found if one]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A server of two processes whose standard error goes to a file."""
    made = Place(tmp_path)
    yield made
    made.server.stop()
    made.database.dispose()


def test_the_log_names_routes_and_no_secret(place: Place) -> None:
    """Each request has a line in the process that handled it; no link, key, cookie, token or name is in it."""
    base, key = place.server.base, auth.researcher_key(place.settings)
    with closing(Client(base)) as researcher, closing(Client(base)) as stranger:
        assert researcher.get(f"/researcher/{key}")[0] == 303
        assert researcher.get(f"/studies/{place.slug}/raters")[0] == 200
        assert stranger.post("/sign-in", {"key": f"{key}x"})[0] == 401
        assert stranger.get(place.personal)[0] == 303
        assert stranger.get(f"{place.link}wrong")[0] == 404
        assert stranger.get(f"/{key}")[0] == 404
        rater = join(base, place.link, "Ada Lovelace")
        rater.get("/rate")
        cookies = [one.cookie.partition("=")[2] for one in (researcher, stranger, rater)]
        rater.close()
    head = raw_requests.head(
        base, "GET", "/api/v1/studies", {"Authorization": f"Bearer {place.token}", "Connection": "close"}
    )
    with raw_requests.connect(base) as door:
        door.sendall(head)
        status, answer = raw_requests.answer(door)
    assert status == 200
    place.server.stop()
    text = place.log.read_text()
    secrets = [key, place.link.removeprefix("/join/"), place.personal.removeprefix("/join/"), place.token, *cookies]
    secrets += [place.settings.key.hex(), "Ada", str(place.settings.home)]
    assert [secret for secret in secrets if secret in text] == []
    said = [line for _reference, line in place.lines()]
    for wanted in (
        "GET /researcher/{key} 303",
        "GET /studies 200",
        "GET /studies/{slug}/raters 200",
        "POST /sign-in 401",
        "GET /join/{token} 404",
        "GET - 404",
        "POST /join/{token} 303",
        "GET /rate 200",
        "GET /api/v1/studies 200",
    ):
        assert [line for line in said if re.fullmatch(re.escape(wanted) + r" \d+ ms", line)], (wanted, said)
    [given] = re.findall(r"x-request-id: ([0-9a-f]{12})\r", answer)
    assert [reference for reference, _line in place.lines()].count(given) == 2, "a line of each process"


@on_sqlite
def test_an_error_page_shows_the_reference_of_its_answer(visitor: Visitor) -> None:
    """A client's own X-Request-ID is not taken over."""
    answer = visitor().get("/none", headers={"X-Request-ID": "forged"})
    assert re.fullmatch("[0-9a-f]{12}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] in answer.text
    assert "forged" not in answer.text + str(answer.headers)


@on_sqlite
@pytest.mark.parametrize("path", ["/join/x", "/api/v1/studies"])
def test_a_database_that_fails_is_named_in_the_log_and_on_no_page(
    path: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """503 without host, user, name and reason of the database; the log has them, without the password."""
    database = Database("postgresql+psycopg://somebody:hidden@127.0.0.1:9/votes")
    header = {"Authorization": f"Bearer clipjury_{'x' * 32}"}
    browser = TestClient(create_app(settings, database=database), "http://127.0.0.1", headers=header)
    with caplog.at_level(logging.ERROR, "clipjury"):
        answer = browser.get(path)
    assert answer.status_code == 503
    assert "cannot be used at the moment" in answer.text
    for secret in ("somebody", "hidden", "127.0.0.1:9", "votes", "refused", "psycopg", "sqlite", str(settings.home)):
        assert secret not in answer.text, secret
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "127.0.0.1:9/votes" in said
    assert "hidden" not in said
    database.dispose()


def test_the_command_line_says_why_the_database_cannot_be_used(tmp_path: Path) -> None:
    """The person at the terminal is told where the database is."""
    (tmp_path / "clipjury.db").write_bytes(b"no database" * 100)
    settings = Settings(home=tmp_path, database_url="")
    ended = subprocess.run(
        [*servers.COMMAND, "links"], env=servers.environment(settings), capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert str(tmp_path / "clipjury.db") in ended.stderr


@on_sqlite
def test_no_page_shows_a_path_of_the_server(
    researcher: TestClient, study_maker: StudyMaker, settings: Settings, tmp_path: Path
) -> None:
    """The pages of a study, and errors about a pool that is gone: files are named without their folders."""
    study = study_maker(clips=2, with_media=False)
    pages = ["", "/progress", "/raters", "/results", "/agreement", "/pool", "/report", "/plan", "/next", "/study.toml"]
    addresses = ["/studies", "/studies/new", *(f"/studies/{study.slug}{page}" for page in pages)]
    addresses += [f"/studies/{study.slug}/estimates.json", f"/studies/{study.slug}/judgments.csv"]
    for address in addresses:
        text = researcher.get(address).text
        assert str(tmp_path) not in text, address
        assert str(settings.home) not in text, address
    for address in ("clone", "next", "report"):
        text = researcher.post(f"/studies/{study.slug}/{address}", data={"clips": "5"}).text
        assert str(tmp_path) not in text, address


def test_requests_are_logged_under_the_clock_that_is_given() -> None:
    """Milliseconds between a request's start and its end."""
    ticks = iter([1.0, 1.25])
    log = logging.getLogger("clipjury")
    lines: list[str] = []

    class Kept(logging.Handler):
        """Keeps what is logged."""

        def emit(self, record: logging.LogRecord) -> None:
            """Keep one line."""
            lines.append(record.getMessage())

    kept, before = Kept(), log.level
    log.addHandler(kept)
    log.setLevel(logging.INFO)
    app = FastAPI(openapi_url=None)
    app.add_api_route("/hello/{name}", lambda name: name)
    app.add_middleware(RequestLog, clock=lambda: next(ticks))
    try:
        TestClient(app).get("/hello/secret")
    finally:
        log.removeHandler(kept)
        log.setLevel(before)
    assert lines == ["GET /hello/{name} 200 250 ms"]
