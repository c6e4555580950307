"""Webhooks: send a signed message to another program when a study is closed, and retry until it is received.

Webhooks and delivery attempts are events of the study. What is due is computed from these events, so a restarted
server continues where it stopped. Of several servers on one database, the one that claims a delivery sends it. A
receiver may still get the same delivery twice and recognises it by its number. The secret is derived from the signing
key and is not stored.
"""

import hashlib
import hmac
import json
import logging
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.db import Database
from app.errors import AppError, NotFound
from app.models import Event, Judgment, Rater, Study, now
from app.settings import Settings
from app.webhooks import calls

log = logging.getLogger("clipjury")
ADDED, REMOVED, CLAIMED, TRIED = "webhook_added", "webhook_removed", "webhook_claimed", "webhook_tried"
DELIVERED_EVENTS = ("closed", "archived")
"""Events of a study that are delivered to webhooks."""
RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 21_600, 86_400))
"""Time between a failed attempt and the next; after the last of them the delivery is given up."""
CLAIM_LAPSES = timedelta(minutes=2)
"""Time after which a delivery without an outcome is sent again: its server has died. A request takes at most
`calls.TOTAL_SECONDS`, to which come the search for the host's name and the wait for the database."""
MOST_AT_ONCE = 16
"""Deliveries that are sent at the same time."""
CHECK_SECONDS = 5.0
"""Seconds between two checks for what is due. A check without anything due is one query."""


@dataclass(frozen=True)
class Webhook:
    """An address that receives a study's events. `state` describes the newest delivery."""

    study_id: int
    key: str
    url: str
    added: datetime
    state: str = ""


@dataclass(frozen=True)
class Delivery:
    """An event that is due for delivery to a webhook."""

    webhook: Webhook
    event: int
    body: bytes


def add(db: Session, settings: Settings, study: Study, url: str) -> str:
    """Add a webhook to a study and return its secret, which is shown only once.

    Raises AppError for an address that may not be called (`calls.check`) or is told already.
    """
    calls.check(url, private=settings.webhooks_private)
    if any(one.url == url for one in of_study(db, study)):
        raise AppError(
            f"{url} is told already.", "Remove it first for a new secret: clipjury webhook remove", status=409
        )
    key = secrets.token_hex(8)
    db.add(Event(study_id=study.id, kind=ADDED, detail={"key": key, "url": url}))
    db.flush()
    return secret(settings, key)


def remove(db: Session, study: Study, url: str) -> None:
    """Remove a webhook. Raises NotFound that lists the study's webhooks if it has none with this address."""
    for one in of_study(db, study):
        if one.url == url:
            db.add(Event(study_id=study.id, kind=REMOVED, detail={"key": one.key}))
            db.flush()
            return
    names = ", ".join(one.url for one in of_study(db, study)) or "none"
    raise NotFound(f"{study.slug} has no webhook {url}.", f"It has: {names}.")


def of_study(db: Session, study: Study) -> list[Webhook]:
    """The study's webhooks in the order in which they were added, each with the state of its last delivery."""
    events = _events(db, [study.id])
    return [Webhook(one.study_id, one.key, one.url, one.added, _state(events, one.key)) for one in _webhooks(events)]


def secret(settings: Settings, key: str) -> str:
    """The secret of a webhook, with which the receiver checks signatures.

    It is derived from the oldest signing key that is kept, so that a new key does not change it.
    """
    return "whsec_" + hmac.new(settings.keys[-1], f"webhook:{key}".encode(), hashlib.sha256).hexdigest()


def signature(secret_text: str, body: bytes) -> str:
    """Value of the header `ClipJury-Signature`: HMAC-SHA256 (RFC 2104) of the body, keyed with the secret.

    >>> signature("whsec_1", b"{}")[:15]
    'sha256=b8a3a821'
    """
    return "sha256=" + hmac.new(secret_text.encode(), body, hashlib.sha256).hexdigest()


def due(db: Session, at: datetime) -> list[Delivery]:
    """Deliveries that are due at this time."""
    with_webhooks = db.execute(select(col(Event.study_id)).where(col(Event.kind) == ADDED).distinct()).scalars().all()
    if not with_webhooks:
        return []
    events = _events(db, list(with_webhooks))
    return [
        Delivery(webhook, event.id, _body(db, event))
        for webhook in _webhooks(events)
        for event in events
        if _is_due(events, webhook, event, at)
    ]


def _is_due(events: list[Event], webhook: Webhook, event: Event, at: datetime) -> bool:
    """True if the webhook is to receive this event now, and no server is sending it."""
    if event.kind not in DELIVERED_EVENTS or event.study_id != webhook.study_id or event.created_at < webhook.added:
        return False
    tries = _attempts(events, TRIED, webhook.key, event.id)
    if any(one.detail["ok"] for one in tries) or len(tries) > len(RETRY_DELAYS):
        return False
    claims = _attempts(events, CLAIMED, webhook.key, event.id)
    if claims and (not tries or tries[-1].id < claims[-1].id):
        return claims[-1].created_at + CLAIM_LAPSES <= at
    return not tries or tries[-1].created_at + RETRY_DELAYS[len(tries) - 1] <= at


def deliver(database: Database, settings: Settings, *, at: datetime | None = None) -> list[tuple[str, str]]:
    """Deliver what is due; returns address and outcome of each attempt. No transaction is open during network calls.

    Deliveries are sent at the same time, so that a slow receiver delays no other. Those that another server sends
    meanwhile are left to it.
    """
    with database.reader() as db:
        waiting = due(db, at or now())
    if not waiting:
        return []
    with ThreadPoolExecutor(min(len(waiting), MOST_AT_ONCE), thread_name_prefix="webhook") as pool:
        attempts = pool.map(lambda one: _attempt(database, settings, one, at or now()), waiting)
        return [attempt for attempt in attempts if attempt is not None]


def _attempt(database: Database, settings: Settings, one: Delivery, moment: datetime) -> tuple[str, str] | None:
    """Send one delivery and record the outcome; returns its address and the outcome.

    None if another server has claimed it.
    """
    if not _claim(database, one, moment):
        return None
    headers = {
        "ClipJury-Delivery": f"{one.webhook.key}-{one.event}",
        "ClipJury-Signature": signature(secret(settings, one.webhook.key), one.body),
    }
    outcome = calls.post(one.webhook.url, one.body, headers, private=settings.webhooks_private)
    detail = {"key": one.webhook.key, "event": one.event, "ok": outcome.ok, "outcome": outcome.words}
    with database.writer() as db:
        db.add(Event(study_id=one.webhook.study_id, kind=TRIED, detail=detail, created_at=moment))
    return one.webhook.url, outcome.words


def _claim(database: Database, one: Delivery, moment: datetime) -> bool:
    """Reserve a delivery for this server. False if another server has claimed or sent it since it was found due."""
    study_id, key = one.webhook.study_id, one.webhook.key
    with database.writer() as db:
        # Servers claim one after the other: on SQLite a writer is alone, on PostgreSQL the event's row is locked.
        event = db.scalars(select(Event).where(col(Event.id) == one.event).with_for_update()).one()
        events = _events(db, [study_id])
        if not any(found.key == key and _is_due(events, found, event, moment) for found in _webhooks(events)):
            return False
        db.add(Event(study_id=study_id, kind=CLAIMED, detail={"key": key, "event": one.event}, created_at=moment))
    return True


def _events(db: Session, study_ids: list[int]) -> list[Event]:
    kinds = (ADDED, REMOVED, CLAIMED, TRIED, *DELIVERED_EVENTS)
    query = select(Event).where(col(Event.study_id).in_(study_ids), col(Event.kind).in_(kinds)).order_by(col(Event.id))
    return list(db.execute(query).scalars())


def _webhooks(events: list[Event]) -> list[Webhook]:
    gone = {one.detail["key"] for one in events if one.kind == REMOVED}
    return [
        Webhook(one.study_id, one.detail["key"], one.detail["url"], one.created_at)
        for one in events
        if one.kind == ADDED and one.detail["key"] not in gone
    ]


def _attempts(events: list[Event], kind: str, key: str, event: int) -> list[Event]:
    return [one for one in events if one.kind == kind and one.detail["key"] == key and one.detail["event"] == event]


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
    ended = len(tries) > len(RETRY_DELAYS)
    return f"{'given up' if ended else 'not told yet'} after {len(tries)} tries: {tries[-1].detail['outcome']}"


def _body(db: Session, event: Event) -> bytes:
    """The message: the same bytes at every attempt, because it describes the study at the time of the event."""
    study = db.get_one(Study, event.study_id)
    answers = db.execute(
        select(func.count())
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
def delivering(database: Database, settings: Settings, *, every: float = CHECK_SECONDS) -> Iterator[None]:
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
        thread.join(timeout=1.0)  # does not wait for an open request: the next server repeats it


def _deliver_until(database: Database, settings: Settings, stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        try:
            deliver(database, settings)
        except Exception:
            log.exception("webhooks could not be delivered; trying again")
