"""Raters who use the server over HTTP as the player does: look at the clip, send the answer, go on."""

import random
import re
import threading
import time
from dataclasses import dataclass, field
from uuid import uuid4

import httpx2

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


def join(base: str, path: str, name: str) -> httpx2.Client:
    """Come in by the open link, read the guidelines."""
    client = httpx2.Client(base_url=base, timeout=30, follow_redirects=True)
    client.post(path, data={"name": name}).raise_for_status()
    client.post("/rate/start").raise_for_status()
    return client


def work(client: httpx2.Client, log: Log, *, cycles: int, seed: int = 0, stop: threading.Event | None = None) -> None:
    """Look and answer `cycles` times, or until nothing is left, or until told to stop."""
    chance = random.Random(seed)
    for _ in range(cycles):
        if stop is not None and stop.is_set():
            return
        try:
            if not cycle(client, log, chance):
                return
        except httpx2.HTTPError as error:
            if stop is None or not stop.is_set():
                log.problems.append(repr(error))
            return


def cycle(client: httpx2.Client, log: Log, chance: random.Random) -> bool:
    """One clip; False when there is none."""
    began = time.perf_counter()
    page = client.get("/rate")
    log.next_seconds.append(time.perf_counter() - began)
    if page.status_code != 200:
        log.problems.append(f"next answered {page.status_code}")
        return False
    found = ACTION.search(page.text)
    if found is None:
        return False
    choices: dict[str, list[str]] = {}
    for name, value in FIELDS.findall(page.text):
        choices.setdefault(name, []).append(value)
    form = {name: chance.choice(values) for name, values in choices.items()} | {"submission": str(uuid4())}
    began = time.perf_counter()
    answer = client.post(found.group(1), data=form, headers={"HX-Request": "true"})
    log.submit_seconds.append(time.perf_counter() - began)
    if answer.status_code != 200:
        log.problems.append(f"submit answered {answer.status_code}: {answer.text[:200]}")
        return False
    log.acknowledged.append((int(found.group(2)), form["submission"]))
    return True
