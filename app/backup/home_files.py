"""Which files of the home folder belong to an installation: pools, samples, drafts, packs and the prepared clips."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

KEPT = frozenset(
    {
        *(".parquet", ".toml", ".json", ".jsonl", ".csv", ".tsv", ".yml", ".yaml", ".txt", ".md"),
        *(".png", ".jpg", ".jpeg", ".webp", ".svg", ".html", ".pdf"),
    }
)
"""Endings of files that are kept wherever they lie in the home folder: tables, texts and pictures."""
NOT_KEPT = frozenset({"posters", "clips", "media"})
"""Folders that are not searched: posters are made again, `clips` holds originals, media are listed by the database."""
KEY = "signing.key"
STATE = "server.json"
"""The file in which a running server writes its address."""
MEDIA = re.compile(r"[A-Za-z0-9_-]{1,64}\.mp4")


@dataclass(frozen=True)
class HomeFile:
    """A file to keep: where it is, and its path in the home folder of a restored installation."""

    source: Path
    path: str


def is_kept(path: PurePosixPath) -> bool:
    """True if backups hold a file of this path, relative to the home folder. Rejects every path that leads elsewhere.

    >>> [is_kept(PurePosixPath(one)) for one in ("pools/a.parquet", "media/abc.mp4", "../a.toml", "signing.key")]
    [True, True, False, False]
    """
    parts = path.parts
    if path.is_absolute() or not parts or parts == (STATE,) or any(_is_odd(part) for part in parts):
        return False
    if parts[0] == "media":
        return len(parts) == 2 and MEDIA.fullmatch(parts[1]) is not None
    if path.suffix == ".zip":
        return parts[0] == "reports" and len(parts) == 2
    return path.suffix in KEPT and (parts[0] not in NOT_KEPT or len(parts) == 1)


def _is_odd(part: str) -> bool:
    """Hidden, leading upwards, or with characters that are separators or unprintable somewhere."""
    return part.startswith(".") or "\\" in part or not part.isprintable() or len(part.encode()) > 255


def files_of(home: Path) -> Iterator[HomeFile]:
    """The files of the home folder that are kept, without media, in the order of their paths."""
    for folder, folders, names in os.walk(home):
        place = Path(folder).relative_to(home)
        top = place == Path()
        folders[:] = sorted(name for name in folders if not _is_odd(name) and not (top and name in NOT_KEPT))
        for name in sorted(names):
            path = place / name
            if is_kept(PurePosixPath(path.as_posix())) and (home / path).is_file():
                yield HomeFile(home / path, path.as_posix())


def pools_of_drafts(home: Path) -> Iterator[str]:
    """The path of the pool of each draft, as it is written there."""
    for draft in sorted((home / "drafts").glob("*.json")):
        try:
            pool = json.loads(draft.read_text(encoding="utf-8"))["pool"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue  # discarded meanwhile, or no draft
        if isinstance(pool, str):
            yield pool


@dataclass(frozen=True)
class FoundPool:
    """A pool that a study or a draft names, as it is `written` there, and its file; None if there is no such file.

    `inside` is True if the file lies in the home folder and is one of `files_of`.
    """

    written: str
    file: HomeFile | None
    inside: bool


def pools_of(home: Path, written: Iterable[str]) -> list[FoundPool]:
    """The pools of these paths. One that lies elsewhere gets a path in `pools/` that no other file has."""
    taken = {one.path for one in files_of(home)}
    found = []
    for name in sorted(set(written)):
        place = Path(name).resolve()
        if not place.is_file():
            found.append(FoundPool(name, None, inside=False))
            continue
        inside = place.relative_to(home.resolve()).as_posix() if place.is_relative_to(home.resolve()) else None
        if inside is not None and is_kept(PurePosixPath(inside)):
            found.append(FoundPool(name, HomeFile(place, inside), inside=True))
            continue
        path = _free(place, taken)
        taken.add(path)
        found.append(FoundPool(name, HomeFile(place, path), inside=False))
    return found


def _free(place: Path, taken: set[str]) -> str:
    path = f"pools/{place.stem}.parquet"
    if path in taken or not is_kept(PurePosixPath(path)):
        path = f"pools/pool-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}.parquet"
    return path
