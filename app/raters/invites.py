"""Invite links: personal ones, open ones with a cap and an end, and whom a recruitment platform sends."""

import csv
import io
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import segno
from sqlalchemy import func
from sqlmodel import Session, col, select

from app import auth
from app.errors import AppError, NotAllowed, NotFound
from app.models import Event, Invite, Rater, Study
from app.raters import raters
from app.studies.rules import Rules

TOKEN_BYTES = 24
MOST_AT_ONCE = 5000
LONGEST_ID = 200
PARAMETERS = {
    "prolific": {"participant": "PROLIFIC_PID", "study": "STUDY_ID", "session": "SESSION_ID"},
    "mturk": {
        "participant": "workerId",
        "assignment": "assignmentId",
        "hit": "hitId",
        "submit_to": "turkSubmitTo",
    },
}
"""The names under which each platform passes its ids in the address."""


@dataclass(frozen=True, slots=True)
class Link:
    """A fresh invite: `path` holds the secret and can be shown only now, for the database keeps its hash alone."""

    name: str
    path: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entrance:
    """What an invite link opens: a study, as a known rater (personal link) or as somebody new (open link)."""

    study: Study
    rater: Rater | None
    invite: Invite | None


def personal(db: Session, study: Study, name: str, *, expires_at: datetime | None = None) -> Link:
    """Make a rater with a link of their own: 192 random bits that nothing can make again."""
    rater = raters.join(db, study, name)
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    rater.token_hash, rater.expires_at = auth.token_hash(secret), expires_at
    db.add(rater)
    db.add(Event(study_id=study.id, kind="invited", rater_id=rater.id))
    db.flush()
    return Link(rater.name, f"/join/{secret}", expires_at)


def opened(
    db: Session, study: Study, *, label: str = "", cap: int | None = None, expires_at: datetime | None = None
) -> Link:
    """Make an open link: everybody who opens it becomes a rater, up to `cap` of them (at least 1), until its end."""
    if cap is not None and cap < 1:
        raise AppError(f"A cap of {cap} lets nobody in.", "Give a number from 1, or none for no limit.", status=422)
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    made = Invite(study_id=study.id, label=label, token_hash=auth.token_hash(secret), cap=cap, expires_at=expires_at)
    db.add(made)
    db.flush()
    db.add(Event(study_id=study.id, kind="link_opened", detail={"invite": made.id}))
    return Link(label, f"/join/{secret}", expires_at)


def withdraw(db: Session, study: Study, invite_id: int, *, now: datetime) -> None:
    """Let nobody more in by an open link; who came by it stays."""
    invite = db.get(Invite, invite_id)
    if invite is None or invite.study_id != study.id:
        raise NotFound(f"The study {study.slug} has no open link {invite_id}.", "Its raters' page lists them.")
    if invite.revoked_at is None:
        invite.revoked_at = now
        db.add(invite)
        db.add(Event(study_id=study.id, kind="link_withdrawn", detail={"invite": invite_id}))


def entrance(db: Session, secret: str, *, now: datetime) -> Entrance:
    """What a link opens; raises in words when it is unknown, withdrawn or past its end."""
    digest = auth.token_hash(secret)
    rater = db.exec(select(Rater).where(Rater.token_hash == digest)).first()
    invite = None if rater else db.exec(select(Invite).where(Invite.token_hash == digest)).first()
    link = rater or invite
    if link is None:
        return Entrance(raters.study_of_link(db, secret), None, None)
    if link.revoked_at is not None:
        raise NotFound("This invite link was withdrawn.", "Ask the person who sent it for a new one.")
    if link.expires_at is not None and link.expires_at <= now:
        raise NotAllowed("This invite link has expired.", "Ask the person who sent it for a new one.")
    study = db.get_one(Study, link.study_id)
    return Entrance(study, rater, invite)


def admit(db: Session, way: Entrance, name: str, ids: Mapping[str, str]) -> Rater:
    """The rater who enters: the known one, the one whom the platform sent before, else somebody new.

    Raises NotAllowed when the link is full or the study takes nobody new. One at a time per study, so that a cap
    holds and one participant who opens two windows is one rater.
    """
    if way.rater is not None:
        return way.rater
    db.exec(select(Study.id).where(Study.id == way.study.id).with_for_update()).one()
    before = sent_before(db, way.study, ids)
    if before is not None:
        return before
    refuse_unless_open(way.study)
    cap = way.invite.cap if way.invite else Rules.model_validate(way.study.rules).recruitment.cap
    if cap is not None and _came_by(db, way) >= cap:
        raise NotAllowed("This invite link is full.", "Ask the person who sent it whether more raters are needed.")
    rater = raters.join(db, way.study, name)
    rater.invite_id = way.invite.id if way.invite else None
    rater.platform_ids = dict(ids)
    db.add(rater)
    db.flush()
    return rater


def refuse_unless_open(study: Study) -> None:
    """Raises NotAllowed in words when the study takes nobody new."""
    if study.state != "open":
        raise NotAllowed("This study takes no new raters now.", "Ask the person who sent the link.")


def sent_before(db: Session, study: Study, ids: Mapping[str, str]) -> Rater | None:
    """The rater whom the same platform sent under the same participant's id."""
    if "participant" not in ids:
        return None
    kept = Rater.__table__.c.platform_ids  # type: ignore[attr-defined]  # every table model has one
    return db.exec(
        select(Rater).where(
            Rater.study_id == study.id,
            kept["platform"].as_string() == ids["platform"],
            kept["participant"].as_string() == ids["participant"],
            col(Rater.revoked_at).is_(None),
        )
    ).first()


def platform_ids(query: Mapping[str, str]) -> dict[str, str]:
    """What a recruitment platform says of its participant in the link's address; empty without one.

    >>> platform_ids({"PROLIFIC_PID": "5f", "STUDY_ID": "s1", "other": "x"})
    {'platform': 'prolific', 'participant': '5f', 'study': 's1'}
    >>> platform_ids({"STUDY_ID": "s1"})
    {}
    """
    for platform, names in PARAMETERS.items():
        ids = {ours: query[theirs][:LONGEST_ID] for ours, theirs in names.items() if query.get(theirs)}
        if "participant" in ids:
            return {"platform": platform, **ids}
    return {}


def names_in(text: str) -> list[tuple[str, datetime | None]]:
    """Raters' names, with when their link ends, from a CSV with the columns `name` and perhaps `expires`.

    `expires` is a date (its end, in UTC) or a time; other columns (addresses of mail) are not kept.

    >>> names_in("name,email\\nAda,ada@example.org\\n")
    [('Ada', None)]
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if "name" not in (rows.fieldnames or []):
        raise AppError("The list of raters has no column name.", "Its first line names the columns: name,expires")
    found = [
        (row["name"].strip(), _end(row.get("expires"), rows.line_num)) for row in rows if (row["name"] or "").strip()
    ]
    if len(found) > MOST_AT_ONCE:
        raise AppError(f"The list has {len(found)} raters.", f"Bring at most {MOST_AT_ONCE} at once.")
    return found


def end_of(given: str) -> datetime | None:
    """When a link ends: a date means the end of that day in UTC, a time without an offset is in UTC; "" is never.

    >>> end_of("2026-12-31").isoformat()
    '2027-01-01T00:00:00+00:00'
    """
    text = given.strip()
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            when += timedelta(days=1)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise AppError(f"{given!r} is no date.", "Write it as 2026-12-31.", status=422) from error


def links_csv(links: list[Link], base: str) -> str:
    """The links as a CSV to send out: name, link, expires. A name that a spreadsheet would run is quoted by '."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["name", "link", "expires"])
    for link in links:
        name = f"'{link.name}" if link.name[:1] in {"=", "+", "-", "@"} else link.name
        table.writerow([name, base + link.path, link.expires_at.isoformat() if link.expires_at else ""])
    return out.getvalue()


def qr_code(address: str) -> str:
    """The address as a QR code (ISO/IEC 18004): an SVG in a data: address, fit for an image."""
    return segno.make(address, micro=False).svg_data_uri(scale=4, dark="#000", light="#fff")


def _came_by(db: Session, way: Entrance) -> int:
    invite = col(Rater.invite_id)
    same = invite == way.invite.id if way.invite else invite.is_(None)
    return db.exec(
        select(func.count())
        .select_from(Rater)
        .where(Rater.study_id == way.study.id, Rater.kind == "person", col(Rater.token_hash).is_(None), same)
    ).one()


def _end(given: str | None, line: int) -> datetime | None:
    try:
        return end_of(given or "")
    except AppError as error:
        raise AppError(f"Line {line} of the list: {error.message}", error.remedy) from error
