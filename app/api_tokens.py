"""API tokens for programs: shown once when created, stored as a hash, limited to their scopes."""

import re
import secrets
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import select
from sqlmodel import Session, col

from app.auth import token_hash
from app.errors import AppError, NotAllowed, SignInNeeded
from app.models import ApiToken

Scope = Literal["read", "judgments", "write"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "clipjury_"
"""Lets people and secret scanners recognise a leaked token."""
SECRET = re.compile(PREFIX + r"[A-Za-z0-9_-]{32}")
INVALID = ("This token is not valid here.", "clipjury token list shows those that are.")


def create(db: Session, name: str, scopes: list[str]) -> str:
    """Create a token and return its secret, which cannot be read again later.

    Raises AppError if the name is taken or a scope does not exist.
    """
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise AppError(f"There is no scope {unknown[0] if unknown else ''!r}.", f"Scopes are: {', '.join(SCOPES)}.")
    if not name.strip():
        raise AppError("A token needs a name.", "Name the program it is for.")
    if db.scalars(select(col(ApiToken.id)).where(col(ApiToken.name) == name)).first() is not None:
        raise AppError(f"There is a token {name!r} already.", "Choose another name, or revoke that one first.")
    secret = PREFIX + secrets.token_urlsafe(24)
    db.add(ApiToken(name=name, token_hash=token_hash(secret), scopes=sorted(set(scopes))))
    return secret


def revoke(db: Session, name: str, *, now: datetime) -> None:
    """Revoke a token. Raises AppError if there is no token of this name."""
    token = db.scalars(select(ApiToken).where(col(ApiToken.name) == name)).first()
    if token is None:
        raise AppError(f"There is no token {name!r}.", "clipjury token list shows them.")
    token.revoked_at = token.revoked_at or now
    db.add(token)


def listed(db: Session) -> list[ApiToken]:
    """All tokens, oldest first."""
    return list(db.scalars(select(ApiToken).order_by(col(ApiToken.id))))


def secret_in(header: str | None) -> str:
    """The secret in an `Authorization: Bearer ...` header. Raises SignInNeeded if there is none that could be one."""
    kind, _, secret = (header or "").partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise SignInNeeded(
            "This address is for programs with a token.",
            "Make one: clipjury token create NAME --scope read; send it as Authorization: Bearer TOKEN.",
        )
    if not SECRET.fullmatch(secret.strip()):
        raise SignInNeeded(*INVALID)
    return secret.strip()


def known(db: Session, secret: str) -> ApiToken:
    """The token with this secret. Raises SignInNeeded if there is none, or if it was revoked."""
    token = db.scalars(select(ApiToken).where(col(ApiToken.token_hash) == token_hash(secret))).first()
    if token is None or token.revoked_at is not None:
        raise SignInNeeded(*INVALID)
    return token


def check(db: Session, header: str | None, scope: Scope) -> ApiToken:
    """The token of an `Authorization: Bearer ...` header.

    Raises SignInNeeded if there is no valid token, NotAllowed if the token lacks the scope.
    """
    token = known(db, secret_in(header))
    if scope not in token.scopes:
        raise NotAllowed(
            f"This token may {' and '.join(token.scopes)}, and this address needs {scope!r}.",
            f"Make another: clipjury token create NAME --scope {scope}",
        )
    return token
