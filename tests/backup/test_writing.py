"""`clipjury backup`: one archive of a whole installation, consistent and checked, while raters work."""

import json
import os
import stat
import threading
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import func, insert, select, text
from sqlmodel import col

from app.backup import keeping, keys, reading, rows, schema, writing
from app.backup.manifest import Manifest
from app.db import Database, migration_config
from app.errors import AppError
from app.models import Event, Judgment, StudyClip, metadata
from app.settings import Settings
from tests.helpers import full_installation
from tests.helpers.factories import NOON, StudyMaker, answers
from tests.helpers.waiting import wait_until

SECRET_FOLDER = 0o700


def backup(database: Database, settings: Settings, target: Path, *, media: bool = True, key: bool = False) -> Manifest:
    """An archive at noon."""
    return writing.write(database, settings, target, now=NOON, media=media, key=key)


def table_of(archive: Path, name: str) -> list[dict[str, object]]:
    """The rows of a table in an archive."""
    with zipfile.ZipFile(archive) as opened:
        return [json.loads(line) for line in opened.read(f"tables/{name}.ndjson").splitlines()]


def test_every_row_and_every_file_is_in_the_archive(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Rows of all tables; pools, samples, drafts, packs and clips; neither caches nor the key."""
    made = full_installation.fill(database, settings, tmp_path / "elsewhere")
    target = tmp_path / "backups" / "one.zip"
    found = backup(database, settings, target)
    assert found == reading.verify(target)
    with database.reader() as db:
        counts = {one.name: db.scalar(select(func.count()).select_from(one)) for one in metadata.sorted_tables}
        clips = set(db.scalars(select(col(StudyClip.media_key))))
        judgment = db.scalars(select(Judgment).order_by(col(Judgment.id).desc()).limit(1)).one()
    assert {one.name: one.rows for one in found.tables} == counts
    assert table_of(target, "judgment")[-1] == {
        "id": judgment.id,
        "study_id": judgment.study_id,
        "assignment_id": judgment.assignment_id,
        "criterion_id": judgment.criterion_id,
        "rater_id": judgment.rater_id,
        "value": judgment.value,
        "revision": judgment.revision,
        "submission": judgment.submission,
        "arm": judgment.arm,
        "guidelines_hash": judgment.guidelines_hash,
        "facts": judgment.facts,
        "created_at": judgment.created_at.isoformat(),
    }
    assert {one.path for one in found.media} == {f"media/{name}.mp4" for name in clips}
    own = {"pool.parquet", "samples/sample.parquet", f"drafts/{made.draft}.json", "reports/every-scale.zip"}
    assert {one.path for one in found.files} == own | {"pools/pool.parquet"}
    assert found.missing == ()
    with zipfile.ZipFile(target) as opened:
        elsewhere = (tmp_path / "elsewhere" / "pool.parquet").read_bytes()
        assert opened.read("files/pools/pool.parquet") == elsewhere
        key = settings.key.hex().encode()
        assert not any(key in opened.read(name) for name in opened.namelist())
    assert not found.has_key


def test_only_the_owner_can_read_it(database: Database, settings: Settings, study_maker: StudyMaker) -> None:
    """The archive has mode 0600, a folder made for it 0700; no half file is left beside it."""
    study_maker()
    target = settings.home / "new" / "one.zip"
    backup(database, settings, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert stat.S_IMODE(target.parent.stat().st_mode) == SECRET_FOLDER
    assert os.listdir(target.parent) == ["one.zip"]  # noqa: PTH208 - names


def test_without_media_the_clips_are_listed(database: Database, settings: Settings, study_maker: StudyMaker) -> None:
    """The manifest has size and digest of each clip, and the archive none of their videos."""
    study_maker(clips=3)
    whole, listed = settings.home / "whole.zip", settings.home / "listed.zip"
    with_videos = backup(database, settings, whole)
    without = backup(database, settings, listed, media=False)
    assert without.media == with_videos.media
    assert len(without.media) == 3
    with zipfile.ZipFile(listed) as opened:
        assert not [name for name in opened.namelist() if name.endswith(".mp4")]
    assert reading.verify(listed) == without


def test_the_key_is_in_it_only_if_asked_for(database: Database, settings: Settings, study_maker: StudyMaker) -> None:
    """With `key` the archive holds the signing key of this installation."""
    study_maker()
    target = settings.home / "keys.zip"
    assert backup(database, settings, target, key=True).has_key
    with reading.opened(target) as archive:
        assert archive.key() == settings.key.hex().encode()


def test_what_is_missing_is_named(database: Database, settings: Settings, study_maker: StudyMaker) -> None:
    """A clip whose file is gone and a pool that is not there do not prevent the backup; the manifest names both."""
    study_maker(clips=2)
    gone = sorted(settings.media.iterdir())[0]
    gone.unlink()
    found = backup(database, settings, settings.home / "one.zip")
    assert found.missing == ("pool pool.parquet", f"media/{gone.name}")
    assert len(found.media) == 1


def test_nothing_is_overwritten_and_nothing_left_half(settings: Settings, tmp_path: Path) -> None:
    """An existing file is refused; a backup that fails leaves no file at all."""
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    target = tmp_path / "backups" / "one.zip"
    with pytest.raises(AppError, match="nothing to back up"):
        backup(database, settings, target)
    assert list(target.parent.iterdir()) == []
    target.write_text("something else")
    with pytest.raises(AppError, match="is there already"):
        backup(database, settings, target)
    assert target.read_text() == "something else"
    database.dispose()


def test_a_backup_waits_for_no_writer(database: Database, settings: Settings, study_maker: StudyMaker) -> None:
    """While a transaction that writes is open, the backup has the rows from before it."""
    study = study_maker()
    with database.writer() as db:
        db.add(Event(study_id=study.id, kind="unfinished"))
        db.flush()
        backup(database, settings, settings.home / "one.zip")
    assert "unfinished" not in {row["kind"] for row in table_of(settings.home / "one.zip", "event")}


def test_the_rows_are_those_of_one_moment(database: Database, settings: Settings, study_maker: StudyMaker) -> None:
    """Raters answer while the backup is written: every answer in it has its assignment, and that is done."""
    study = study_maker(clips=150, raters_per_clip=2, with_media=False)
    ended = threading.Event()

    def work() -> None:
        moment = NOON
        for name in ("Ada", "Grace"):
            rater = study_maker.rater(study, name)
            while study_maker.rate(study, rater, answers(), at=moment) is not None and not ended.is_set():
                moment += timedelta(seconds=1)

    worker = threading.Thread(target=work)
    worker.start()
    counts: list[int] = []
    try:
        for number in range(4):
            before = len(counts) and counts[-1]
            wait_until(lambda before=before: _judgments(database) > before or not worker.is_alive())  # type: ignore[misc]
            target = settings.home / f"{number}.zip"
            backup(database, settings, target)
            done = {row["id"] for row in table_of(target, "assignment") if row["status"] == "done"}
            judged = [row["assignment_id"] for row in table_of(target, "judgment")]
            assert set(judged) == done
            assert len(judged) == 3 * len(done)
            counts.append(len(judged))
    finally:
        ended.set()
        worker.join()
    assert counts[0] < counts[-1], "raters worked while the backups were made"


def _judgments(database: Database) -> int:
    with database.reader() as db:
        return int(db.scalar(select(func.count()).select_from(Judgment)) or 0)


def test_rows_are_never_all_in_memory(database: Database, settings: Settings, study_maker: StudyMaker) -> None:
    """20,000 answers with 20 MB of facts are written with less than 10 MB of memory."""
    study = study_maker(clips=1)
    ada = study_maker.rater(study, "Ada")
    with database.changing_tables() as connection:
        connection.execute(
            text(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                "INSERT INTO judgment (study_id, assignment_id, criterion_id, rater_id, value, revision, submission, "
                "arm, guidelines_hash, facts, created_at) SELECT :study, (SELECT min(id) FROM assignment), "
                "(SELECT min(id) FROM criterion), :rater, '4', i, 's' || i, 'hidden', 'h', "
                f"""'["{"x" * 1000}"]', '2026-11-02 12:00:00' FROM n"""
            ).bindparams(study=study.id, rater=ada.id)
        )
    schema.tables_at(schema.head())  # made once
    tracemalloc.start()
    found = backup(database, settings, settings.home / "one.zip")
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert next(one.size for one in found.tables if one.name == "judgment") > 20e6
    assert peak < 10e6


def test_rows_have_the_same_lines_on_both_databases(database: Database, study_maker: StudyMaker) -> None:
    """Times in another zone, NULL beside the JSON value null, floats, and the order of keys have one form."""
    study = study_maker(clips=1, weights=[1 / 3])
    with database.writer() as db:
        db.add(Event(study_id=study.id, kind="odd", detail=full_installation.NESTED, created_at=NOON))
        one = metadata.tables["event"]
        db.execute(insert(one).values(study_id=study.id, kind="null", detail=None, created_at=NOON))
    tables = {table.name: table for table in schema.tables_at(schema.head())}
    with database.snapshot() as connection:
        events = list(rows.lines(connection, tables["event"]))[-2:]
        [clip] = rows.lines(connection, tables["studyclip"])
    numbers = [json.loads(line)["id"] for line in events]
    detail = json.dumps(full_installation.NESTED, ensure_ascii=False, separators=(",", ":"))
    at = '"created_at":"2026-11-02T12:00:00+00:00"'
    assert [line.decode() for line in events] == [
        f'{{{at},"detail":{detail},"id":{numbers[0]},"kind":"odd","study_id":{study.id}}}\n',
        f'{{{at},"detail":null,"id":{numbers[1]},"kind":"null","study_id":{study.id}}}\n',
    ]
    assert b'"weight":0.3333333333333333' in clip


def test_old_backups_of_this_installation_alone_are_removed(
    database: Database, settings: Settings, study_maker: StudyMaker, tmp_path: Path
) -> None:
    """Others' backups, damaged files and links stay, whatever their names are."""
    study_maker(with_media=False)
    folder = tmp_path / "backups"
    own = keys.installation_of(settings)
    names = [keeping.name_of(own, NOON + timedelta(days=day)) for day in range(4)]
    for name in names:
        backup(database, settings, folder / name)
    other = Settings(home=tmp_path / "other", database_url=settings.database)
    same_name = keeping.name_of(own, NOON - timedelta(days=9))
    backup(database, other, folder / same_name)
    damaged = folder / keeping.name_of(own, NOON - timedelta(days=8))
    damaged.write_bytes(b"PK")
    link = folder / keeping.name_of(own, NOON - timedelta(days=7))
    link.symlink_to(folder / names[0])
    (folder / "clipjury-notes.zip").write_bytes(b"mine")
    halves = [folder / keeping.half_name(names[0]) for _ in range(2)]
    for half in halves:
        half.write_bytes(b"half")
    os.utime(halves[0], (0, 0))
    removed = keeping.remove_old(folder, own, 3, now=datetime.now(UTC))
    assert [path.name for path in removed] == names[:1]
    assert {path.name for path in folder.iterdir()} == {
        *(*names[1:], same_name, damaged.name, link.name, "clipjury-notes.zip", halves[1].name)
    }
    assert keeping.remove_old(folder, own, 3, now=datetime.now(UTC)) == []


def test_a_database_of_an_older_version_is_backed_up_as_it_is(
    database: Database, settings: Settings, study_maker: StudyMaker
) -> None:
    """A backup before an upgrade migrates nothing: the archive has the older revision and its tables."""
    study_maker(with_media=False)
    with database.changing_tables() as connection:
        config = migration_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    found = backup(database, settings, settings.home / "old.zip")
    assert found.revision == "0003"
    assert "exclusion" not in {one.name for one in found.tables}
    with database.snapshot() as connection:
        assert schema.revision_of(connection) == "0003"


def test_tables_of_other_programs_are_left_out(database: Database, settings: Settings, study_maker: StudyMaker) -> None:
    """Litestream keeps tables of its own in the database; the archive has none of them."""
    study_maker(with_media=False)
    with database.changing_tables() as connection:
        connection.execute(text("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)"))
    database.migrate()
    found = backup(database, settings, settings.home / "one.zip")
    assert not [one.name for one in found.tables if one.name.startswith("_")]
