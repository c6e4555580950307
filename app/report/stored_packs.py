"""Store each study's latest paper pack as a zip file, for the Report page, which makes it in the background."""

import json
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.db import Database
from app.errors import NotFound
from app.jobs import ReportProgress
from app.report.pack_files import pack_files
from app.report.zipped import zipped
from app.results import study_results, votes
from app.settings import Settings
from app.studies import lifecycle


@dataclass(frozen=True)
class StoredPack:
    """The stored pack of a study."""

    path: Path
    at: datetime
    """When it was made."""
    files: tuple[str, ...]
    size: int
    """Bytes."""
    snapshot: str
    gaps: int
    """Items of the checklist without an answer."""
    fingerprint: tuple[int, ...]
    """The fingerprint (`votes.fingerprint`) of the data that it was made from."""
    kind: str
    """The kind of raters whose answers it reports: person or simulated."""


def make(database: Database, settings: Settings, slug: str, step: ReportProgress) -> str:
    """Make the pack of a study as it is now and replace the stored one; returns the name of the zip file."""
    place = _place(settings, slug)
    place.parent.mkdir(parents=True, exist_ok=True)
    with database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        kind = study_results.kind_of(study)
        comment = {"mark": votes.fingerprint(db, study), "kind": kind, "at": datetime.now(UTC).isoformat()}
        files = pack_files(db, study, on_step=step)
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=place.parent) as folder:
        incomplete = Path(folder) / place.name
        incomplete.write_bytes(zipped(files, f"{slug}-report", json.dumps(comment).encode()))
        incomplete.replace(place)
    return place.name


def latest(settings: Settings, slug: str) -> StoredPack | None:
    """The stored pack of a study; None if there is none, or if it cannot be read."""
    place = _place(settings, slug)
    try:
        with zipfile.ZipFile(place) as stored:
            comment = json.loads(stored.comment)
            return StoredPack(
                path=place,
                at=datetime.fromisoformat(comment["at"]),
                files=tuple(name.partition("/")[2] for name in stored.namelist()),
                size=place.stat().st_size,
                snapshot=_text(stored, slug, "SNAPSHOT").splitlines()[0],
                gaps=_text(stored, slug, "checklist.md").count("**GAP**"),
                fingerprint=tuple(comment["mark"]),
                kind=comment["kind"],
            )
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return None


def content(settings: Settings, slug: str, name: str) -> bytes:
    """One file of the stored pack. Raises NotFound if there is no pack, or no such file in it."""
    try:
        with zipfile.ZipFile(_place(settings, slug)) as stored:
            return stored.read(f"{slug}-report/{name}")
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise NotFound("There is no report yet.", "Make it on the study's Report page.") from error


def _place(settings: Settings, slug: str) -> Path:
    return settings.home / "reports" / f"{slug}.zip"


def _text(stored: zipfile.ZipFile, slug: str, name: str) -> str:
    return stored.read(f"{slug}-report/{name}").decode()
