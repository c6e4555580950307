"""Who is asking: invite links, the researcher's link, signed session cookies."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Literal

from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import bindparam, select
from sqlmodel import Session

from app.errors import NotAllowed, SignInNeeded
from app.models import Rater, Study
from app.settings import Settings

Role = Literal["rater", "researcher"]
SESSION_SECONDS = 60 * 60 * 24 * 90
MOST_SESSIONS = 20


def token(settings: Settings, purpose: str) -> str:
    """A link's secret: 128 bits that only the signing key can make, the same at every start.

    The database keeps only `token_hash` of it, so a stolen copy of the database opens no link.
    """
    digest = hmac.new(settings.key, purpose.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def token_hash(secret: str) -> str:
    """What the database keeps of a link's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def researcher_key(settings: Settings) -> str:
    """The secret in the researcher's link."""
    return token(settings, "researcher")


def is_researcher_key(settings: Settings, given: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(researcher_key(settings).encode(), given.strip().encode())


def sign_in(request: Request, response: Response, role: Role, who: int) -> None:
    """Give the browser a signed cookie that says who it is; who it was in other studies stays known."""
    before = [one for one in sessions_of(request, role) if one != who]
    response.set_cookie(
        _cookie(request, role),
        _serializer(request, role).dumps([*before, who][-MOST_SESSIONS:]),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def sign_out(request: Request, response: Response) -> None:
    """Take both cookies back."""
    for role in ("rater", "researcher"):
        response.delete_cookie(_cookie(request, role))


@dataclass(frozen=True, slots=True)
class SignedInRater:
    """The rater of a session, as the request read them, and where their study stands: read with them, so that a copy
    of the study kept in memory is never out of date. (A plain copy: an entity costs twice as much to read.)
    """

    id: int
    study_id: int
    shuffle: int
    guidelines_hash: str | None
    language: str
    created_at: datetime
    consent_hash: str | None
    tries: int
    qualified: bool | None
    ended: str
    taken: int
    study_version: int
    study_state: str


_TABLE = Rater.__table__  # type: ignore[attr-defined]  # every table model has one
_STUDY = Study.__table__  # type: ignore[attr-defined]
_OF_STUDY = {"study_version": _STUDY.c.version, "study_state": _STUDY.c.state}
_COLUMNS = [_OF_STUDY[one.name] if one.name in _OF_STUDY else _TABLE.c[one.name] for one in fields(SignedInRater)]
_FIND = (
    select(*_COLUMNS)
    .join_from(_TABLE, _STUDY, _STUDY.c.id == _TABLE.c.study_id)
    .where(_TABLE.c.id == bindparam("who"), _TABLE.c.revoked_at.is_(None))
)
_FIND_LOCKED = _FIND.with_for_update(of=_TABLE)


def find_rater(db: Session, who: int | None, *, lock: bool = False) -> SignedInRater | None:
    """The rater of a session, unless the invitation was withdrawn; `lock` makes their other tabs wait."""
    if who is None:
        return None
    row = db.connection().execute(_FIND_LOCKED if lock else _FIND, {"who": who}).first()
    return SignedInRater(*row) if row else None


def session_of(request: Request, role: Role) -> int | None:
    """Who the cookie says the browser is now; None without one, or when it is forged or too old."""
    return next(reversed(sessions_of(request, role)), None)


def sessions_of(request: Request, role: Role) -> list[int]:
    """Everybody the browser has been, one rater per study, the present one last."""
    raw = request.cookies.get(_cookie(request, role))
    if raw is None:
        return []
    settings: Settings = request.app.state.settings
    try:
        known, until = _verified(settings.key, role, raw)
    except (BadSignature, TypeError, ValueError):
        return []
    return list(known) if datetime.now(UTC) < until else []


@lru_cache(maxsize=4096)
def _verified(key: bytes, role: Role, raw: str) -> tuple[tuple[int, ...], datetime]:
    """Whom a cookie names and until when; raises for a forged one. Kept, for a browser sends the same one each time."""
    named, signed = _serializer_of(key, role).loads(raw, return_timestamp=True)
    return tuple(int(one) for one in named), signed + timedelta(seconds=SESSION_SECONDS)


def rater_in(request: Request, db: Session, study_id: int) -> SignedInRater | None:
    """Who this browser already is in a study."""
    known = (find_rater(db, one) for one in reversed(sessions_of(request, "rater")))
    return next((rater for rater in known if rater is not None and rater.study_id == study_id), None)


def _cookie(request: Request, role: Role) -> str:
    settings: Settings = request.app.state.settings
    return _cookie_name(settings.key, role)


@cache
def _cookie_name(key: bytes, role: Role) -> str:
    # Two ClipJurys on one machine share a cookie jar (ports do not separate cookies): the key's mark keeps them apart.
    return f"clipjury_{role}_{hashlib.sha256(key).hexdigest()[:8]}"


def _serializer(request: Request, role: Role) -> URLSafeTimedSerializer:
    settings: Settings = request.app.state.settings
    return _serializer_of(settings.key, role)


@cache
def _serializer_of(key: bytes, role: Role) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt=f"session-{role}")


def session_rater(request: Request) -> int:
    """The number in the rater's cookie, or a refusal."""
    who = session_of(request, "rater")
    if who is None:
        raise SignInNeeded(
            "This page is for raters, and this browser has not opened an invite link.",
            "Open the link you were given; your answers so far are safe.",
        )
    return who


def signed_in_rater(request: Request, db: Session, *, lock: bool = False) -> SignedInRater:
    """The rater whose browser asks, looked up in the caller's own session; else a refusal."""
    rater = find_rater(db, session_rater(request), lock=lock)
    if rater is None:
        raise SignInNeeded("This invitation is not valid any more.", "Ask the person who invited you for a new link.")
    return rater


async def require_researcher(request: Request) -> None:
    """Refuse everybody but the researcher."""
    if session_of(request, "researcher") is not None:
        return
    if session_of(request, "rater") is not None:
        raise NotAllowed("This page is for the study's researcher.", "Raters find their clips at /rate.")
    raise SignInNeeded("This page is for the study's researcher.", "Sign in with the researcher link.")
