"""Keep the data folder private: its files are for this user only, clips also for the proxy's group if it sends them."""

import os
from contextlib import suppress
from pathlib import Path

from app.settings import Settings

OWNER_ONLY = 0o700
"""Access to a folder; files have the same without permission to execute."""
GROUP_READS = 0o750
GROUP_PASSES = 0o710
"""The group may open files below this folder whose names it knows, but not list it."""


def make_private(settings: Settings) -> None:
    """Create the data folder and its folder of clips; whatever this program writes from now on is for its user only.

    With `media_accel` nginx reads the clips: its user must belong to the group of the data folder.
    """
    os.umask(0o077)
    shared = bool(settings.media_accel)
    for folder, mode in (
        (settings.home.resolve(), GROUP_PASSES if shared else OWNER_ONLY),
        (settings.media, GROUP_READS if shared else OWNER_ONLY),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        _restrict(folder, mode)


def tighten(settings: Settings) -> None:
    """Correct the access to everything in the data folder, which earlier versions left readable by every account."""
    make_private(settings)
    of_clips = GROUP_READS if settings.media_accel else OWNER_ONLY
    for name, folders, files in os.walk(settings.home):
        folder = Path(name)
        mode = of_clips if folder == settings.media or settings.media in folder.parents else OWNER_ONLY
        for one in folders:
            if folder / one != settings.media:
                _restrict(folder / one, mode)
        for one in files:
            _restrict(folder / one, mode & 0o666)


def _restrict(path: Path, mode: int) -> None:
    # A file of another account, or one that is gone by now, is not ours to change; a link leads elsewhere.
    with suppress(OSError):
        if not path.is_symlink() and path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)


def readable_as_its_folder(path: Path) -> None:
    """Let those read a file who may read its folder."""
    path.chmod(path.parent.stat().st_mode & 0o666)
