"""The data folder is private: no other account of the machine reads votes, names, keys or clips."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import Database
from app.private_files import make_private, tighten
from app.raters import raters
from app.settings import Settings
from app.studies.clip_files import prepare
from tests.helpers import servers
from tests.helpers.factories import StudyMaker
from tests.helpers.generated_videos import scene, write_film
from tests.helpers.raters_over_http import join

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="access as on POSIX systems")


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    """Start with the access that most systems give, and leave the tests after this one theirs."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def access(folder: Path) -> dict[str, int]:
    """Access to the folder and everything in it, by path below it."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}


def loose(found: dict[str, int]) -> dict[str, str]:
    """What another account could use."""
    return {name: oct(mode) for name, mode in found.items() if mode & 0o077}


def test_a_served_folder_is_private_whatever_it_was_before(tmp_path: Path) -> None:
    """An older folder is tightened at the start; database, write-ahead log and all that is made later are private."""
    settings = Settings(home=tmp_path / "home", database_url="")
    database = Database(settings.database)
    database.migrate()
    study = StudyMaker(database, settings)(clips=2)
    (settings.home / "pools").mkdir()
    (settings.home / "pools" / "old.parquet").write_bytes(b"x")
    for path in (settings.home, *settings.home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with servers.running(settings) as server:
        rater = join(server.base, raters.open_link(settings, study), "Ada")
        rater.get("/rate")
        rater.close()
        found = access(settings.home)
        assert {"clipjury.db", "clipjury.db-wal", "signing.key", "server.json", "pools/old.parquet"} <= found.keys()
        assert any(name.startswith("media/") for name in found)
        assert loose(found) == {}
    database.dispose()


def test_a_database_is_made_private(tmp_path: Path) -> None:
    """Also by a command that serves nothing."""
    settings = Settings(home=tmp_path / "home", database_url="")
    subprocess.run([*servers.COMMAND, "links"], env=servers.environment(settings), capture_output=True, check=False)
    assert "clipjury.db" in access(settings.home)
    assert loose(access(settings.home)) == {}


def test_nginx_reads_the_clips_and_nothing_else(tmp_path: Path) -> None:
    """With media_accel the group passes through the data folder and reads clips, old ones and those made later."""
    settings = Settings(home=tmp_path / "home", database_url="", media_accel="/_media/")
    make_private(settings)
    Database(settings.database).dispose()
    (settings.media / "old.mp4").write_bytes(b"x")
    tighten(settings)
    prepare(write_film(tmp_path / "source.mp4", scene(1, 10)), settings.media / "new.mp4")
    found = access(settings.home)
    assert found.pop(".") == 0o710
    assert found.pop("media") == 0o750
    assert (found.pop("media/old.mp4"), found.pop("media/new.mp4")) == (0o640, 0o640)
    assert loose(found) == {}
    tighten(settings.model_copy(update={"media_accel": ""}))
    assert loose(access(settings.home)) == {}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A clip that is linked from elsewhere keeps its access."""
    settings = Settings(home=tmp_path / "home", database_url="")
    make_private(settings)
    elsewhere = tmp_path / "elsewhere.mp4"
    elsewhere.write_bytes(b"x")
    elsewhere.chmod(0o644)
    (settings.media / "linked.mp4").symlink_to(elsewhere)
    tighten(settings)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644
