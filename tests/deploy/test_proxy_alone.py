"""What a proxy says about the client, and what it writes down, without ClipJury behind it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.settings import Settings
from app.web.public_address import PublicAddress
from tests.helpers.proxies import HOST, Proxy, ProxyName, caddy, free_port, nginx
from tests.helpers.waiting import PATIENCE, wait_until

PUBLIC = f"https://{HOST}:4430"
BOTH = pytest.mark.parametrize("name", ["nginx", "caddy"])
SECRETS = ("/researcher/the-researchers-key", "/join/the-raters-token?PROLIFIC_PID=the-raters-number")


@contextmanager
def in_front(folder: Path, upstream: Path | int) -> Iterator[Proxy]:
    """The proxy in front of a Unix socket or a port."""
    if isinstance(upstream, int):
        with caddy(folder, port=free_port(), upstream=upstream) as proxy:
            yield proxy
    else:
        with nginx(folder, port=free_port(), upstream=upstream, media=folder) as proxy:
            yield proxy


def upstream_of(name: ProxyName, folder: Path) -> Path | int:
    """Where the proxy expects ClipJury."""
    return folder / "http.sock" if name == "nginx" else free_port()


@BOTH
def test_no_log_of_the_proxy_contains_a_secret(name: ProxyName, tmp_path: Path) -> None:
    """ClipJury is down, so every request fails (502): the logs have no address, no query and no cookie."""
    with (
        in_front(tmp_path, upstream_of(name, tmp_path)) as proxy,
        httpx2.Client(base_url=proxy.base, verify=proxy.context, timeout=PATIENCE, trust_env=False) as browser,
    ):
        for secret in SECRETS:
            assert browser.get(secret, headers={"Cookie": "session=the-cookie"}).status_code == 502
            assert browser.post(secret, data={"name": "the-name"}).status_code == 502
    written = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*.log"))
    assert [word for word in ("the-researchers", "the-raters", "the-cookie", "the-name") if word in written] == []
    assert '"GET ' not in written


@BOTH
def test_while_clipjury_starts_visitors_read_what_to_do(name: ProxyName, tmp_path: Path) -> None:
    """A sentence in place of an empty page, with a status that makes a rater's open page try again."""
    with (
        in_front(tmp_path, upstream_of(name, tmp_path)) as proxy,
        httpx2.Client(base_url=proxy.base, verify=proxy.context, timeout=PATIENCE, trust_env=False) as browser,
    ):
        for answer in (browser.get("/rate"), browser.post("/rate/1", data={"answer-quality": "4"})):
            assert answer.status_code == 502
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert answer.headers["Retry-After"] == "5"
            assert answer.text == "ClipJury is starting. Reload this page in a few seconds; no saved answer is lost."


async def name_the_client(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the client's address, scheme and host as the application sees them."""
    request = Request(scope, receive)
    assert request.client is not None
    await PlainTextResponse(f"{request.client.host} {request.base_url}")(scope, receive, send)


async def count_the_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body, which is read to its end."""
    await PlainTextResponse(str(len(await Request(scope, receive).body())))(scope, receive, send)


@contextmanager
def served(settings: Settings, app: ASGIApp) -> Iterator[None]:
    """An application at the settings' socket or port."""
    door = socket.socket(socket.AF_UNIX if settings.uds else socket.AF_INET)
    door.bind(settings.uds or ("127.0.0.1", settings.port))
    door.listen()
    config = uvicorn.Config(PublicAddress(app, settings), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        wait_until(lambda: server.started, "the application")
        yield
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        door.close()


def settings_for(upstream: Path | int) -> Settings:
    """The settings of an application behind the proxy."""
    if isinstance(upstream, int):
        return Settings(port=upstream, public_url=PUBLIC, trusted_proxy="127.0.0.1")
    return Settings(uds=str(upstream), public_url=PUBLIC)


@BOTH
@pytest.mark.parametrize(("path", "most"), [("/sign-in", 2), ("/studies/x/raters/list", 2), ("/api/v1/x", 32)])
def test_a_body_that_is_too_large_is_refused(name: ProxyName, tmp_path: Path, path: str, most: int) -> None:
    """Two megabytes pass for people and thirty-two for programs; a little more is answered with 413."""
    upstream = upstream_of(name, tmp_path)
    with (
        served(settings_for(upstream), count_the_body),
        in_front(tmp_path, upstream) as proxy,
        httpx2.Client(base_url=proxy.base, verify=proxy.context, timeout=PATIENCE, trust_env=False) as browser,
    ):
        assert browser.post(path, content=b"x" * most * 1_000_000).text == str(most * 1_000_000)
        assert browser.post(path, content=b"x" * (most * 1_048_576 + 50_000)).status_code == 413


@BOTH
def test_large_headers_are_refused_by_the_proxy(name: ProxyName, tmp_path: Path) -> None:
    """A header of 7 kB passes (502, nobody is behind), one of 40 kB is refused; ClipJury's own limit is 64 kB."""
    with (
        in_front(tmp_path, upstream_of(name, tmp_path)) as proxy,
        httpx2.Client(base_url=proxy.base, verify=proxy.context, timeout=PATIENCE, trust_env=False) as browser,
    ):
        assert browser.get("/", headers={"X-Big": "x" * 7_000}).status_code == 502
        assert browser.get("/", headers={"X-Big": "x" * 40_000}).status_code in (400, 431)


@BOTH
@pytest.mark.parametrize("claimed", ["", "6.6.6.6", "6.6.6.6, 127.0.0.1", "unknown"])
def test_the_client_is_the_address_that_the_proxy_sees(name: ProxyName, tmp_path: Path, claimed: str) -> None:
    """Whatever the client claims in X-Forwarded-For, by a socket (nginx) and by a trusted port (Caddy)."""
    upstream = upstream_of(name, tmp_path)
    with served(settings_for(upstream), name_the_client), in_front(tmp_path, upstream) as proxy:
        way = httpx2.HTTPTransport(verify=proxy.context, local_address="127.0.0.9")
        with httpx2.Client(base_url=proxy.base, transport=way, timeout=PATIENCE, trust_env=False) as browser:
            answer = browser.get("/", headers={"X-Forwarded-For": claimed} if claimed else {})
    assert answer.text == f"127.0.0.9 {PUBLIC}/"
