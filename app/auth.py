"""Sign raters and researchers in: secrets of links, and session cookies signed with the installation's key."""

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
    """The secret of a link: 128 bits derived from the signing key, the same at every start.

    The database stores only its `token_hash`: a stolen copy of the database opens no link.
    """
    digest = hmac.new(settings.key, purpose.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def token_hash(secret: str) -> str:
    """SHA-256 of a link's secret, as the database stores it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def researcher_key(settings: Settings) -> str:
    """The secret in the researcher's link."""
    return token(settings, "researcher")


def is_researcher_key(settings: Settings, given: str) -> bool:
    """True if this is the researcher's secret; compared in constant time."""
    return hmac.compare_digest(researcher_key(settings).encode(), given.strip().encode())


def sign_in(request: Request, response: Response, role: Role, who: int) -> None:
    """Set a signed cookie that names the rater or researcher. The cookie keeps the rater's other studies too."""
    before = [one for one in sessions_of(request, role) if one != who]
    response.set_cookie(
        _cookie(request, role),
        _serializer(request, role).dumps([*before, who][-MOST_SESSIONS:]),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=_settings(request).https,
    )


def sign_out(request: Request, response: Response) -> None:
    """Delete both cookies."""
    for role in ("rater", "researcher"):
        response.delete_cookie(_cookie(request, role), secure=_settings(request).https, httponly=True, samesite="lax")


@dataclass(frozen=True, slots=True)
class SignedInRater:
    """The rater of a session and the version and state of their study, as this request read them.

    The study's version is read in the same query, so that a cached copy of the study is never out of date. It is a
    plain copy because reading an ORM entity costs twice as much.
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
    """The rater of a session; None if the invitation was withdrawn. `lock` makes the rater's other tabs wait."""
    if who is None:
        return None
    row = db.connection().execute(_FIND_LOCKED if lock else _FIND, {"who": who}).first()
    return SignedInRater(*row) if row else None


def session_of(request: Request, role: Role) -> int | None:
    """Id of the rater or researcher who is signed in; None without a valid cookie."""
    return next(reversed(sessions_of(request, role)), None)


def sessions_of(request: Request, role: Role) -> list[int]:
    """Ids of all raters this browser has signed in as, one per study, the current one last."""
    raw = request.cookies.get(_cookie(request, role))
    if raw is None:
        return []
    try:
        known, until = _verified(_settings(request).key, role, raw)
    except (BadSignature, TypeError, ValueError):
        return []
    return list(known) if datetime.now(UTC) < until else []


@lru_cache(maxsize=4096)
def _verified(key: bytes, role: Role, raw: str) -> tuple[tuple[int, ...], datetime]:
    """The ids in a cookie and when it expires; raises BadSignature for a forged cookie.

    The result is cached because a browser sends the same cookie with every request.
    """
    named, signed = _serializer_of(key, role).loads(raw, return_timestamp=True)
    return tuple(int(one) for one in named), signed + timedelta(seconds=SESSION_SECONDS)


def rater_in(request: Request, db: Session, study_id: int) -> SignedInRater | None:
    """The rater as whom this browser is signed in to a study, or None."""
    known = (find_rater(db, one) for one in reversed(sessions_of(request, "rater")))
    return next((rater for rater in known if rater is not None and rater.study_id == study_id), None)


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _cookie(request: Request, role: Role) -> str:
    settings = _settings(request)
    return _cookie_name(settings.key, role, https=settings.https)


@cache
def _cookie_name(key: bytes, role: Role, *, https: bool) -> str:
    # Two installations on one machine share cookies (ports do not separate them): the hash of the key keeps them apart.
    # Browsers accept the prefix __Host- only from the host itself, over TLS: no other host can set a session.
    return f"{'__Host-' if https else ''}clipjury_{role}_{hashlib.sha256(key).hexdigest()[:8]}"


def _serializer(request: Request, role: Role) -> URLSafeTimedSerializer:
    return _serializer_of(_settings(request).key, role)


@cache
def _serializer_of(key: bytes, role: Role) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt=f"session-{role}")


def session_rater(request: Request) -> int:
    """Id of the rater in the cookie. Raises SignInNeeded without one."""
    who = session_of(request, "rater")
    if who is None:
        raise SignInNeeded(
            "This page is for raters, and this browser has not opened an invite link.",
            "Open the link you were given; your answers so far are safe.",
        )
    return who


def signed_in_rater(request: Request, db: Session, *, lock: bool = False) -> SignedInRater:
    """The rater who sent the request, read in the caller's database session. Raises SignInNeeded."""
    rater = find_rater(db, session_rater(request), lock=lock)
    if rater is None:
        raise SignInNeeded("This invitation is not valid any more.", "Ask the person who invited you for a new link.")
    return rater


async def require_researcher(request: Request) -> None:
    """Raise SignInNeeded or NotAllowed unless the researcher is signed in."""
    if session_of(request, "researcher") is not None:
        return
    if session_of(request, "rater") is not None:
        raise NotAllowed("This page is for the study's researcher.", "Raters find their clips at /rate.")
    raise SignInNeeded("This page is for the study's researcher.", "Sign in with the researcher link.")
