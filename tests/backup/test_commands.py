"""The commands backup, restore, move-to and check, as they are typed: what they say and their exit codes."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.db import Database
from app.settings import Settings
from tests.helpers import commands
from tests.helpers.commands import Ended
from tests.helpers.generated_study import Options, generate

Run = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a command in the test's folder with a home folder and a database."""

    def run(*words: str, home: str = "home", database: str = "") -> Ended:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIPJURY_")}
        environment |= {"CLIPJURY_HOME": str(tmp_path / home), "PYTHONPATH": os.pathsep.join(sys.path)}
        environment |= {"CLIPJURY_DATABASE_URL": database}
        return commands.run(words, tmp_path, tmp_path_factory.mktemp("logs"), environment, seconds=120)

    return run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a generated study and its key."""
    settings = Settings(home=tmp_path / "home", database_url="")
    database = Database(settings.database)
    database.migrate()
    generate(database, settings, Options(clips=30, raters=2, pool=300, optional_questions=False), with_videos=True)
    _ = settings.keys
    database.dispose()
    return settings.home


@pytest.mark.usefixtures("home")
def test_a_study_is_backed_up_and_restored(run: Run, tmp_path: Path) -> None:
    """The way of a laboratory: nightly backups, then a new machine, with a check at the end."""
    for _night in range(2):
        made = run("backup", "backups", "--with-keys", "--keep", "1")
        assert (made.code, made.err) == (0, "")
        time.sleep(1.1)  # names hold the second
    [archive] = (tmp_path / "backups").iterdir()
    backup, contents, key, removed = made.out.splitlines()
    assert backup == f"Backup: backups/{archive.name} ({archive.stat().st_size / 1e6:.1f} MB, every digest checked)"
    assert contents.endswith("44 clips.")  # 14 of them have known answers
    assert "anyone who has this file can sign in as the researcher" in key
    assert removed.startswith("Removed: clipjury-")

    restored = run("restore", str(archive), home="new")
    assert (restored.code, restored.err) == (0, "")
    assert restored.out.endswith("Checked: database and files are in order.\n")
    again = run("restore", str(archive), home="new")
    assert again.code == 1
    assert "is not empty" in again.err


def test_faults_give_exit_code_1(run: Run, home: Path) -> None:
    """Each fault with its way out goes to standard error."""
    clip = next((home / "media").iterdir())
    clip.unlink()
    checked = run("check")
    assert (checked.code, checked.out) == (1, "")
    fault, remedy = checked.err.splitlines()
    assert fault.startswith(f"Fault: 1 prepared clips are not there: {clip.name}")
    assert "clipjury restore" in remedy
    made = run("backup", "one.zip")
    assert made.code == 0
    assert made.err == f"Missing, and therefore not in the archive: media/{clip.name}\n"
    assert "It does not hold signing.key" in made.out


@pytest.mark.parametrize("words", [("backup", "one.zip"), ("move-to", "postgresql://127.0.0.1:1/new"), ("check",)])
def test_without_a_study_there_is_nothing_to_do(run: Run, words: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 1 and the way out; no archive is written."""
    ended = run(*words)
    assert (ended.code, ended.out) == (1, "")
    assert "There is no study in" in ended.err
    assert not (tmp_path / "one.zip").exists()


@pytest.mark.usefixtures("home")
def test_what_an_archive_lacks_is_told_and_no_fault(run: Run) -> None:
    """Without key and clips the restore says what to copy, and succeeds; the check then names what is missing."""
    assert run("backup", "one.zip", "--no-media").code == 0
    restored = run("restore", "one.zip", home="new")
    assert (restored.code, restored.err) == (0, "")
    assert "The archive lists 44 clips: copy their videos into" in restored.out
    assert "The signing key of the installation is not here." in restored.out
    checked = run("check", home="new")
    assert checked.code == 1
    assert "44 prepared clips are not there" in checked.err
    assert "There is no signing key" in checked.err


@pytest.mark.usefixtures("home")
def test_keep_needs_a_folder(run: Run, tmp_path: Path) -> None:
    """A file with --keep is refused: it is not overwritten, and nothing beside it is removed."""
    (tmp_path / "one.zip").write_text("mine")
    ended = run("backup", "one.zip", "--keep", "2")
    assert ended.code == 1
    assert "--keep needs a folder" in ended.err
    assert (tmp_path / "one.zip").read_text() == "mine"
