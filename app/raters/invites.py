"""Invite links: create personal and open ones, admit raters through them, read ids of recruitment platforms."""

import csv
import io
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import segno
from sqlalchemy import func, select
from sqlmodel import Session, col

from app import auth
from app.errors import AppError, NotAllowed, NotFound
from app.models import Event, Invite, Rater, Study
from app.raters import raters
from app.studies.rules import Rules

TOKEN_BYTES = 24
MAX_RATERS = 5000
MAX_ID_LENGTH = 200
PARAMETERS = {
    "prolific": {"participant": "PROLIFIC_PID", "study": "STUDY_ID", "session": "SESSION_ID"},
    "mturk": {
        "participant": "workerId",
        "assignment": "assignmentId",
        "hit": "hitId",
        "submit_to": "turkSubmitTo",
    },
}
"""Names of the query parameters in which each platform passes its ids."""


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new invite link. `path` contains the secret and can be shown only now: the database stores only its hash."""

    name: str
    path: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entrance:
    """What an invite link leads to: a study, with the rater of a personal link or with the open link's invite."""

    study: Study
    rater: Rater | None
    invite: Invite | None


def personal(db: Session, study: Study, name: str, *, expires_at: datetime | None = None) -> NewLink:
    """Create a rater with a personal link, whose secret is 192 random bits."""
    rater = raters.join(db, study, name)
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    rater.token_hash, rater.expires_at = auth.token_hash(secret), expires_at
    db.add(rater)
    db.add(Event(study_id=study.id, kind="invited", rater_id=rater.id))
    db.flush()
    return NewLink(rater.name, f"/join/{secret}", expires_at)


def opened(
    db: Session, study: Study, *, label: str = "", cap: int | None = None, expires_at: datetime | None = None
) -> NewLink:
    """Create an open link: each person who opens it becomes a rater, at most `cap` (at least 1), until it expires."""
    if cap is not None and cap < 1:
        raise AppError(f"A cap of {cap} lets nobody in.", "Give a number from 1, or none for no limit.", status=422)
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    made = Invite(study_id=study.id, label=label, token_hash=auth.token_hash(secret), cap=cap, expires_at=expires_at)
    db.add(made)
    db.flush()
    db.add(Event(study_id=study.id, kind="link_opened", detail={"invite": made.id}))
    return NewLink(label, f"/join/{secret}", expires_at)


def withdraw(db: Session, study: Study, invite_id: int, *, now: datetime) -> None:
    """Withdraw an open link. Raters who came through it stay. Raises NotFound."""
    invite = db.get(Invite, invite_id)
    if invite is None or invite.study_id != study.id:
        raise NotFound(f"The study {study.slug} has no open link {invite_id}.", "Its raters' page lists them.")
    if invite.revoked_at is None:
        invite.revoked_at = now
        db.add(invite)
        db.add(Event(study_id=study.id, kind="link_withdrawn", detail={"invite": invite_id}))


def entrance(db: Session, secret: str, *, now: datetime) -> Entrance:
    """What an invite link leads to. Raises NotFound or NotAllowed if it is unknown, withdrawn or expired."""
    digest = auth.token_hash(secret)
    rater = db.scalars(select(Rater).where(col(Rater.token_hash) == digest)).first()
    invite = None if rater else db.scalars(select(Invite).where(col(Invite.token_hash) == digest)).first()
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
    """The rater who enters: the one of a personal link, the one whom the platform sent before, else a new one.

    Raises NotAllowed if the link is used up or the study is not open. The study's row is locked, so that a cap holds
    and a participant who opens two windows becomes one rater.
    """
    if way.rater is not None:
        return way.rater
    db.scalars(select(col(Study.id)).where(col(Study.id) == way.study.id).with_for_update()).one()
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
    """Raise NotAllowed unless the study is open."""
    if study.state != "open":
        raise NotAllowed("This study takes no new raters now.", "Ask the person who sent the link.")


def sent_before(db: Session, study: Study, ids: Mapping[str, str]) -> Rater | None:
    """The rater with the same participant id of the same platform, or None."""
    if "participant" not in ids:
        return None
    kept = Rater.__table__.c.platform_ids  # type: ignore[attr-defined]  # every table model has one
    return db.scalars(
        select(Rater).where(
            col(Rater.study_id) == study.id,
            kept["platform"].as_string() == ids["platform"],
            kept["participant"].as_string() == ids["participant"],
            col(Rater.revoked_at).is_(None),
        )
    ).first()


def platform_ids(query: Mapping[str, str]) -> dict[str, str]:
    """The ids that a recruitment platform passes in the query of the link; empty without a participant id.

    >>> platform_ids({"PROLIFIC_PID": "5f", "STUDY_ID": "s1", "other": "x"})
    {'platform': 'prolific', 'participant': '5f', 'study': 's1'}
    >>> platform_ids({"STUDY_ID": "s1"})
    {}
    """
    for platform, names in PARAMETERS.items():
        ids = {ours: query[theirs][:MAX_ID_LENGTH] for ours, theirs in names.items() if query.get(theirs)}
        if "participant" in ids:
            return {"platform": platform, **ids}
    return {}


def names_in(text: str) -> list[tuple[str, datetime | None]]:
    """Names of raters, each with the time when the link expires, from a CSV text with the columns `name` and `expires`.

    `expires` is optional: a date (the end of that day in UTC) or a time. Other columns, such as e-mail addresses, are
    ignored. Raises AppError.

    >>> names_in("name,email\\nAda,ada@example.org\\n")
    [('Ada', None)]
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if "name" not in (rows.fieldnames or []):
        raise AppError("The list of raters has no column name.", "Its first line names the columns: name,expires")
    found = [
        (row["name"].strip(), _end(row.get("expires"), rows.line_num)) for row in rows if (row["name"] or "").strip()
    ]
    if len(found) > MAX_RATERS:
        raise AppError(f"The list has {len(found)} raters.", f"Bring at most {MAX_RATERS} at once.")
    return found


def end_of(given: str) -> datetime | None:
    """When a link expires: a date means the end of that day in UTC, a time without an offset is in UTC, "" is never.

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


def links_csv(links: list[NewLink], base: str) -> str:
    """The links as CSV: name, link, expires. Names that a spreadsheet would take for a formula start with '."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["name", "link", "expires"])
    for link in links:
        name = f"'{link.name}" if link.name[:1] in {"=", "+", "-", "@"} else link.name
        table.writerow([name, base + link.path, link.expires_at.isoformat() if link.expires_at else ""])
    return out.getvalue()


def qr_code(address: str) -> str:
    """QR code (ISO/IEC 18004) of an address, as an SVG in a data: URL for an image."""
    return segno.make(address, micro=False).svg_data_uri(scale=4, dark="#000", light="#fff")


def _came_by(db: Session, way: Entrance) -> int:
    invite = col(Rater.invite_id)
    same = invite == way.invite.id if way.invite else invite.is_(None)
    return db.scalars(
        select(func.count())
        .select_from(Rater)
        .where(col(Rater.study_id) == way.study.id, col(Rater.kind) == "person", col(Rater.token_hash).is_(None), same)
    ).one()


def _end(given: str | None, line: int) -> datetime | None:
    try:
        return end_of(given or "")
    except AppError as error:
        raise AppError(f"Line {line} of the list: {error.message}", error.remedy) from error
