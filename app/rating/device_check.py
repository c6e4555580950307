"""The device check: whether the browser plays the clips, the window is large enough and the connection fast enough."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Literal

from sqlalchemy import case, select, update
from sqlmodel import Session, col

from app.errors import AppError, TooManyRequests
from app.models import Event, Rater, RaterRecord, StudyClip
from app.rating.rater_order import shuffled_order
from app.studies import media
from app.studies.rules import Device

Problem = Literal["script", "playback", "size", "speed"]
MOST_LETTERS = 2_000
LONGEST_WORDS = 200
CHECKS_PER_HOUR = 30
HOUR = timedelta(hours=1)
MIME = 'video/mp4; codecs="avc1.640028"'
"""The type of the clips (H.264, as in RFC 6381), for the browser's `canPlayType`."""


def clip_for(db: Session, rater: RaterRecord) -> str:
    """Address of a real clip of the rater's study: an example, a training clip, else the one this rater gets last."""
    last = case((col(StudyClip.role) == "sample", 1), else_=0)
    asked = (
        select(col(StudyClip.id), col(StudyClip.media_key))
        .where(col(StudyClip.study_id) == rater.study_id, col(StudyClip.role).in_(("example", "training", "sample")))
        .order_by(last, shuffled_order(rater.shuffle).desc())
        .limit(1)
    )
    number, key = db.execute(asked).one()
    return media.address_in_study(number, key)


def told_in(text: str) -> dict[str, Any]:
    """The facts that the browser reported, without those that are unknown or of a wrong type. No text: no script.

    >>> told_in('{"script": true, "played": true, "width": 1280, "height": 720, "mbit": 31.5, "other": 1}')
    {'script': True, 'played': True, 'width': 1280, 'height': 720, 'mbit': 31.5}
    >>> told_in("")
    {'script': False}
    """
    if not text:
        return {"script": False}
    try:
        given = json.loads(text) if len(text) <= MOST_LETTERS else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise AppError("The check's outcome could not be read.", "Reload the page to check again.", status=422)
    found: dict[str, Any] = {"script": True}
    found["played"] = given.get("played") is True
    for name in ("width", "height", "mbit", "seconds"):
        value = given.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6:
            found[name] = value
    for name in ("can_play", "error"):
        if isinstance(given.get(name), str):
            found[name] = _storable(given[name])
    return found


def problems(rule: Device, told: Mapping[str, Any]) -> list[Problem]:
    """What is missing. Without script only the study's own requirements can be missing.

    >>> problems(Device(min_width=1000), {"script": True, "played": True, "width": 390, "height": 844})
    ['size']
    >>> problems(Device(), {"script": False})
    []
    """
    if not told["script"]:
        return ["script"] if rule != Device() else []
    found: list[Problem] = []
    if not told["played"]:
        found.append("playback")
    if told.get("width", 0) < rule.min_width or told.get("height", 0) < rule.min_height:
        found.append("size")
    if told.get("mbit", 0.0) < rule.min_mbit:
        found.append("speed")
    return found


def record(
    db: Session, rater: RaterRecord, rule: Device, told: Mapping[str, Any], *, browser: str, now: datetime
) -> None:
    """Store the outcome with the rater and with the browser's User-Agent.

    Raises TooManyRequests for more than CHECKS_PER_HOUR: every check is kept, and only raters who fail repeat it.
    """
    _refuse_too_many(db, rater, now=now)
    found = problems(rule, told)
    outcome = {**told, "browser": _storable(browser), "passed": not found, "problems": found}
    db.execute(update(Rater).where(col(Rater.id) == rater.id).values(device=outcome))
    db.add(Event(study_id=rater.study_id, kind="device_checked", rater_id=rater.id, detail=outcome))


def _refuse_too_many(db: Session, rater: RaterRecord, *, now: datetime) -> None:
    checks = select(col(Event.created_at)).where(
        col(Event.study_id) == rater.study_id, col(Event.rater_id) == rater.id, col(Event.kind) == "device_checked"
    )
    oldest = db.execute(checks.order_by(col(Event.id).desc()).offset(CHECKS_PER_HOUR - 1).limit(1)).scalar()
    if oldest is not None and oldest + HOUR > now:
        seconds = ceil((oldest + HOUR - now).total_seconds())
        raise TooManyRequests("This device was checked very often within an hour.", seconds=seconds)


def outcome_of(db: Session, rater: RaterRecord, *, browser: str) -> dict[str, Any]:
    """The outcome of the last check; empty without one, or if it was made in another browser."""
    found = dict(db.scalars(select(col(Rater.device)).where(col(Rater.id) == rater.id)).one())
    return found if found.get("browser") == _storable(browser) else {}


def _storable(text: str) -> str:
    """The text as every database can store it."""
    return text.encode(errors="replace").decode().replace("\0", "")[:LONGEST_WORDS]
