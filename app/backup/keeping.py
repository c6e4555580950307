"""Names of backups in a folder, and which old ones are removed."""

import re
from datetime import UTC, datetime
from pathlib import Path

from app.backup import reading
from app.errors import AppError


def name_of(installation: str, now: datetime) -> str:
    """Name of a backup: it says whose it is (the beginning of `keys.installation_of`) and when it was made, in UTC.

    >>> name_of("0123456789abcdef", datetime(2026, 11, 30, 2, 5, 9, tzinfo=UTC))
    'clipjury-01234567-20261130T020509Z.zip'
    """
    return f"clipjury-{installation[:8]}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.zip"


def remove_old(folder: Path, installation: str, keep: int) -> list[Path]:
    """Remove all but the newest `keep` backups of this installation from a folder; returns those removed.

    Only files with a name of `name_of` whose manifest names this installation are counted and removed.
    """
    pattern = re.compile(rf"clipjury-{re.escape(installation[:8])}-\d{{8}}T\d{{6}}Z\.zip")
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
