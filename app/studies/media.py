"""Serve prepared clips to raters and researchers: addresses that reveal nothing, and who may open them."""

import hashlib
import hmac
import re
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from app.errors import NotAllowed, NotFound
from app.models import Assignment, RaterRecord, StudyClip
from app.settings import Settings

KEY = re.compile(r"[A-Za-z0-9_-]{16}")
ADDRESS = re.compile(r"([1-9][0-9]{0,8})-([0-9a-f]{32})")
ADDRESS_IN_STUDY = re.compile(r"c([1-9][0-9]{0,8})-([0-9a-f]{32})")


def address_of(assignment_id: int, media_key: str) -> str:
    """Address of an assignment's clip for the rater's browser.

    Each assignment has another address, so that raters cannot recognise a repeat, and nobody else can open it. It
    contains an HMAC keyed with the clip's random name, which raters never see.

    >>> address_of(7, "k") == address_of(8, "k")
    False
    """
    return f"/media/{assignment_id}-{_mark(f'assignment:{assignment_id}', media_key)}.mp4"


def address_in_study(clip_id: int, media_key: str) -> str:
    """Address of a clip without an assignment, the same for all raters of a study: an example, the device check."""
    return f"/media/c{clip_id}-{_mark(f'clip:{clip_id}', media_key)}.mp4"


def _mark(what: str, media_key: str) -> str:
    return hmac.new(media_key.encode(), what.encode(), hashlib.sha256).hexdigest()[:32]


def file_of(db: Session, settings: Settings, key: str, viewer: RaterRecord | None) -> Path:
    """Path of the clip behind an address; `viewer` is None for the researcher.

    Raters use an address of an assignment (`address_of`) or of their study (`address_in_study`), the researcher uses
    the clip's random name. The key is looked up in the database: no part of a request becomes a path. Raises NotFound
    or NotAllowed.
    """
    if KEY.fullmatch(key):
        known = _of_clip(db, key)
    else:
        known = _in_study(db, key, viewer) if ADDRESS_IN_STUDY.fullmatch(key) else _of_assignment(db, key, viewer)
    if known is None:
        raise NotFound("There is no such clip.")
    if viewer is not None and KEY.fullmatch(key):
        raise NotAllowed("This clip is not assigned to you.")
    path = settings.media / f"{Path(known).name}.mp4"  # the rows may come from somebody's backup
    if not path.is_file():
        raise NotFound("The file of this clip is gone from the server.", "Tell the researcher; skip the clip.")
    return path


def _of_clip(db: Session, key: str) -> str | None:
    return db.scalars(select(col(StudyClip.media_key)).where(col(StudyClip.media_key) == key).limit(1)).first()


def _of_assignment(db: Session, key: str, viewer: RaterRecord | None) -> str | None:
    """The random name of the clip at an assignment's address; None if the address is wrong."""
    matched = ADDRESS.fullmatch(key)
    if matched is None:
        return None
    number, mark = int(matched[1]), matched[2]
    found = db.execute(
        select(col(StudyClip.media_key), col(Assignment.rater_id))
        .join(Assignment, col(Assignment.study_clip_id) == col(StudyClip.id))
        .where(col(Assignment.id) == number)
    ).first()
    if found is None or not hmac.compare_digest(mark, _mark(f"assignment:{number}", found[0])):
        return None
    if viewer is not None and found[1] != viewer.id:
        raise NotAllowed("This clip is not assigned to you.")
    return str(found[0])


def _in_study(db: Session, key: str, viewer: RaterRecord | None) -> str | None:
    """The random name of the clip at an address of a study; None if the address is wrong."""
    matched = ADDRESS_IN_STUDY.fullmatch(key)
    if matched is None:
        return None
    number, mark = int(matched[1]), matched[2]
    found = db.execute(
        select(col(StudyClip.media_key), col(StudyClip.study_id)).where(col(StudyClip.id) == number)
    ).first()
    if found is None or not hmac.compare_digest(mark, _mark(f"clip:{number}", found[0])):
        return None
    if viewer is not None and found[1] != viewer.study_id:
        raise NotAllowed("This clip belongs to another study.")
    return str(found[0])
