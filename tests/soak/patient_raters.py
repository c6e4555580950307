"""Raters who, like the browser's outbox, keep an answer until the server has confirmed it."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from uuid import uuid4

from tests.helpers.raters_over_http import ACTION, FIELDS, Client, join
from tests.helpers.waiting import PATIENCE

PAUSE = 0.1
"""Most seconds between two requests of a rater."""
SENT_TWICE = 0.1
"""Share of the confirmed answers that are sent again, as after a lost confirmation."""


class Unavailable(Exception):
    """The server does not answer, or says that it cannot answer now (503)."""


@dataclass
class PatientRater:
    """A rater with an answer that may wait in the outbox, and a log of what the server confirmed."""

    client: Client
    chance: random.Random
    acknowledged: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """Submission, then the assignment and the answer by question."""
    problems: list[str] = field(default_factory=list)
    longest_outage: float = 0.0
    """Most seconds that the rater waited for an answer: from the first request that failed, or that was slow."""
    outbox: tuple[int, dict[str, str]] | None = None

    def work(self, stop: threading.Event) -> None:
        """Rate until told to stop, whatever happens to the server."""
        failing_since: float | None = None
        while not stop.is_set() and not self.problems:
            began = time.monotonic()
            try:
                self._step()
            except (OSError, HTTPException, Unavailable):
                self.client.close()  # the next request opens a new connection
                failing_since = failing_since or began
            else:
                waited = time.monotonic() - (failing_since or began)
                self.longest_outage = max(self.longest_outage, waited)
                failing_since = None
            stop.wait(self.chance.uniform(0, PAUSE))

    def _step(self) -> None:
        if self.outbox is None:
            self._look()
        if self.outbox is not None:
            number, form = self.outbox
            self._send(number, form)
            self.outbox = None
            self.acknowledged[form["submission"]] = (number, form)
            if self.chance.random() < SENT_TWICE:
                self._send(number, form)

    def _look(self) -> None:
        status, page = self.client.get("/rate")
        self._expect(status, (200, 303), page)
        found = ACTION.search(page) if status == 200 else None
        if found is None:
            return  # no clip is free at the moment
        choices: dict[str, list[str]] = {}
        for name, value in FIELDS.findall(page):
            choices.setdefault(name, []).append(value)
        form = {name: self.chance.choice(values) for name, values in choices.items()}
        self.outbox = int(found.group(2)), form | {"submission": str(uuid4())}

    def _send(self, number: int, form: dict[str, str]) -> None:
        status, text = self.client.post(f"/rate/{number}", form, **{"HX-Request": "true"})
        self._expect(status, (200, 303), text)

    def _expect(self, status: int, wanted: tuple[int, ...], text: str) -> None:
        if status == 503:
            raise Unavailable
        if status not in wanted:
            self.problems.append(f"a rater was answered {status}: {text[-600:]}")


@contextmanager
def at_work(base: str, link: str, count: int, chance: random.Random) -> Iterator[list[PatientRater]]:
    """Raters who have joined by the open link and work for the length of a block."""
    raters = [
        PatientRater(join(base, link, f"Rater {number}"), random.Random(chance.random())) for number in range(count)
    ]
    stop = threading.Event()
    threads = [threading.Thread(target=rater.work, args=(stop,)) for rater in raters]
    for thread in threads:
        thread.start()
    try:
        yield raters
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
        for rater in raters:
            rater.client.close()
