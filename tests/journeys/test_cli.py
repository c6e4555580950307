"""The command line in real processes: exit codes, one plain message per error, never a traceback."""

import csv
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from starlette.testclient import TestClient

from app import auth
from app.main import create_app
from app.settings import Settings
from app.studies.study_file import preset
from tests.helpers import commands
from tests.helpers.commands import Ended
from tests.helpers.real_videos import moving, write_video
from tests.helpers.waiting import PATIENCE


@dataclass(frozen=True)
class Shell:
    """Runs commands in a folder of the test's own; studies lie in `home` below it."""

    folder: Path
    logs: Path

    @property
    def home(self) -> Path:
        """Where the command keeps its data."""
        return self.folder / "home"

    def __call__(self, *words: str | Path) -> Ended:
        """Run `clipjury` with these words; a traceback fails the test whatever it tests."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CLIPJURY_")}
        given = kept | {"CLIPJURY_HOME": str(self.home), "PYTHONPATH": os.pathsep.join(sys.path)}
        ended = commands.run([*map(str, words)], self.folder, self.logs, given, seconds=120)
        assert "Traceback" not in ended.err, ended.err
        return ended


@pytest.fixture
def clipjury(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The command, in an empty folder."""
    return Shell(tmp_path, tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two short clips and one that is broken."""
    folder = tmp_path_factory.mktemp("My Clips!")
    for number in range(2):
        write_video(folder / f"v{number}.mp4", moving([(n * number, 0) for n in range(20)], 160, 90))
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def said(ended: Ended, code: int, *words: str) -> None:
    """The command ended with this code and its complaint holds all the words."""
    assert ended.code == code, ended
    assert ended.err.startswith("clipjury: "), ended
    for word in words:
        assert word in ended.err, ended


SLOW_TO_LOAD = ("numpy", "scipy", "polars", "av", "torch", "fastapi", "sqlalchemy", "altair")
HELP = f"""
import sys
from app.cli import main
try:
    main()
finally:
    print(*(name for name in {SLOW_TO_LOAD} if name in sys.modules), file=sys.stderr)
"""


def test_help_lists_every_command_and_loads_no_science_library(tmp_path: Path) -> None:
    """`clipjury --help` is there in a moment because nothing is imported that takes long."""
    command = [sys.executable, "-c", HELP, "--help"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=True)
    for name in ("demo", "init", "score", "create", "serve", "links", "invite", "export", "preset", "version"):
        assert re.search(rf"\b{name}\b", ended.stdout), name
    assert ended.stderr.strip() == ""
    assert list(tmp_path.iterdir()) == []


def test_a_preset_is_printed_unchanged(clipjury: Shell) -> None:
    """It can be redirected into a file; an unknown name is answered with the names of the presets."""
    assert clipjury("preset", "talkvid").out == preset("talkvid")
    said(clipjury("preset", "talkvit"), 1, "no preset 'talkvit'", "Presets: acr, talkvid")


def test_a_missing_folder_is_an_error_that_names_it(clipjury: Shell) -> None:
    """Nothing is created."""
    said(clipjury("init", "no-such-folder"), 1, "There is no folder no-such-folder")
    assert not (clipjury.home / "pools").exists()


def test_a_folder_without_videos_is_an_error_that_names_it(clipjury: Shell) -> None:
    """For scoring and for a new study."""
    (clipjury.folder / "empty").mkdir()
    said(clipjury("score", "empty", "-o", "p.parquet"), 1, "There are no videos in empty")
    assert not (clipjury.folder / "p.parquet").exists()


def test_an_invalid_study_file_is_refused_before_scoring(clipjury: Shell, videos: Path) -> None:
    """The error names file, line and key; no video is scored."""
    text = preset("acr").replace("raters_per_clip = 3", "raters_per_clip = 0")
    (clipjury.folder / "mine.toml").write_text(text, encoding="utf-8")
    line = text.splitlines().index("raters_per_clip = 0") + 1
    said(clipjury("init", videos, "--study", "mine.toml"), 1, f"mine.toml, line {line}, raters_per_clip: ")
    said(clipjury("create", "any.parquet", "none.toml"), 1, "none.toml cannot be read", "clipjury preset acr")
    assert not (clipjury.home / "pools").exists()


def test_a_port_in_use_is_an_error_that_suggests_another(clipjury: Shell) -> None:
    """The message names the port and how to choose the next."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said(
            clipjury("serve", "--port", str(port)), 1, f"Port {port} on 127.0.0.1 cannot be used", f"--port {port + 1}"
        )


def test_links_without_a_database_say_how_to_create_a_study(clipjury: Shell) -> None:
    """Links need a database; the message names the first command."""
    said(clipjury("links"), 1, "There is no study in", "clipjury init FOLDER")


def test_a_damaged_signing_key_is_an_error(clipjury: Shell) -> None:
    """The server does not start and does not replace the file."""
    clipjury.home.mkdir()
    (clipjury.home / "signing.key").write_text("not hexadecimal")
    said(clipjury("serve", "--port", "0"), 1, "The signing key", "signing.key cannot be used", "CLIPJURY_HOME")
    assert (clipjury.home / "signing.key").read_text() == "not hexadecimal"


def test_an_invalid_pool_is_an_error_that_names_it(clipjury: Shell) -> None:
    """A missing file, or a truncated Parquet file."""
    (clipjury.folder / "acr.toml").write_text(preset("acr"), encoding="utf-8")
    pl.DataFrame({"clip": ["a"] * 50, "media": ["a.mp4"] * 50}).write_parquet(clipjury.folder / "cut.parquet")
    data = (clipjury.folder / "cut.parquet").read_bytes()
    (clipjury.folder / "cut.parquet").write_bytes(data[: len(data) // 2])
    said(clipjury("create", "none.parquet", "acr.toml"), 1, "There is no pool at none.parquet", "clipjury score")
    said(clipjury("create", "cut.parquet", "acr.toml"), 1, "cut.parquet is not a pool")


def test_an_export_without_a_file_writes_nothing(clipjury: Shell) -> None:
    """The message names both options."""
    said(clipjury("export", "x"), 1, "Nothing to write", "--judgments", "--estimates")


def test_scoring_continues_after_a_broken_file(clipjury: Shell, videos: Path) -> None:
    """Exit code 3, the file is named with the reason, and a row of the pool says the same."""
    ended = clipjury("score", videos, "-o", "pool.parquet")
    assert (ended.code, ended.err) == (3, "")
    assert "3 clips scored" in ended.out
    frame = pl.read_parquet(clipjury.folder / "pool.parquet")
    rows = {row["clip"]: row for row in frame.iter_rows(named=True)}
    assert set(rows) == {"v0", "v1", "broken"}
    assert rows["broken"]["reason"]
    assert f"not scored broken: {rows['broken']['reason']}" in ended.out
    assert rows["broken"]["sharpness"] is None
    assert rows["v0"]["sharpness"] > 0


def test_a_folder_of_videos_becomes_a_study_with_links_and_exports(
    clipjury: Shell, videos: Path, tmp_path: Path
) -> None:
    """`init` prints links that work, `invite` creates a personal one, `export` writes both files."""
    good = tmp_path / "My Clips!"
    good.mkdir()
    for number in range(2):
        (good / f"v{number}.mp4").write_bytes((videos / f"v{number}.mp4").read_bytes())
    ended = clipjury("init", good, "--no-serve", "--jobs", "1", "--port", "8123")
    assert (ended.code, ended.err) == (0, "")
    assert "Study my-clips is ready" in ended.out
    found = dict(re.findall(r"^(Researcher|Raters \(my-clips\)): (\S+)$", ended.out, re.MULTILINE))
    assert set(found) == {"Researcher", "Raters (my-clips)"}
    assert all(link.startswith("http://127.0.0.1:8123/") for link in found.values())
    personal = clipjury("invite", "my-clips", "Grace").out.strip()
    settings = Settings(home=clipjury.home, database_url="")
    assert found["Researcher"].endswith(auth.researcher_key(settings))
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8123") as browser:
        assert "my-clips" in browser.get(found["Researcher"]).text
        assert "How should we call you?" in browser.get(found["Raters (my-clips)"]).text
        assert "Before you start" in browser.get(personal).text
        page = browser.post("/rate/start")
        asked = re.search(r'action="(/rate/\d+)"', page.text)
        assert asked
        sent = {"answer-quality": "4", "answer-stability": "2", "answer-verdict": "reject", "submission": "s"}
        assert browser.post(asked.group(1), data=sent).status_code == 200
    files = ("--judgments", "j.csv", "--estimates", "e.json")
    assert clipjury("export", "my-clips", *files).code == 0
    with (clipjury.folder / "j.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["rater"], row["value"]) for row in rows] == [("Grace", "4"), ("Grace", "2"), ("Grace", "reject")]
    assert json.loads((clipjury.folder / "e.json").read_text())["study"] == "my-clips"
    said(clipjury("export", "none", *files), 1, "There is no study 'none'")
