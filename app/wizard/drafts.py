"""Studies in the making: a study file and its pool, kept in the home folder until the study is made or thrown away."""

import hashlib
import json
import re
import secrets
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import tomli_w
from polars.exceptions import PolarsError
from sqlmodel import Session, col, select

from app.cache import Cache
from app.errors import AppError, NotFound
from app.models import Study
from app.pools.pool_files import Pool, read_pool
from app.settings import Settings
from app.studies import study_file
from app.studies.study_file import StudyFile

KEY = re.compile(r"[0-9a-f]{16}")
NAME = "this study"
_POOLS = Cache(max_entries=2)


@dataclass(frozen=True)
class PoolChoice:
    """A pool that a study can be made from. `key` stands for it in forms: no path ever comes from a browser."""

    key: str
    name: str
    path: Path
    clips: int
    megabytes: float


@dataclass(frozen=True)
class Draft:
    """A study file in the making, as the content of its TOML, and the pool it is for."""

    key: str
    pool: Path
    content: dict[str, Any]
    changed: datetime

    @property
    def name(self) -> str:
        """The study's name so far."""
        return str(self.content.get("name", "")) or "Study without a name"

    @property
    def text(self) -> str:
        """The study file."""
        return tomli_w.dumps(self.content, multiline_strings=True)

    def spec(self) -> StudyFile:
        """The study file, checked. Raises AppError naming every wrong line."""
        return study_file.parse(self.text, NAME)


def pools(settings: Settings, db: Session) -> list[PoolChoice]:
    """The pools there are: in the home folder, its folder `pools`, and those of studies made before."""
    used = [Path(place) for place in db.exec(select(Study.pool).distinct().order_by(col(Study.pool)))]
    found = [settings.home / "pool.parquet", *sorted((settings.home / "pools").glob("*.parquet")), *used]
    places = dict.fromkeys(place.resolve() for place in found if place.is_file())
    return [choice for place in places if (choice := _choice(place)) is not None]


def chosen_pool(settings: Settings, db: Session, key: str) -> Path:
    """The file of a pool by its key. Raises NotFound."""
    for choice in pools(settings, db):
        if choice.key == key:
            return choice.path
    raise NotFound("That pool is not there any more.", "Choose one of those listed at /studies/new.")


def _choice(place: Path) -> PoolChoice | None:
    try:
        clips = pl.scan_parquet(place).select(pl.len()).collect().item()
    except (PolarsError, OSError):
        return None  # some other Parquet file, or half written
    key = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    return PoolChoice(key, place.stem, place, int(clips), place.stat().st_size / 1e6)


def pool_of(draft: Draft) -> Pool:
    """The draft's pool, kept in memory while its file stays the same."""
    try:
        state = draft.pool.stat()
    except OSError as error:
        raise AppError(
            f"The pool {draft.pool.name} is not there any more.", "Put it back, or begin again with another pool."
        ) from error
    return _POOLS.get(draft.pool, (state.st_mtime_ns, state.st_size), lambda: read_pool(draft.pool))


def begin(settings: Settings, pool: Path, text: str) -> Draft:
    """A new draft from a preset's text or that of another study."""
    content = tomllib.loads(text)
    draft = Draft(secrets.token_hex(8), pool, content, datetime.now(UTC))
    save(settings, draft)
    return draft


def clone(settings: Settings, study: Study) -> Draft:
    """A new draft with a study's file, named as its copy. Raises AppError when the study's pool is gone."""
    pool = Path(study.pool)
    if not pool.is_file():
        raise AppError(
            f"The pool of {study.name}, {pool.name}, is not there any more.",
            "Put it back; or start at /studies/new from another pool and a copy of this study.",
            status=409,
        )
    text = tomli_w.dumps(tomllib.loads(study.study_file) | {"name": f"Copy of {study.name}"[:120]})
    return begin(settings, pool, text)


def save(settings: Settings, draft: Draft) -> None:
    """Keep the draft as it is now: whole, or as it was before."""
    folder = settings.home / "drafts"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{draft.key}.json"
    half = target.with_suffix(".part")
    half.write_text(json.dumps({"pool": str(draft.pool), "content": draft.content}), encoding="utf-8")
    half.replace(target)


def load(settings: Settings, key: str) -> Draft:
    """A draft by its key. Raises NotFound."""
    place = settings.home / "drafts" / f"{key}.json" if KEY.fullmatch(key) else None
    if place is None or not place.is_file():
        raise NotFound("There is no such draft.", "Drafts are listed at /studies/new.")
    kept = json.loads(place.read_text(encoding="utf-8"))
    changed = datetime.fromtimestamp(place.stat().st_mtime, UTC)
    return Draft(key, Path(kept["pool"]), kept["content"], changed)


def forget(settings: Settings, key: str) -> None:
    """Throw a draft away; twice is harmless."""
    if KEY.fullmatch(key):
        (settings.home / "drafts" / f"{key}.json").unlink(missing_ok=True)


def listed(settings: Settings) -> list[Draft]:
    """All drafts, the newest first."""
    folder = settings.home / "drafts"
    drafts = [load(settings, file.stem) for file in folder.glob("*.json") if KEY.fullmatch(file.stem)]
    return sorted(drafts, key=lambda draft: draft.changed, reverse=True)
