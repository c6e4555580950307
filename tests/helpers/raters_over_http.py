"""Raters who use the server over HTTP as the player does: look at the clip, send the answer, go on."""

import random
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from tests.helpers.waiting import PATIENCE

ACTION = re.compile(r'action="(/rate/(\d+))"')
FIELDS = re.compile(r'name="(answer-\w+)"[^>]*? value="(\w+)"')


@dataclass
class Log:
    """What a rater did: seconds of each kind of request, acknowledged answers, complaints."""

    next_seconds: list[float] = field(default_factory=list)
    submit_seconds: list[float] = field(default_factory=list)
    acknowledged: list[tuple[int, str]] = field(default_factory=list)
    """Assignment and submission of every answer the server confirmed."""
    problems: list[str] = field(default_factory=list)


class Client:
    """One connection and its cookies. Plain `http.client`: a load generator must not cost what it measures."""

    def __init__(self, base: str, context: ssl.SSLContext | None = None) -> None:
        place = urlsplit(base).netloc
        if context is None:
            self._connection = HTTPConnection(place, timeout=PATIENCE)
        else:
            self._connection = HTTPSConnection(place, timeout=PATIENCE, context=context)
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, form: dict[str, str], **headers: str) -> tuple[int, str]:
        """Send a form; status and text of the answer."""
        return self._ask("POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"} | headers)

    @property
    def cookie(self) -> str:
        """The value of the header Cookie."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, str]:
        if self._cookies:
            headers["Cookie"] = self.cookie
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        for given in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = given.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer.status, answer.read().decode()


def join(base: str, path: str, name: str, context: ssl.SSLContext | None = None) -> Client:
    """Come in by the open link, read the guidelines. With a context the server is reached through TLS."""
    client = Client(base, context)
    for address, form in ((path, {"name": name}), ("/rate/start", {})):
        status, text = client.post(address, form)
        if status != 303:
            raise RuntimeError(f"{address} answered {status}: {text[:200]}")
    return client


def work(client: Client, log: Log, *, cycles: int, seed: int = 0, stop: threading.Event | None = None) -> None:
    """Look and answer `cycles` times, or until nothing is left, or until told to stop."""
    chance = random.Random(seed)
    for _ in range(cycles):
        if stop is not None and stop.is_set():
            return
        try:
            if not cycle(client, log, chance):
                return
        except (OSError, HTTPException) as error:
            if stop is None or not stop.is_set():
                log.problems.append(repr(error))
            return


def cycle(client: Client, log: Log, chance: random.Random) -> bool:
    """One clip; False when there is none."""
    began = time.perf_counter()
    status, page = client.get("/rate")
    log.next_seconds.append(time.perf_counter() - began)
    if status != 200:
        log.problems.append(f"next answered {status}")
        return False
    found = ACTION.search(page)
    if found is None:
        return False
    choices: dict[str, list[str]] = {}
    for name, value in FIELDS.findall(page):
        choices.setdefault(name, []).append(value)
    form = {name: chance.choice(values) for name, values in choices.items()} | {"submission": str(uuid4())}
    began = time.perf_counter()
    status, text = client.post(found.group(1), form, **{"HX-Request": "true"})
    log.submit_seconds.append(time.perf_counter() - began)
    if status != 200:
        log.problems.append(f"submit answered {status}: {text[:200]}")
        return False
    log.acknowledged.append((int(found.group(2)), form["submission"]))
    return True
