"""Checks of the files of an installation: prepared clips, pools, drafts, packs and the signing key."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from app.backup.fault import Fault, examples
from app.errors import AppError
from app.models import PreparedClip, Study, StudyClip
from app.pools.pool_files import SHOWN_DIGITS, fingerprint
from app.settings import Settings

BRING_BACK = "Bring the file back from a backup (clipjury restore into another folder, then copy it)."


def check(db: Session, settings: Settings, *, key: bool, media: bool) -> Iterator[Fault]:
    """The faults of all files; prepared clips and the signing key only if they are asked for."""
    if media:
        yield from _media(db, settings)
    yield from _pools(db)
    yield from _drafts(settings)
    yield from _packs(settings)
    if key:
        yield from _key(settings)


def _media(db: Session, settings: Settings) -> Iterator[Fault]:
    """Compares with size and SHA-256 as they were when the clip was prepared; the first versions stored neither."""
    query = (
        select(col(StudyClip.media_key), col(PreparedClip.size), col(PreparedClip.sha256))
        .join(PreparedClip, col(PreparedClip.media_key) == col(StudyClip.media_key), isouter=True)
        .distinct()
        .order_by(col(StudyClip.media_key))
    )
    faulty: dict[str, list[str]] = {"not there": [], "empty": [], "not as they were prepared": []}
    for key, size, sha256 in db.execute(query):
        place = settings.media / f"{key}.mp4"
        if not place.is_file():
            faulty["not there"].append(place.name)
        elif place.stat().st_size == 0:
            faulty["empty"].append(place.name)
        elif sha256 is not None and (place.stat().st_size != size or fingerprint(place) != sha256):
            faulty["not as they were prepared"].append(place.name)
    for what, found in faulty.items():
        if found:
            yield Fault(
                f"{len(found)} prepared clips are {what}: {examples(found)} in {settings.media}.",
                f"{BRING_BACK} Raters cannot play them until then.",
            )


def _pools(db: Session) -> Iterator[Fault]:
    query = select(col(Study.slug), col(Study.pool), col(Study.pool_fingerprint)).order_by(col(Study.id))
    for slug, pool, expected in db.execute(query):
        try:
            now = fingerprint(Path(pool))
        except (AppError, OSError):
            yield Fault(f"{slug}: the pool {pool} cannot be read.", f"{BRING_BACK} Results stay as they are.")
            continue
        if now != expected:
            yield Fault(
                f"{slug}: the pool {pool} has changed since the study was made (sha256 {now[:SHOWN_DIGITS]}..., then "
                f"{expected[:SHOWN_DIGITS]}...).",
                f"{BRING_BACK} Top-ups and pages about the pool need the file as it was.",
            )


def _drafts(settings: Settings) -> Iterator[Fault]:
    for draft in sorted((settings.home / "drafts").glob("*.json")):
        try:
            content = json.loads(draft.read_text(encoding="utf-8"))
            pool = Path(content["pool"])
            readable = isinstance(content["content"], dict)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            readable = False
        if not readable:
            yield Fault(f"The draft {draft.name} cannot be read.", f"{BRING_BACK} Or remove it.")
        elif not pool.is_file():
            yield Fault(
                f"The pool {pool} of the draft {draft.name} is not there.", "Bring it back, or discard the draft."
            )


def _packs(settings: Settings) -> Iterator[Fault]:
    for pack in sorted((settings.home / "reports").glob("*.zip")):
        try:
            with zipfile.ZipFile(pack) as opened:
                damaged = opened.testzip()
        except (OSError, zipfile.BadZipFile):
            damaged = pack.name
        if damaged is not None:
            yield Fault(f"The report {pack.name} is damaged.", "Make it again on the study's Report page.")


def _key(settings: Settings) -> Iterator[Fault]:
    if not settings.key_file.exists():
        yield Fault(
            f"There is no signing key in {settings.home}.",
            "Bring back signing.key; without it, the next start makes a new one, and the researcher's link changes.",
        )
        return
    try:
        _ = settings.keys
    except AppError as error:
        yield Fault(error.message, error.remedy)
        return
