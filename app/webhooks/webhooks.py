"""Webhooks: another program is told when a study is closed, signed, again and again until it has heard.

Everything stands in the study's events: a webhook added or removed, each try and its outcome. What is due is read from
them, so a restarted server goes on where it stopped; a receiver may hear the same delivery twice and tells it by its
number. The secret is made from the signing key and is stored nowhere.
"""

import hashlib
import hmac
import json
import logging
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy import select as rows
from sqlmodel import Session, col

from app.db import Database
from app.errors import AppError, NotFound
from app.models import Event, Judgment, Rater, Study, now
from app.settings import Settings
from app.webhooks import calls

log = logging.getLogger("clipjury")
ADDED, REMOVED, TRIED = "webhook_added", "webhook_removed", "webhook_tried"
TELLING = ("closed", "archived")
"""Events of a study that webhooks are told."""
WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 21_600, 86_400))
"""After each failed try the next waits this long; after the last of them nobody tries any more."""
EVERY = 5.0
"""Seconds between two looks. A look without anything due is one query."""


@dataclass(frozen=True)
class Webhook:
    """An address that is told. `state` says what became of the newest delivery."""

    study_id: int
    key: str
    url: str
    added: datetime
    state: str = ""


@dataclass(frozen=True)
class Delivery:
    """One event to be told to one webhook."""

    webhook: Webhook
    event: int
    body: bytes
    tries: int
    due: datetime


def add(db: Session, settings: Settings, study: Study, url: str) -> str:
    """Tell this address of the study's end from now on; returns the secret, which is shown this once.

    Raises AppError for an address that may not be called (`calls.check`) or is told already.
    """
    calls.check(url, private=settings.webhooks_private)
    if any(one.url == url for one in standing(db, study)):
        raise AppError(
            f"{url} is told already.", "Remove it first for a new secret: clipjury webhook remove", status=409
        )
    key = secrets.token_hex(8)
    db.add(Event(study_id=study.id, kind=ADDED, detail={"key": key, "url": url}))
    db.flush()
    return secret(settings, key)


def remove(db: Session, study: Study, url: str) -> None:
    """Tell it nothing any more. Raises NotFound naming the addresses there are."""
    for one in standing(db, study):
        if one.url == url:
            db.add(Event(study_id=study.id, kind=REMOVED, detail={"key": one.key}))
            db.flush()
            return
    names = ", ".join(one.url for one in standing(db, study)) or "none"
    raise NotFound(f"{study.slug} has no webhook {url}.", f"It has: {names}.")


def standing(db: Session, study: Study) -> list[Webhook]:
    """The study's webhooks, in the order in which they were added, each with what became of its last delivery."""
    events = _events(db, [study.id])
    return [Webhook(one.study_id, one.key, one.url, one.added, _state(events, one.key)) for one in _webhooks(events)]


def secret(settings: Settings, key: str) -> str:
    """The secret of a webhook, from the signing key: whoever has it can check that a delivery is ours."""
    return "whsec_" + hmac.new(settings.key, f"webhook:{key}".encode(), hashlib.sha256).hexdigest()


def signature(secret_text: str, body: bytes) -> str:
    """What stands in the header `ClipJury-Signature`: HMAC-SHA256 (RFC 2104) of the body, under the secret's text.

    >>> signature("whsec_1", b"{}")[:15]
    'sha256=b8a3a821'
    """
    return "sha256=" + hmac.new(secret_text.encode(), body, hashlib.sha256).hexdigest()


def due(db: Session, at: datetime) -> list[Delivery]:
    """What is to be told by now, the oldest first."""
    with_webhooks = db.execute(rows(col(Event.study_id)).where(col(Event.kind) == ADDED).distinct()).scalars().all()
    if not with_webhooks:
        return []
    events, found = _events(db, list(with_webhooks)), []
    for webhook in _webhooks(events):
        for event in events:
            if event.kind not in TELLING or event.study_id != webhook.study_id or event.created_at < webhook.added:
                continue
            tries = _tries(events, webhook.key, event.id)
            if any(one.detail["ok"] for one in tries) or len(tries) > len(WAITS):
                continue
            moment = tries[-1].created_at + WAITS[len(tries) - 1] if tries else event.created_at
            if moment <= at:
                found.append(Delivery(webhook, event.id, _body(db, event), len(tries), moment))
    return found


def deliver(database: Database, settings: Settings, *, at: datetime | None = None) -> list[tuple[str, str]]:
    """Tell whatever is due; address and outcome of each try. Network calls are made with no transaction open."""
    moment = at or now()
    with database.reader() as db:
        waiting = due(db, moment)
    told = []
    for one in waiting:
        headers = {
            "ClipJury-Delivery": f"{one.webhook.key}-{one.event}",
            "ClipJury-Signature": signature(secret(settings, one.webhook.key), one.body),
        }
        outcome = calls.post(one.webhook.url, one.body, headers, private=settings.webhooks_private)
        detail = {"key": one.webhook.key, "event": one.event, "ok": outcome.ok, "outcome": outcome.words}
        with database.writer() as db:
            db.add(Event(study_id=one.webhook.study_id, kind=TRIED, detail=detail, created_at=moment))
        told.append((one.webhook.url, outcome.words))
    return told


def _events(db: Session, study_ids: list[int]) -> list[Event]:
    kinds = (ADDED, REMOVED, TRIED, *TELLING)
    query = rows(Event).where(col(Event.study_id).in_(study_ids), col(Event.kind).in_(kinds)).order_by(col(Event.id))
    return list(db.execute(query).scalars())


def _webhooks(events: list[Event]) -> list[Webhook]:
    gone = {one.detail["key"] for one in events if one.kind == REMOVED}
    return [
        Webhook(one.study_id, one.detail["key"], one.detail["url"], one.created_at)
        for one in events
        if one.kind == ADDED and one.detail["key"] not in gone
    ]


def _tries(events: list[Event], key: str, event: int) -> list[Event]:
    return [one for one in events if one.kind == TRIED and one.detail["key"] == key and one.detail["event"] == event]


def _state(events: list[Event], key: str) -> str:
    last: dict[int, list[Event]] = defaultdict(list)
    for one in events:
        if one.kind == TRIED and one.detail["key"] == key:
            last[one.detail["event"]].append(one)
    if not last:
        return "nothing told yet"
    tries = last[max(last)]
    if tries[-1].detail["ok"]:
        return f"told on {tries[-1].created_at:%Y-%m-%d %H:%M} UTC"
    ended = len(tries) > len(WAITS)
    return f"{'given up' if ended else 'not told yet'} after {len(tries)} tries: {tries[-1].detail['outcome']}"


def _body(db: Session, event: Event) -> bytes:
    """What is told: the same bytes at every try, for they are read from what stood when the study was closed."""
    study = db.get_one(Study, event.study_id)
    answers = db.execute(
        rows(func.count())
        .select_from(Judgment)
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(col(Judgment.study_id) == study.id, col(Rater.kind) == "person")
        .where(col(Judgment.created_at) <= event.created_at)
    ).scalar_one()
    content: dict[str, Any] = {
        "event": f"study.{event.kind}",
        "study": study.slug,
        "name": study.name,
        "at": event.created_at.isoformat(),
        "judgments": int(answers),
        "results": f"/api/v1/studies/{study.slug}/estimates",
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()


@contextmanager
def delivering(database: Database, settings: Settings, *, every: float = EVERY) -> Iterator[None]:
    """Deliver webhooks from a background thread during the block, looking every `every` seconds for what is due."""
    stop = threading.Event()
    thread = threading.Thread(
        target=_deliver_until, args=(database, settings, stop, every), name="webhooks", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=1.0)  # a call on its way is not waited for: the next server makes it again


def _deliver_until(database: Database, settings: Settings, stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        try:
            deliver(database, settings)
        except Exception:
            log.exception("webhooks could not be told; trying again")
