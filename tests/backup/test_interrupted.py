"""Backups and restores that are interrupted or find the disk full leave nothing half written."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.backup import reading, writing
from app.db import Database
from app.settings import Settings
from tests.helpers import servers
from tests.helpers.factories import NOON, StudyMaker
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and signals of POSIX systems")
SMALL = 200_000
"""Bytes of the largest file that a command may write: less than the archive or the database."""


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A home folder with a study whose clips have some megabytes."""
    settings = Settings(home=tmp_path / "home", database_url="")
    database = Database(settings.database)
    database.migrate()
    StudyMaker(database, settings)(clips=4)
    for clip in settings.media.iterdir():
        clip.write_bytes(clip.read_bytes() * 200)
    _ = settings.keys
    database.dispose()
    return settings


def typed(*words: str, settings: Settings, limit: int | None = None) -> "subprocess.Popen[str]":
    """Start a command, which may write files of `limit` bytes at most, as on a disk that gets full."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [*servers.COMMAND, *words],
        env=servers.environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
    )


def test_a_backup_that_finds_no_room_leaves_nothing(home: Settings, tmp_path: Path) -> None:
    """The command says so with exit code 1, and the folder is as it was."""
    folder = tmp_path / "backups"
    folder.mkdir()
    command = typed("backup", str(folder), settings=home, limit=SMALL)
    out, err = command.communicate(timeout=PATIENCE)
    assert (command.returncode, out) == (1, "")
    assert err.startswith("clipjury: ")
    assert "Traceback" not in err
    assert list(folder.iterdir()) == []


def test_a_restore_that_finds_no_room_leaves_nothing(home: Settings, tmp_path: Path) -> None:
    """Neither clips nor a database stay, and the folder is gone again."""
    database = Database(home.database)
    writing.write(database, home, tmp_path / "one.zip", now=NOON)
    database.dispose()
    new = Settings(home=tmp_path / "new", database_url="")
    command = typed("restore", str(tmp_path / "one.zip"), settings=new, limit=SMALL)
    _out, err = command.communicate(timeout=PATIENCE)
    assert command.returncode == 1
    assert err.startswith("clipjury: ")
    assert "Traceback" not in err
    assert not new.home.exists()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_backup_that_is_stopped_leaves_nothing(home: Settings, sent: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM remove the half archive, and the next backup is complete."""
    folder = tmp_path / "backups"
    folder.mkdir()
    for clip in home.media.iterdir():
        with clip.open("ab") as file:
            file.truncate(400_000_000)  # a hole: it takes no room, and a while to read
    command = typed("backup", str(folder), "--no-media", settings=home)
    wait_until(lambda: any(folder.iterdir()) or command.poll() is not None, "the half archive")
    command.send_signal(sent)
    command.communicate(timeout=PATIENCE)
    assert command.returncode != 0
    assert list(folder.iterdir()) == []
    for clip in home.media.iterdir():
        os.truncate(clip, 1000)
    database = Database(home.database)
    writing.write(database, home, folder / "one.zip", now=NOON, media=False)
    database.dispose()
    assert reading.verify(folder / "one.zip").rows > 0
