"""Sign raters and researchers in: secrets of links, and session cookies signed with the installation's key."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple, Protocol

from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import bindparam, delete, or_, select
from sqlmodel import Session, col

from app.db import Database
from app.errors import NotAllowed, SignInNeeded
from app.models import Rater, ResearcherSession, Study
from app.settings import Settings

Role = Literal["rater", "researcher"]
SESSION_SECONDS = 60 * 60 * 24 * 90
MOST_SESSIONS = 20
SECRET_BYTES = 24


def token(settings: Settings, purpose: str, *, key: bytes | None = None) -> str:
    """The secret of a link: 128 bits derived from the signing key, the same at every start.

    The database stores only its `token_hash`: a stolen copy of the database opens no link.
    """
    digest = hmac.new(key or settings.key, purpose.encode(), hashlib.sha256).digest()
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


class RaterSession(NamedTuple):
    """What a cookie says of one rater. The session has ended if the rater's epoch has increased."""

    id: int
    epoch: int


class RaterWithEpoch(Protocol):
    """The fields of a rater that a session needs."""

    @property
    def id(self) -> int: ...
    @property
    def epoch(self) -> int: ...


def sign_in_rater(request: Request, response: Response, rater: RaterWithEpoch) -> None:
    """Set a signed cookie that names the rater. It keeps the sessions of the rater's other studies."""
    before = [one for one in rater_sessions(request) if one.id != rater.id]
    _set_cookie(request, response, "rater", [*before, (rater.id, rater.epoch)][-MOST_SESSIONS:])


def sign_in_researcher(request: Request, response: Response, db: Session, *, now: datetime) -> None:
    """Start a session of the researcher in the database, and set a signed cookie with its secret."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    db.execute(delete(ResearcherSession).where(col(ResearcherSession.ends_at) <= now))
    db.add(ResearcherSession(secret_hash=token_hash(secret), ends_at=now + timedelta(seconds=SESSION_SECONDS)))
    db.flush()
    _set_cookie(request, response, "researcher", secret)


def sign_out(request: Request, response: Response, db: Session) -> None:
    """End the researcher's session in the database, and delete both cookies."""
    secret = researcher_secret(request)
    if secret:
        db.execute(delete(ResearcherSession).where(col(ResearcherSession.secret_hash) == token_hash(secret)))
    roles: tuple[Role, ...] = ("rater", "researcher")
    for role in roles:
        secure = _settings(request).https
        response.delete_cookie(_cookie(request, role), secure=secure, httponly=True, samesite="lax")


def _set_cookie(request: Request, response: Response, role: Role, content: object) -> None:
    response.set_cookie(
        _cookie(request, role),
        str(_serializer_of(_keys(_settings(request), role), role).dumps(content)),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=_settings(request).https,
    )


@dataclass(frozen=True, slots=True)
class SignedInRater:
    """The rater of a session and the version and state of their study, as this request read them.

    The study's version is read in the same query, so that a cached copy of the study is never out of date. It is a
    plain copy because reading an ORM entity costs twice as much.
    """

    id: int
    study_id: int
    epoch: int
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
    .where(_TABLE.c.id == bindparam("who"), _TABLE.c.epoch == bindparam("epoch"), _TABLE.c.revoked_at.is_(None))
    .where(or_(_TABLE.c.expires_at.is_(None), _TABLE.c.expires_at > bindparam("moment")))
)
_FIND_LOCKED = _FIND.with_for_update(of=_TABLE)


def find_rater(db: Session, session: RaterSession | None, *, lock: bool = False) -> SignedInRater | None:
    """The rater of a session; None if the personal link was withdrawn or renewed, or has expired.

    `lock` makes the rater's other tabs wait.
    """
    if session is None:
        return None
    given = {"who": session.id, "epoch": session.epoch, "moment": datetime.now(UTC)}
    row = db.connection().execute(_FIND_LOCKED if lock else _FIND, given).first()
    return SignedInRater(*row) if row else None


def rater_session(request: Request) -> RaterSession | None:
    """The rater who is signed in; None without a valid cookie."""
    return next(reversed(rater_sessions(request)), None)


def rater_sessions(request: Request) -> list[RaterSession]:
    """All raters as whom this browser has signed in, one per study, the current one last."""
    content = _content_of_cookie(request, "rater")
    try:
        return [_session(one) for one in content] if isinstance(content, list) else []
    except (TypeError, ValueError):
        return []


def _session(entry: Any) -> RaterSession:
    # Cookies of earlier versions hold numbers of raters alone, whose epoch is 0.
    number, epoch = entry if isinstance(entry, list) else (entry, 0)
    return RaterSession(int(number), int(epoch))


def researcher_secret(request: Request) -> str | None:
    """The secret of the researcher's session in the cookie, whether or not it has ended; None without one."""
    content = _content_of_cookie(request, "researcher")
    return content if isinstance(content, str) else None


def is_researcher(request: Request, db: Session) -> bool:
    """True if the researcher is signed in: the cookie's session is in the database and has not ended."""
    secret = researcher_secret(request)
    if secret is None:
        return False
    session = ResearcherSession
    mine = select(col(session.id)).where(
        col(session.secret_hash) == token_hash(secret), col(session.ends_at) > datetime.now(UTC)
    )
    return db.execute(mine).first() is not None


def _content_of_cookie(request: Request, role: Role) -> object:
    raw = request.cookies.get(_cookie(request, role))
    if raw is None:
        return None
    try:
        content, until = _verified(_keys(_settings(request), role), role, raw)
    except BadSignature:
        return None
    return content if datetime.now(UTC) < until else None


@lru_cache(maxsize=4096)
def _verified(keys: tuple[bytes, ...], role: Role, raw: str) -> tuple[object, datetime]:
    """What a cookie says and when it expires; raises BadSignature for a forged cookie.

    The result is cached because a browser sends the same cookie with every request.
    """
    content, signed = _serializer_of(keys, role).loads(raw, return_timestamp=True)
    return content, signed + timedelta(seconds=SESSION_SECONDS)


def rater_in(request: Request, db: Session, study_id: int) -> SignedInRater | None:
    """The rater as whom this browser is signed in to a study, or None."""
    known = (find_rater(db, one) for one in reversed(rater_sessions(request)))
    return next((rater for rater in known if rater is not None and rater.study_id == study_id), None)


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _cookie(request: Request, role: Role) -> str:
    settings = _settings(request)
    return _cookie_name(settings.keys[-1], role, https=settings.https)


@cache
def _cookie_name(key: bytes, role: Role, *, https: bool) -> str:
    # Two installations on one machine share cookies (ports do not separate them): the hash of the key keeps them apart.
    # Browsers accept the prefix __Host- only from the host itself, over TLS: no other host can set a session.
    return f"{'__Host-' if https else ''}clipjury_{role}_{hashlib.sha256(key).hexdigest()[:8]}"


def _keys(settings: Settings, role: Role) -> tuple[bytes, ...]:
    """The keys that may have signed a cookie, the current one first. A new key ends the researcher's sessions."""
    return settings.keys if role == "rater" else settings.keys[:1]


@cache
def _serializer_of(keys: tuple[bytes, ...], role: Role) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(list(reversed(keys)), salt=f"session-{role}")  # it signs with the last one


def require_rater_session(request: Request) -> RaterSession:
    """The rater in the cookie, who may have been withdrawn meanwhile. Raises SignInNeeded without one."""
    session = rater_session(request)
    if session is None:
        raise SignInNeeded(
            "This page is for raters, and this browser has not opened an invite link.",
            "Open the link you were given; your answers so far are safe.",
        )
    return session


def signed_in_rater(request: Request, db: Session, *, lock: bool = False) -> SignedInRater:
    """The rater who sent the request, read in the caller's database session. Raises SignInNeeded."""
    rater = find_rater(db, require_rater_session(request), lock=lock)
    if rater is None:
        raise SignInNeeded("This invitation is not valid any more.", "Ask the person who invited you for a new link.")
    return rater


def require_researcher(request: Request) -> None:
    """Raise SignInNeeded or NotAllowed unless the researcher is signed in."""
    database: Database = request.app.state.database
    with database.reader() as db:
        if is_researcher(request, db):
            return
    if rater_session(request) is not None:
        raise NotAllowed("This page is for the study's researcher.", "Raters find their clips at /rate.")
    raise SignInNeeded("This page is for the study's researcher.", "Sign in with the researcher link.")
