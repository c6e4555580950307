"""Archives that are damaged, forged or made by somebody who wants harm: refused in words, and nothing is written."""

import hashlib
import json
import random
import re
import stat
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from app.backup import reading, restoring, writing
from app.db import Database
from app.errors import AppError
from app.settings import Settings
from tests.helpers.databases import EmptyDatabase
from tests.helpers.factories import NOON, StudyMaker, answers
from tests.helpers.visitors import on_sqlite

pytestmark = pytest.mark.usefixtures("database")


@dataclass
class Forged:
    """An archive in memory, to be changed: contents by name, the manifest, and further members as they are written."""

    contents: dict[str, bytes]
    manifest: dict[str, Any]
    more: list[tuple[zipfile.ZipInfo, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path) -> "Forged":
        """A good archive."""
        with zipfile.ZipFile(path) as opened:
            contents = {name: opened.read(name) for name in opened.namelist()}
        return cls(contents, json.loads(contents.pop("manifest.json")))

    def table(self, name: str, content: bytes) -> None:
        """Give a table another content, with a manifest that fits it."""
        self.contents[f"tables/{name}.ndjson"] = content
        entry = next(one for one in self.manifest["tables"] if one["name"] == name)
        entry |= {"rows": content.count(b"\n"), "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def row(self, table: str, **changes: object) -> None:
        """Change the first row of a table, with a manifest that fits it."""
        first, *others = self.contents[f"tables/{table}.ndjson"].splitlines(keepends=True)
        changed = json.dumps(json.loads(first) | changes, separators=(",", ":")).encode() + b"\n"
        self.table(table, b"".join([changed, *others]))

    def file(self, path: str, content: bytes = b"evil") -> None:
        """Add a file that the manifest lists."""
        self.contents[f"files/{path}"] = content
        digest = hashlib.sha256(content).hexdigest()
        self.manifest["files"].append({"path": path, "size": len(content), "sha256": digest, "modified": 0})

    def write(self, target: Path) -> None:
        """Write it."""
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.contents.items():
                archive.writestr(name, content)
            for info, content in self.more:
                with warnings.catch_warnings(action="ignore"):  # of a name that is there already
                    archive.writestr(info, content)
            archive.writestr("manifest.json", json.dumps(self.manifest))


Change = Callable[[Forged], object]


def member(name: str, mode: int = stat.S_IFREG | 0o600) -> zipfile.ZipInfo:
    """A member of some kind."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def a_link(forged: Forged) -> None:
    """A symbolic link in the place of a file that the manifest lists."""
    forged.file("notes.txt", b"/etc/passwd")
    del forged.contents["files/notes.txt"]
    forged.more.append((member("files/notes.txt", stat.S_IFLNK | 0o777), b"/etc/passwd"))


def a_bomb(forged: Forged) -> None:
    """A table of 100 MB in 100 kB, with a manifest that says so."""
    forged.table("event", b"\n" * 100_000_000)


def a_long_line(forged: Forged) -> None:
    """A line of 34 MB that does not compress well."""
    forged.table("event", random.Random(1).randbytes(17_000_000).hex().encode() + b"\n")


def another_size(forged: Forged) -> None:
    """A manifest that says less than there is."""
    next(one for one in forged.manifest["tables"] if one["name"] == "judgment")["size"] -= 1


def same_length(name: str) -> Change:
    """Another content of the same length."""

    def change(forged: Forged) -> None:
        content = forged.contents[name]
        forged.contents[name] = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]

    return change


def listed_twice(forged: Forged) -> None:
    """A manifest that lists a file twice."""
    forged.file("a.toml")
    forged.file("a.toml")


def no_key(forged: Forged) -> None:
    """A key of other characters, with its digest."""
    forged.contents["signing.key"] = b"z" * 64
    forged.manifest["key"]["sha256"] = hashlib.sha256(b"z" * 64).hexdigest()


def twice(forged: Forged) -> None:
    """The same member twice."""
    name = "tables/study.ndjson"
    forged.more.append((member(name), forged.contents[name]))


def packed_otherwise(forged: Forged) -> None:
    """A member in a compression that clipjury never uses."""
    content = forged.contents.pop("tables/event.ndjson")
    info = member("tables/event.ndjson")
    info.compress_type = zipfile.ZIP_LZMA
    forged.more.append((info, content))


CHANGES: dict[str, tuple[Change, str]] = {
    "a path upwards": (lambda one: one.file("../evil.toml"), "no file of an installation"),
    "a path inside that leads upwards": (lambda one: one.file("pools/../../evil.toml"), "no file of an installation"),
    "an absolute path": (lambda one: one.file("/tmp/evil.toml"), "no file of an installation"),
    "a path of Windows": (lambda one: one.file("..\\evil.toml"), "no file of an installation"),
    "a path with a line end": (lambda one: one.file("a\nb.toml"), "no file of an installation"),
    "a path written in two ways": (lambda one: one.file("pools//evil.parquet"), "no file of an installation"),
    "the database as a file": (lambda one: one.file("clipjury.db"), "no file of an installation"),
    "a key as a file": (lambda one: one.file("signing.key"), "no file of an installation"),
    "a hidden file": (lambda one: one.file(".ssh/config.txt"), "no file of an installation"),
    "a program": (lambda one: one.file("pools/evil.py"), "no file of an installation"),
    "a file twice": (listed_twice, "listed twice"),
    "a link": (a_link, "no plain file"),
    "a folder": (lambda one: one.more.append((member("files/"), b"")), "no plain file"),
    "a device": (lambda one: one.more.append((member("files/a.txt", stat.S_IFCHR), b"")), "no plain file"),
    "one member more": (lambda one: one.more.append((member("files/more.txt"), b"x")), "does not list"),
    "one member less": (lambda one: one.contents.pop("tables/event.ndjson"), "it lacks tables/event.ndjson"),
    "a member twice": (twice, "twice"),
    "another table": (same_length("tables/event.ndjson"), "another digest|cannot be stored"),
    "another video": (lambda one: same_length(next(n for n in one.contents if "mp4" in n))(one), "another digest"),
    "another size": (another_size, "another size"),
    "another number of rows": (lambda one: one.manifest["tables"][0].update(rows=99), "another digest"),
    "a bomb": (a_bomb, "would grow to 100000000 bytes"),
    "a long line": (a_long_line, "too long"),
    "another compression": (packed_otherwise, "packed in another way"),
    "a newer format": (lambda one: one.manifest.update(format=2), "format that this version"),
    "a newer revision": (lambda one: one.manifest.update(revision="9999"), "made the archive"),
    "another program": (lambda one: one.manifest.update(program="tar"), "manifest of the archive is damaged"),
    "no manifest": (lambda one: one.manifest.clear(), "manifest of the archive is damaged"),
    "a deep manifest": (lambda one: one.manifest.update(missing=json.loads("[" * 500 + "]" * 500)), "is damaged"),
    "a key that is none": (no_key, "holds no keys"),
    "another key": (lambda one: one.contents.update({"signing.key": b"a" * 64}), "another digest"),
    "a table of another revision": (lambda one: one.manifest.update(revision="0001"), "not those of revision 0001"),
    "a row with another column": (lambda one: one.row("study", wages=1), "columns that study lacks"),
    "a row that is no object": (lambda one: one.table("event", b"[1]\n"), "cannot be stored"),
    "a row that is no JSON": (lambda one: one.table("event", b"\xff\xfe\n"), "cannot be stored"),
    "a row without its end": (lambda one: one.table("event", b"{}"), "cut off"),
    "a row of nothing": (lambda one: one.table("event", b"{}\n"), "cannot be stored"),
    "a deep row": (lambda one: one.table("event", b"[" * 100_000 + b"\n"), "cannot be stored"),
    "a row of another study": (lambda one: one.row("judgment", study_id=77), "not there|cannot be stored"),
    "a time that is none": (lambda one: one.row("study", created_at="noon"), "cannot be stored"),
    "a time without a zone": (lambda one: one.row("study", created_at="2026-11-02T12:00:00"), "not the same"),
    "a number too large": (lambda one: one.row("study", seed=2**70), "cannot be stored"),
    "a number that is text": (lambda one: one.row("study", seed="x"), "cannot be stored"),
    "a list in the place of a text": (lambda one: one.row("study", name=["x"]), "cannot be stored"),
    "a state that there is not": (lambda one: one.row("study", state="lost"), "cannot be stored"),
    "an id twice": (lambda one: one.row("rater", id=2), "cannot be stored"),
}


@pytest.fixture
def archive(settings: Settings, study_maker: StudyMaker, tmp_path: Path) -> Path:
    """A good archive with the key."""
    study = study_maker(clips=2)
    for name in ("Ada", "Grace"):
        study_maker.rate(study, study_maker.rater(study, name), answers())
    target = tmp_path / "good.zip"
    writing.write(study_maker.database, settings, target, now=NOON, key=True)
    return target


def refused(target: Settings, archive: Path) -> str:
    """Why an archive is not restored; asserts that home and database are as empty as before."""
    with pytest.raises(AppError) as error:
        restoring.restore(target, archive)
    assert not target.home.exists()
    if target.database_url:
        database = Database(target.database)
        assert inspect(database.engine).get_table_names() == []
        database.dispose()
    return str(error.value)


@on_sqlite
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_not_as_it_was_written_is_refused(
    archive: Path, empty_database: EmptyDatabase, kind: str, tmp_path: Path
) -> None:
    """Each change is told in words; neither the home folder nor the database, on either kind, has anything of it."""
    target = Settings(home=tmp_path / "new", database_url=empty_database(kind))
    said = {}
    for name, (change, _words) in CHANGES.items():
        forged = Forged.of(archive)
        change(forged)
        forged.write(tmp_path / "forged.zip")
        said[name] = refused(target, tmp_path / "forged.zip")
    wrong = {name: text for name, text in said.items() if not re.search(CHANGES[name][1], text)}
    assert wrong == {}
    restoring.restore(target, archive)
    assert not list(tmp_path.rglob("evil*"))


@on_sqlite
def test_damaged_bytes_are_noticed(archive: Path, tmp_path: Path) -> None:
    """One byte changed anywhere, or the end cut off, is refused or changes nothing that the archive says."""
    content, chance = archive.read_bytes(), random.Random(3)
    good = reading.verify(archive)
    odd = tmp_path / "odd.zip"
    for number in range(150):
        place = chance.randrange(len(content))
        damaged = content[:place] if number % 10 == 0 else bytearray(content)
        if isinstance(damaged, bytearray):
            damaged[place] ^= 1 << chance.randrange(8)
        odd.write_bytes(damaged)
        try:
            assert reading.verify(odd) == good  # a byte that means nothing: a time of a member, for example
        except AppError:
            continue


@on_sqlite
@pytest.mark.parametrize("content", [b"", b"PK", b"SQLite format 3\0" + b"\0" * 100, b"PK\x05\x06" + b"\xff" * 18])
def test_another_file_is_no_archive(content: bytes, tmp_path: Path) -> None:
    """An empty file, a database and half an end of a ZIP file are told apart from an archive."""
    odd = tmp_path / "odd.zip"
    odd.write_bytes(content)
    assert "odd.zip is damaged" in refused(Settings(home=tmp_path / "new", database_url=""), odd)


@on_sqlite
def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A mistyped name makes no folder."""
    words = refused(Settings(home=tmp_path / "new", database_url=""), tmp_path / "missing.zip")
    assert "There is no file" in words
