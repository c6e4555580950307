"""After ClipJury has stopped, the file clipjury.db alone has every row, whoever else has it open."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.db import Database
from app.settings import Settings
from tests.helpers import raters_over_http, servers
from tests.helpers.factories import StudyMaker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
CLIPS = 5


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A home folder with one study."""
    settings = Settings(home=tmp_path / "home", database_url="")
    database = Database(settings.database)
    database.migrate()
    StudyMaker(database, settings)(clips=CLIPS, with_media=False)
    database.dispose()
    return settings


def rows_alone(settings: Settings, table: str) -> int:
    """Rows of a table in a copy of clipjury.db without the files beside it."""
    copy = settings.home.parent / "copy.db"
    shutil.copyfile(settings.home / "clipjury.db", copy)
    with closing(sqlite3.connect(copy)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.parametrize("also_open", [False, True])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_every_answer_is_in_the_file_after_a_stop(home: Settings, sent: signal.Signals, also_open: bool) -> None:
    """SIGTERM and SIGINT, with both processes, also while a database browser has the file open."""
    server = servers.start(home)
    [link] = [address for name, address in server.links.items() if name.startswith("Raters (")]
    client = raters_over_http.join(server.base, link.removeprefix(server.base), "Ada")
    log = raters_over_http.Log()
    raters_over_http.work(client, log, cycles=CLIPS)
    client.close()
    browser = sqlite3.connect(home.home / "clipjury.db") if also_open else None
    if browser is not None:
        browser.execute("SELECT count(*) FROM judgment").fetchone()
    assert server.stop(sent) == 0
    assert len(log.acknowledged) == CLIPS
    assert rows_alone(home, "judgment") == 3 * CLIPS
    if browser is not None:
        browser.close()


def test_every_row_is_in_the_file_after_a_command(home: Settings) -> None:
    """A command that writes and ends leaves nothing in the file -wal, also while another program has it open."""
    with closing(sqlite3.connect(home.home / "clipjury.db")) as browser:
        browser.execute("SELECT count(*) FROM apitoken").fetchone()
        subprocess.run(
            [*servers.COMMAND, "token", "create", "reader", "--scope", "read"],
            env=servers.environment(home),
            capture_output=True,
            check=True,
        )
        assert rows_alone(home, "apitoken") == 1
