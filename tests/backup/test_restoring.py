"""`clipjury restore`: everything is back, on either database; what is not as it was written is refused whole."""

import socket
import stat
from pathlib import Path

import psycopg
import pytest
from alembic import command
from sqlalchemy import inspect, select
from sqlmodel import col

from app import auth
from app.backup import checking, keys, moving, reading, restoring, rows, schema, writing
from app.backup.rows import Digest
from app.db import Database, migration_config
from app.errors import AppError
from app.models import Judgment, Rater, Study
from app.settings import Settings, write_keys
from app.studies import lifecycle
from app.web import running_server
from app.wizard import drafts
from tests.helpers import full_installation
from tests.helpers.databases import EmptyDatabase
from tests.helpers.factories import NOON, StudyMaker, answers
from tests.helpers.visitors import on_sqlite


def digests(settings: Settings, *, without: tuple[str, ...] = ()) -> dict[str, Digest]:
    """The digest of every table."""
    database = Database(settings.database)
    with database.snapshot() as connection:
        found = {
            table.name: rows.digest(connection, table)
            for table in schema.tables_at(schema.head())
            if table.name not in without
        }
    database.dispose()
    return found


def backup(settings: Settings, target: Path, *, key: bool = True, media: bool = True) -> Path:
    """An archive of an installation."""
    database = Database(settings.database)
    writing.write(database, settings, target, now=NOON, key=key, media=media)
    database.dispose()
    return target


def faults(settings: Settings) -> list[str]:
    """What `clipjury check` finds."""
    database = Database(settings.database)
    found = checking.check(database, settings)
    database.dispose()
    return [one.what for one in found]


def test_everything_is_back_on_the_other_database(
    full: full_installation.Installation,
    settings: Settings,
    database: Database,
    empty_database: EmptyDatabase,
    tmp_path: Path,
) -> None:
    """From SQLite to PostgreSQL and back, and the other way round: the same rows and files, no fault, new ids go on."""
    archive = backup(settings, tmp_path / "one.zip")
    kinds = ("postgresql", "sqlite") if database.is_sqlite else ("sqlite", "postgresql")
    second = Settings(home=tmp_path / "second", database_url=empty_database(kinds[0]))
    assert restoring.restore(second, archive).key_is_known
    back = Settings(home=tmp_path / "back", database_url=empty_database(kinds[1]))
    restoring.restore(back, backup(second, tmp_path / "two.zip"))
    for restored in (second, back):
        assert digests(restored, without=("study",)) == digests(settings, without=("study",))
        assert studies(restored) == studies(settings)
        assert faults(restored) == []
        assert restored.keys == settings.keys
        for path in settings.media.iterdir():
            assert (restored.media / path.name).read_bytes() == path.read_bytes()
    theirs = Database(back.database)
    with theirs.writer() as db:
        highest = max(db.scalars(select(col(Rater.id))))
        rater = Rater(study_id=full.every_scale.id, name="Newcomer", shuffle=5)
        db.add(rater)
        db.flush()
        assert rater.id == highest + 1
    theirs.dispose()


def studies(settings: Settings) -> list[dict[str, object]]:
    """The rows of the studies without the paths of their pools, which a restore changes."""
    database = Database(settings.database)
    with database.reader() as db:
        found = [one.model_dump(exclude={"pool"}) for one in db.scalars(select(Study).order_by(col(Study.id)))]
    database.dispose()
    return found


@on_sqlite
def test_restored_files_are_those_of_the_installation(
    full: full_installation.Installation, settings: Settings, tmp_path: Path
) -> None:
    """Files have mode 0600 and folders 0700; clips all have the same time, which tells nothing; others keep theirs.

    A pool outside of the home folder stays there while it is unchanged; otherwise study and draft name the copy in the
    home folder. A draft that is no JSON is restored as it is.
    """
    odd = settings.home / "drafts" / "0123456789abcdef.json"
    odd.write_text("[")
    archive = backup(settings, tmp_path / "one.zip")
    assert reading.read_manifest(archive).missing == ()
    same = Settings(home=tmp_path / "same", database_url="")
    assert restoring.restore(same, archive).kept_pools == 1
    for path in (same.home, *same.home.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert len({path.stat().st_mtime for path in same.media.iterdir()}) == 1
    assert (same.home / "drafts" / odd.name).read_text() == "["
    for place in (settings, same):
        (place.home / "drafts" / odd.name).unlink()
    assert drafts.load(same, full.draft).changed == drafts.load(settings, full.draft).changed
    elsewhere = tmp_path / "elsewhere" / "pool.parquet"
    elsewhere.write_bytes(b"another file")
    moved = Settings(home=tmp_path / "moved", database_url="")
    assert restoring.restore(moved, archive).kept_pools == 0
    for place, pool in ((same, elsewhere), (moved, moved.home / "pools" / "pool.parquet")):
        database = Database(place.database)
        with database.reader() as db:
            assert lifecycle.by_slug(db, full.every_scale.slug).pool == str(pool)
            assert lifecycle.by_slug(db, full.generated.slug).pool == str(place.home / "pool.parquet")
        assert drafts.load(place, full.draft).pool == pool
        database.dispose()


@on_sqlite
def test_without_the_key_the_archive_says_whose_key_is_missing(
    settings: Settings, study_maker: StudyMaker, tmp_path: Path
) -> None:
    """A key that is put into the home folder first is recognised; another one is not; the archive's replaces it."""
    study_maker()
    without = backup(settings, tmp_path / "without.zip", key=False)
    with_key = backup(settings, tmp_path / "with.zip", key=True)
    for number, (key, archive, known) in enumerate(
        (
            (None, without, False),
            (settings.key, without, True),
            (b"x" * 32, without, False),
            (b"x" * 32, with_key, True),
        )
    ):
        home = tmp_path / f"home-{number}"
        home.mkdir()
        if key is not None:
            (home / "signing.key").write_text(key.hex())
        restored = Settings(home=home, database_url="")
        assert restoring.restore(restored, archive).key_is_known is known
        assert (restored.key == settings.key) is known
        assert (auth.researcher_key(restored) == auth.researcher_key(settings)) is known


@on_sqlite
def test_keys_that_were_rotated_since_are_kept(settings: Settings, study_maker: StudyMaker, tmp_path: Path) -> None:
    """A home folder whose keys end with those of the archive keeps its own; backups have the same names as before."""
    study_maker()
    archive = backup(settings, tmp_path / "one.zip")
    rotated = (b"n" * 32, *settings.keys)
    home = tmp_path / "home-2"
    write_keys(home / "signing.key", rotated, replace=True)
    restored = Settings(home=home, database_url="")
    assert restoring.restore(restored, archive).key_is_known
    assert restored.keys == rotated
    assert keys.installation_of(restored) == reading.read_manifest(archive).installation


@on_sqlite
def test_nothing_is_restored_under_a_running_server(
    settings: Settings, study_maker: StudyMaker, tmp_path: Path
) -> None:
    """A server that answers at the address in the home folder would work on with its own key and its own rows."""
    study_maker(with_media=False)
    archive = backup(settings, tmp_path / "one.zip")
    with socket.create_server(("127.0.0.1", 0)) as door:
        served = Settings(home=tmp_path / "served", database_url="", port=door.getsockname()[1])
        served.home.mkdir()
        with running_server.announced(served), pytest.raises(AppError, match="is running"):
            restoring.restore(served, archive)
    assert list(served.home.iterdir()) == []


@on_sqlite
def test_without_media_everything_but_the_clips_is_back(
    settings: Settings, study_maker: StudyMaker, tmp_path: Path
) -> None:
    """The check names the clips; when they are copied by hand it is satisfied with them."""
    study_maker(clips=2)
    archive = backup(settings, tmp_path / "one.zip", media=False)
    restored = Settings(home=tmp_path / "restored", database_url="")
    restoring.restore(restored, archive)
    assert any("2 prepared clips are not there" in fault for fault in faults(restored))
    restored.media.mkdir()
    for path in settings.media.iterdir():
        (restored.media / path.name).write_bytes(path.read_bytes())
    assert not any("prepared clips" in fault for fault in faults(restored))


def test_what_is_not_empty_is_refused(
    database: Database, settings: Settings, study_maker: StudyMaker, tmp_path: Path
) -> None:
    """Neither a home folder with files nor a database with rows is touched."""
    study = study_maker()
    archive = backup(settings, tmp_path / "one.zip")
    before = digests(settings)
    with pytest.raises(AppError, match="is not empty"):
        restoring.restore(settings, archive)
    other_home = Settings(home=tmp_path / "other", database_url=settings.database)
    with pytest.raises(AppError, match=r"database is not empty: it has rows in the table"):
        restoring.restore(other_home, archive)
    assert not other_home.home.exists()
    assert digests(settings) == before
    with database.reader() as db:
        assert lifecycle.by_slug(db, study.slug).id == study.id


def test_a_database_that_a_server_has_made_counts_as_empty(
    settings: Settings, study_maker: StudyMaker, empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    """A server that was started once has made tables, folders and a key; an archive is restored over them."""
    study_maker(with_media=False)
    archive = backup(settings, tmp_path / "one.zip")
    started = Settings(home=tmp_path / "started", database_url=empty_database("postgresql"))
    _ = started.key
    started.media.mkdir()
    (started.home / "server.json").write_text("{}")
    server = Database(started.database)
    server.migrate()
    restoring.restore(started, archive)
    assert digests(started) == digests(settings)
    server.dispose()


def test_a_database_of_another_program_is_refused(
    settings: Settings, study_maker: StudyMaker, empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    """Tables of another program are named and stay; Litestream's do no harm."""
    study_maker(with_media=False)
    archive = backup(settings, tmp_path / "one.zip")
    target = Settings(home=tmp_path / "new", database_url=empty_database("postgresql"))
    with psycopg.connect(target.database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE wages (id int)")
    with pytest.raises(AppError, match="the table wages"):
        restoring.restore(target, archive)
    with psycopg.connect(target.database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP TABLE wages")
        connection.execute("CREATE TABLE _litestream_lock (id int)")
    restoring.restore(target, archive)
    assert digests(target) == digests(settings)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_archive_of_an_older_version_is_migrated(
    database: Database,
    settings: Settings,
    study_maker: StudyMaker,
    empty_database: EmptyDatabase,
    kind: str,
    tmp_path: Path,
) -> None:
    """Rows come into the tables of their revision, which then become those of this version."""
    study = study_maker(with_media=False)
    study_maker.rate(study, study_maker.rater(study, "Ada"), answers())
    with database.changing_tables() as connection:
        config = migration_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    archive = backup(settings, tmp_path / "old.zip")
    restored = Settings(home=tmp_path / "new", database_url=empty_database(kind))
    assert restoring.restore(restored, archive).manifest.revision == "0002"
    other = Database(restored.database)
    with other.snapshot() as connection:
        assert schema.revision_of(connection) == schema.head()
        assert inspect(connection).has_table("exclusion")
    with other.reader() as db:
        assert len(db.scalars(select(Judgment)).all()) == 3
    other.dispose()


def test_moving_to_postgresql_copies_every_row(
    settings: Settings, database: Database, study_maker: StudyMaker, empty_database: EmptyDatabase
) -> None:
    """All tables are equal, and the old database is as it was."""
    study = study_maker(with_media=False)
    study_maker.rate(study, study_maker.rater(study, full_installation.ODD), answers())
    before = digests(settings)
    database.dispose()
    url = moving.address(empty_database("postgresql"))
    assert moving.move(database, url) == before == digests(settings)
    assert digests(Settings(home=settings.home, database_url=url)) == before


def test_nothing_is_moved_while_a_server_has_the_database_open(
    database: Database, settings: Settings, study_maker: StudyMaker, empty_database: EmptyDatabase
) -> None:
    """An answer that came during the move would be lost: even an idle connection is noticed."""
    study_maker(with_media=False)
    url = empty_database("postgresql")
    database.dispose()
    server = Database(settings.database)
    with server.reader() as db:
        db.scalars(select(Study)).all()
    with pytest.raises(AppError, match=r"has the database open.* Stop ClipJury"):
        moving.move(database, url)
    server.dispose()
    moving.move(database, url)
    with pytest.raises(AppError, match="is not empty"):
        moving.move(database, url)


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://h/n", "nonsense", "postgresql://host", ""])
def test_only_postgresql_is_moved_to(url: str) -> None:
    """Any other address is refused with the form that is wanted."""
    with pytest.raises(AppError, match="no PostgreSQL address"):
        moving.address(url)


def test_the_password_is_not_printed() -> None:
    """What the command prints has stars in its place."""
    shown = moving.without_password(moving.address("postgresql://ada:s3cret@db.example/clipjury"))
    assert shown == "postgresql+psycopg://ada:***@db.example/clipjury"
