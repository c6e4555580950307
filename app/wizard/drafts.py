"""Drafts of studies: a study file and its pool, stored in the home folder until the study is created or discarded."""

import hashlib
import json
import re
import secrets
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
from sqlalchemy import select
from sqlmodel import Session, col

from app.cache import Cache
from app.errors import AppError, NotFound
from app.models import Study
from app.pools import parquet_check
from app.pools.pool_files import Pool, read_pool
from app.settings import Settings
from app.studies import study_file
from app.studies.study_file import StudyFile

KEY = re.compile(r"[0-9a-f]{16}")
NAME = "this study"
_POOLS = Cache(max_entries=2)


@dataclass(frozen=True)
class PoolChoice:
    """A pool that a study can be created from. Forms send its `key`, because paths must not come from browsers."""

    key: str
    name: str
    path: Path
    clips: int
    megabytes: float


@dataclass(frozen=True)
class Draft:
    """A draft: the parsed TOML of a study file, not yet checked, and the path of its pool."""

    key: str
    pool: Path
    content: dict[str, Any]
    changed: datetime

    @property
    def name(self) -> str:
        """The name of the study, or a placeholder."""
        return str(self.content.get("name", "")) or "Study without a name"

    @property
    def text(self) -> str:
        """The text of the study file."""
        return tomli_w.dumps(self.content, multiline_strings=True)

    def spec(self) -> StudyFile:
        """The checked study file. Raises AppError that lists all errors."""
        return study_file.parse(self.text, NAME)


def pools(settings: Settings, db: Session) -> list[PoolChoice]:
    """All pools: those in the home folder, in its folder `pools`, and those of existing studies."""
    used = [Path(place) for place in db.scalars(select(col(Study.pool)).distinct().order_by(col(Study.pool)))]
    found = [settings.home / "pool.parquet", *sorted((settings.home / "pools").glob("*.parquet")), *used]
    places = dict.fromkeys(place.resolve() for place in found if place.is_file())
    return [choice for place in places if (choice := _choice(place)) is not None]


def chosen_pool(settings: Settings, db: Session, key: str) -> Path:
    """Path of the pool with this key. Raises NotFound."""
    for choice in pools(settings, db):
        if choice.key == key:
            return choice.path
    raise NotFound("That pool is not there any more.", "Choose one of those listed at /studies/new.")


def _choice(place: Path) -> PoolChoice | None:
    try:
        clips = parquet_check.footer(place).rows
    except AppError:
        return None  # another kind of file, or an incomplete one
    key = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    return PoolChoice(key, place.stem, place, clips, place.stat().st_size / 1e6)


def pool_of(draft: Draft) -> Pool:
    """The pool of a draft, cached until its file changes. Raises AppError."""
    try:
        state = draft.pool.stat()
    except OSError as error:
        raise AppError(
            f"The pool {draft.pool.name} is not there any more.", "Put it back, or begin again with another pool."
        ) from error
    return _POOLS.get(draft.pool, (state.st_mtime_ns, state.st_size), lambda: read_pool(draft.pool))


def begin(settings: Settings, pool: Path, text: str) -> Draft:
    """Create a draft from the text of a preset or of another study."""
    content = tomllib.loads(text)
    draft = Draft(secrets.token_hex(8), pool, content, datetime.now(UTC))
    save(settings, draft)
    return draft


def clone(settings: Settings, study: Study) -> Draft:
    """Create a draft from a study, named as a copy of it. Raises AppError if the study's pool is missing."""
    pool = Path(study.pool)
    if not pool.is_file():
        raise AppError(
            f"The pool of {study.name}, {pool.name}, is not there any more.",
            "Put it back; or start at /studies/new from another pool and a copy of this study.",
            status=409,
        )
    text = tomli_w.dumps(tomllib.loads(study.study_file) | {"name": f"Copy of {study.name}"[:120]})
    return begin(settings, pool, text)


def check_shape(content: dict[str, Any], text: str) -> None:
    """Raise AppError if the wizard's pages cannot show this content: a number where a list belongs, or a date.

    Other errors may be saved: a draft need not be finished.
    """
    study_file.check_shape(content, text, NAME)
    try:
        json.dumps(content)
    except TypeError as error:
        raise AppError(
            "A study file holds no dates and times.", "Write them in quotation marks.", status=422
        ) from error


def save(settings: Settings, draft: Draft) -> None:
    """Save the draft atomically."""
    folder = settings.home / "drafts"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{draft.key}.json"
    half = target.with_suffix(".part")
    half.write_text(json.dumps({"pool": str(draft.pool), "content": draft.content}), encoding="utf-8")
    half.replace(target)


def load(settings: Settings, key: str) -> Draft:
    """The draft with this key. Raises NotFound."""
    place = settings.home / "drafts" / f"{key}.json" if KEY.fullmatch(key) else None
    if place is None or not place.is_file():
        raise NotFound("There is no such draft.", "Drafts are listed at /studies/new.")
    kept = json.loads(place.read_text(encoding="utf-8"))
    changed = datetime.fromtimestamp(place.stat().st_mtime, UTC)
    return Draft(key, Path(kept["pool"]), kept["content"], changed)


def forget(settings: Settings, key: str) -> None:
    """Discard a draft. Does nothing if it does not exist."""
    if KEY.fullmatch(key):
        (settings.home / "drafts" / f"{key}.json").unlink(missing_ok=True)


def listed(settings: Settings) -> list[Draft]:
    """All drafts, most recently changed first."""
    folder = settings.home / "drafts"
    drafts = [load(settings, file.stem) for file in folder.glob("*.json") if KEY.fullmatch(file.stem)]
    return sorted(drafts, key=lambda draft: draft.changed, reverse=True)
