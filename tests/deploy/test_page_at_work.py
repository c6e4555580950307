"""The commands of docs/deploy.md at work, as they are written: a backup on PostgreSQL, and the move there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sqlalchemy import select
from sqlmodel import col

from app.backup import writing
from app.db import Database
from app.models import Rater
from app.raters import invites
from app.settings import Settings
from tests.deploy.test_deploy_page import BLOCKS
from tests.helpers.databases import EmptyDatabase
from tests.helpers.factories import NOON
from tests.helpers.generated_study import Options, generate
from tests.helpers.proxies import DEPLOY, replaced

LOCAL = "postgresql+psycopg:///clipjury?host=/run/postgresql"
"""The database that the page names."""
SMALL = Options(clips=30, raters=2, pool=300, optional_questions=False)
PUBLIC = "CLIPJURY_PUBLIC_URL=https://jury.example.org\n"


class Machine:
    """A folder that stands for the server: `sudo` changes no user, and there is no service to stop or start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "lib" / "clipjury"
        for part in ("bin", "user", "lib", "etc"):
            (folder / part).mkdir()
        self.home.mkdir()
        self.settings = folder / "etc" / "env"
        self.settings.write_text(PUBLIC)
        self._program("sudo", 'exec "$@"')
        self._program("systemctl", 'echo "$@" >> "$HOME/systemctl"')
        self._program("clipjury", f'exec {sys.executable} -c "from app.cli import main; main()" "$@"')
        run = (DEPLOY / "clipjury-run").read_text(encoding="utf-8")
        as_somebody_else = {
            "setpriv --reuid clipjury --regid clipjury --init-groups /opt/clipjury/bin/clipjury": "clipjury"
        }
        self._program("clipjury-run", self.here(replaced(run, as_somebody_else)))

    def _program(self, name: str, lines: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(lines if lines.startswith("#!") else f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)

    def here(self, text: str) -> str:
        """A text with the server's folders replaced by those of the test."""
        text = text.replace("/var/lib/", f"{self.folder}/lib/").replace("/etc/clipjury/", f"{self.folder}/etc/")
        return text.replace("-o clipjury -g clipjury ", "")

    def run(self, words: str, *, database: str = "") -> str:
        """Run the block of the page that contains these words, up to its first error; returns what it printed.

        `database` is named instead of the page's.
        """
        [block] = [block for block in BLOCKS if words in block]
        text = self.here(replaced(block, {LOCAL: database}) if database else block)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIPJURY_")}
        environment |= {
            "HOME": str(self.folder / "user"),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{environment['PATH']}",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        ended = subprocess.run(
            ["/bin/sh", "-ec", text], env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def names(self, database: str = "") -> set[str]:
        """The names of all raters in the database."""
        opened = Database(Settings(home=self.home, database_url=database).database)
        with opened.reader() as db:
            found = set(db.scalars(select(col(Rater.name))))
        opened.dispose()
        return found


def test_last_nights_archive_is_restored_and_a_database_is_moved(tmp_path: Path, empty_database: EmptyDatabase) -> None:
    """The archive is back on PostgreSQL, under the same key; the move loses nothing that is newer than the archive."""
    machine = Machine(tmp_path)
    settings = Settings(home=machine.home, database_url="")
    database = Database(settings.database)
    database.migrate()
    study = generate(database, settings, SMALL, with_videos=True)
    _ = settings.keys
    shutil.copy(settings.key_file, tmp_path / "user")
    (tmp_path / "lib" / "clipjury-backups").mkdir()
    writing.write(database, settings, tmp_path / "lib" / "clipjury-backups" / "night.zip", now=NOON)
    with database.writer() as db:
        invites.personal(db, study, "Zoe")
    database.dispose()
    before = machine.names()

    restored = empty_database("postgresql")
    said = machine.run("clipjury-run restore", database=restored)
    assert said.count("Checked: database and files are in order.") == 2
    assert Settings(home=machine.home, database_url="").key == settings.key
    assert machine.names(restored) == before - {"Zoe"}

    machine.home.rename(tmp_path / "restored")
    (tmp_path / "lib" / "clipjury.before").rename(machine.home)
    machine.settings.write_text(PUBLIC)
    moved = empty_database("postgresql")
    assert "Checked: database and files are in order." in machine.run("clipjury-run move-to", database=moved)
    assert machine.names(moved) == before
    assert moved in machine.settings.read_text()
    assert (tmp_path / "user" / "systemctl").read_text().splitlines() == ["stop clipjury", "start clipjury"] * 2
