"""The stored paper pack of each study (Report page): one zip file, made in the background, replaced by the next."""

import json
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.db import Database
from app.errors import NotFound
from app.jobs import ReportProgress
from app.report import pack
from app.report.zipped import zipped
from app.results import study_results, votes
from app.settings import Settings
from app.studies import lifecycle


@dataclass(frozen=True)
class Made:
    """A pack that is there."""

    path: Path
    at: datetime
    files: tuple[str, ...]
    size: int
    """Bytes."""
    snapshot: str
    gaps: int
    """Points of the checklist without an answer."""
    mark: tuple[int, ...]
    """The data it was made from, as `votes.fingerprint` tells them."""
    kind: str
    """Whose answers it speaks of: person or simulated."""


def make(database: Database, settings: Settings, slug: str, step: ReportProgress) -> str:
    """Write the pack of a study as it is now and put it in the place of the last one; its name."""
    place = _place(settings, slug)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=place.parent) as folder, database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        kind = study_results.kind_of(study)
        comment = {"mark": votes.fingerprint(db, study), "kind": kind, "at": datetime.now(UTC).isoformat()}
        target = Path(folder) / "pack"
        names = pack.write(db, study, target, on_step=step)
        files = {name: (target / name).read_bytes() for name in names}
        half = Path(folder) / "pack.zip"
        half.write_bytes(zipped(files, f"{slug}-report", json.dumps(comment).encode()))
        half.replace(place)
    return place.name


def latest(settings: Settings, slug: str) -> Made | None:
    """The pack that is there, if one was made and can be read."""
    place = _place(settings, slug)
    try:
        with zipfile.ZipFile(place) as kept:
            comment = json.loads(kept.comment)
            return Made(
                path=place,
                at=datetime.fromisoformat(comment["at"]),
                files=tuple(name.partition("/")[2] for name in kept.namelist()),
                size=place.stat().st_size,
                snapshot=_text(kept, slug, "SNAPSHOT").splitlines()[0],
                gaps=_text(kept, slug, "checklist.md").count("**GAP**"),
                mark=tuple(comment["mark"]),
                kind=comment["kind"],
            )
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return None


def content(settings: Settings, slug: str, name: str) -> bytes:
    """One file of the pack. Raises NotFound when there is no pack, or no such file in it."""
    try:
        with zipfile.ZipFile(_place(settings, slug)) as kept:
            return kept.read(f"{slug}-report/{name}")
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise NotFound("There is no report yet.", "Make it on the study's Report page.") from error


def _place(settings: Settings, slug: str) -> Path:
    return settings.home / "reports" / f"{slug}.zip"


def _text(kept: zipfile.ZipFile, slug: str, name: str) -> str:
    return kept.read(f"{slug}-report/{name}").decode()
