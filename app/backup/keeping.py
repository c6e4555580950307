"""Names of backups in a folder, and which old ones are removed."""

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from app.backup import reading
from app.errors import AppError

DAY = 86_400
"""Seconds."""


def name_of(installation: str, now: datetime) -> str:
    """Name of a backup: it says whose it is (the beginning of `keys.installation_of`) and when it was made, in UTC.

    >>> name_of("0123456789abcdef", datetime(2026, 11, 30, 2, 5, 9, tzinfo=UTC))
    'clipjury-01234567-20261130T020509Z.zip'
    """
    return f"clipjury-{installation[:8]}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.zip"


def half_name(name: str) -> str:
    """Name of a backup while it is written, for example `.one.zip.1a2b3c4d.part`."""
    return f".{name}.{secrets.token_hex(4)}.part"


def remove_old(folder: Path, installation: str, keep: int, *, now: datetime) -> list[Path]:
    """Remove all but the newest `keep` backups of this installation from a folder; returns those removed.

    Only files with a name of `name_of` whose manifest names this installation are counted and removed. Halves of
    backups of this installation that were killed more than a day ago are removed too.
    """
    stem = rf"clipjury-{re.escape(installation[:8])}-\d{{8}}T\d{{6}}Z\.zip"
    half = re.compile(rf"\.{stem}\.[0-9a-f]{{8}}\.part")
    for path in folder.iterdir():
        if half.fullmatch(path.name) and path.stat().st_mtime < now.timestamp() - DAY:
            path.unlink()
    pattern = re.compile(stem)
    named = sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name) and not path.is_symlink())
    own = [path for path in named if _is_of(path, installation)]
    old = own[: len(own) - keep] if len(own) > keep else []
    for path in old:
        path.unlink()
    return old


def _is_of(path: Path, installation: str) -> bool:
    try:
        return reading.read_manifest(path).installation == installation
    except (AppError, OSError):
        return False
