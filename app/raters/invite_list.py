"""List a study's raters and invite links with their states; renew and withdraw links; print links for the terminal."""

import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlmodel import Session, col

from app import auth
from app.db import Database
from app.errors import AppError, NotFound
from app.models import Assignment, Event, Invite, Rater, Study
from app.raters import invites, raters
from app.raters.invites import NewLink
from app.settings import Settings
from app.studies.rules import rules_of

LinkState = Literal["active", "expired", "withdrawn", "used up"]
RATERS_PER_PAGE = 100
_WORDS: tuple[LinkState, ...] = ("active", "expired", "withdrawn", "used up")
_PERSON = col(Rater.kind) == "person"


@dataclass(frozen=True)
class RaterRow:
    """A row of the list of raters: how they came in, the state of their link, how many clips they have answered."""

    id: int
    name: str
    has_own_link: bool
    came_by: str
    """Label of the open link they came through; empty if they have a personal link."""
    platform: str
    state: LinkState
    has_come: bool
    answers: int
    ended: str
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class LinkRow:
    """A row of the list of open links. `id` is None for the study's own link."""

    id: int | None
    label: str
    state: LinkState
    came: int
    cap: int | None
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class RaterPage:
    """One page of the list of raters; `total` is their number on all pages."""

    rows: list[RaterRow]
    total: int
    number: int
    pages: int


def has_first_link(settings: Settings, study: Study) -> bool:
    """True unless the study's own open link was withdrawn."""
    return study.invite_hash == auth.token_hash(raters.open_link(settings, study).rsplit("/", 1)[-1])


def open_links(db: Session, settings: Settings, study: Study, *, now: datetime) -> list[LinkRow]:
    """The study's open links: its own link first, then the others, newest first."""
    counted = (
        select(col(Rater.invite_id), func.count())
        .where(col(Rater.study_id) == study.id, _PERSON, col(Rater.token_hash).is_(None))
        .group_by(col(Rater.invite_id))
    )
    came = {invite: int(number) for invite, number in db.execute(counted)}
    cap = rules_of(study).recruitment.cap
    withdrawn = not has_first_link(settings, study)
    first = LinkRow(
        id=None,
        label="The study's own link",
        state=_state(withdrawn, None, cap, came.get(None, 0), now),
        came=came.get(None, 0),
        cap=cap,
        expires_at=None,
        created_at=study.created_at,
    )
    made = db.scalars(select(Invite).where(col(Invite.study_id) == study.id).order_by(col(Invite.id).desc()))
    return [
        first,
        *(
            LinkRow(
                id=one.id,
                label=one.label or f"Open link {one.id}",
                state=_state(one.revoked_at is not None, one.expires_at, one.cap, came.get(one.id, 0), now),
                came=came.get(one.id, 0),
                cap=one.cap,
                expires_at=one.expires_at,
                created_at=one.created_at,
            )
            for one in made
        ),
    ]


def _state(withdrawn: bool, ends: datetime | None, cap: int | None, came: int, now: datetime) -> LinkState:
    if withdrawn:
        return "withdrawn"
    if ends is not None and ends <= now:
        return "expired"
    return "used up" if cap is not None and came >= cap else "active"


def rater_page(db: Session, study: Study, *, now: datetime, wanted: str = "", number: int = 1) -> RaterPage:
    """One page of the list of raters, newest first; only those whose name contains `wanted`."""
    of_study = [col(Rater.study_id) == study.id, _PERSON]
    if wanted.strip():
        # SQLite ignores case only for ASCII letters; other names are found in the case in which they are written.
        small = func.lower(col(Rater.name)).contains(wanted.strip().lower(), autoescape=True)
        of_study.append(or_(small, col(Rater.name).contains(wanted.strip(), autoescape=True)))
    total = int(db.execute(select(func.count()).select_from(Rater).where(*of_study)).scalar_one())
    pages = max(1, -(-total // RATERS_PER_PAGE))
    number = min(number, pages)
    people = db.execute(
        select(Rater, col(Invite.label))
        .join(Invite, col(Invite.id) == col(Rater.invite_id), isouter=True)
        .where(*of_study)
        .order_by(col(Rater.id).desc())
        .limit(RATERS_PER_PAGE)
        .offset((number - 1) * RATERS_PER_PAGE)
    ).all()
    answers = _answers(db, [rater.id for rater, _label in people])
    return RaterPage([_row(rater, label, answers, now) for rater, label in people], total, number, pages)


def _answers(db: Session, numbers: list[int]) -> dict[int, int]:
    query = (
        select(col(Assignment.rater_id), func.count())
        .where(col(Assignment.rater_id).in_(numbers), col(Assignment.status).in_(("done", "surplus")))
        .group_by(col(Assignment.rater_id))
    )
    return {rater: int(number) for rater, number in db.execute(query)}


def _row(rater: Rater, label: str | None, answers: dict[int, int], now: datetime) -> RaterRow:
    own = rater.token_hash is not None
    by = "" if own else "The study's own link" if rater.invite_id is None else label or f"Open link {rater.invite_id}"
    return RaterRow(
        id=rater.id,
        name=rater.name,
        has_own_link=own,
        came_by=by,
        platform=str(rater.platform_ids.get("platform", "")),
        state=_state(rater.revoked_at is not None, rater.expires_at, None, 0, now),
        # Raters of open links are created when they come.
        has_come=not own or rater.guidelines_hash is not None or bool(rater.device) or rater.consent_hash is not None,
        answers=answers.get(rater.id, 0),
        ended=rater.ended,
        expires_at=rater.expires_at,
        created_at=rater.created_at,
    )


def counts(db: Session, study: Study, *, now: datetime) -> dict[LinkState, int]:
    """Number of personal links in each state; raters who came through an open link are not counted."""
    ended = (col(Rater.expires_at).is_not(None)) & (col(Rater.expires_at) <= now)
    word: ColumnElement[str] = case(
        (col(Rater.revoked_at).is_not(None), "withdrawn"), (ended, "expired"), else_="active"
    )
    query = (
        select(word, func.count())
        .where(col(Rater.study_id) == study.id, _PERSON, col(Rater.token_hash).is_not(None))
        .group_by(word)
    )
    found = {state: int(number) for state, number in db.execute(query)}
    return {state: found.get(state, 0) for state in _WORDS if state != "used up"}


def invite_all(db: Session, study: Study, names: Iterable[tuple[str, datetime | None]]) -> list[NewLink]:
    """Create a personal link for each name, or none at all.

    Raises AppError if a name occurs twice or belongs to a rater already, so that sending the same list again creates
    no duplicates.
    """
    wanted = [(" ".join(name.split())[: raters.MAX_NAME], end) for name, end in names]
    if not wanted or not all(name for name, _end in wanted):
        raise AppError("There is no name.", "Give every rater a name.", status=422)
    taken = set(db.scalars(select(col(Rater.name)).where(col(Rater.study_id) == study.id)))
    often = Counter(name for name, _end in wanted)
    again = [name for name in often if often[name] > 1 or name in taken]
    if again:
        more = f" and {len(again) - 5} more" if len(again) > 5 else ""
        raise AppError(
            f"There is a rater of this name already: {', '.join(again[:5])}{more}.",
            "Give each rater a name of their own. Somebody who lost their link gets a new one in the list below.",
            status=409,
        )
    return [invites.personal(db, study, name, expires_at=end) for name, end in wanted]


def renew(db: Session, study: Study, rater_id: int, *, expires_at: datetime | None = None) -> NewLink:
    """Replace a rater's personal link. The old link and the sessions that came from it end; the answers stay.

    Raises NotFound if the rater does not exist or has no personal link.
    """
    rater = _person(db, study, rater_id)
    if rater.token_hash is None:
        raise NotFound(f"{rater.name} came by an open link and has no link of their own.", "Make one for a new name.")
    secret = secrets.token_urlsafe(invites.TOKEN_BYTES)
    rater.token_hash, rater.expires_at, rater.revoked_at = auth.token_hash(secret), expires_at, None
    rater.epoch += 1
    db.add(rater)
    db.add(Event(study_id=study.id, kind="link_renewed", rater_id=rater.id))
    db.flush()
    return NewLink(rater.name, f"/join/{secret}", expires_at)


def withdraw_rater(db: Session, study: Study, rater_id: int, *, now: datetime) -> None:
    """Withdraw a rater's access, also in browsers that are signed in. The answers stay."""
    rater = _person(db, study, rater_id)
    if rater.revoked_at is None:
        raters.revoke(db, study, rater.name, now=now)


def withdraw_first(db: Session, study: Study) -> None:
    """Withdraw the study's own open link. This cannot be undone."""
    study.invite_hash = auth.token_hash(secrets.token_urlsafe(invites.TOKEN_BYTES))
    db.add(study)
    db.add(Event(study_id=study.id, kind="link_withdrawn"))


def _person(db: Session, study: Study, rater_id: int) -> Rater:
    rater = db.get(Rater, rater_id)
    if rater is None or rater.study_id != study.id or rater.kind != "person":
        raise NotFound(f"The study {study.slug} has no such rater.", "Its raters' page lists them.")
    return rater


def links(settings: Settings, database: Database) -> list[str]:
    """The links that `clipjury serve` and `clipjury links` print: the researcher's, and each study's for raters.

    The study's short name stands in brackets: other commands need it.
    """
    base = settings.address
    lines = [f"Researcher: {base}/researcher/{auth.researcher_key(settings)}"]
    with database.reader() as db:
        found = [one for one in db.scalars(select(Study).order_by(col(Study.id))) if one.state != "archived"]
        return lines + [
            f"Raters ({study.slug}): {base}{raters.open_link(settings, study)}"
            for study in found
            if has_first_link(settings, study)
        ]
