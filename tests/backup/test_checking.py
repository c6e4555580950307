"""`clipjury check`: silent on what the product makes, one sentence with a way out for each promise that is broken."""

import re
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from app.backup import checking, rows
from app.backup.fault import Fault
from app.db import Database
from app.errors import AppError
from app.models import Study, metadata
from app.pool_evidence import top_ups
from app.sampling import design_files
from app.settings import Settings
from tests.helpers import every_scale, full_installation
from tests.helpers.every_scale import BORDERLINE, Questions
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite


@pytest.fixture
def study(database: Database, settings: Settings, tmp_path: Path) -> Study:
    """A study whose clips all have answers of one rater and a half of another."""
    (tmp_path / "pools").mkdir()
    made = every_scale.make(database, settings, tmp_path / "pools")
    maker = StudyMaker(database, settings)
    for name in ("Ada", "Grace"):
        every_scale.rate_all(maker, made, every_scale.join(maker, made, name))
    _ = settings.key
    return made


class Undo(Exception):
    """Ends a transaction without a commit."""


def broken(database: Database, *statements: str) -> list[Fault]:
    """The faults after some statements, which are then undone.

    Foreign keys are ignored, as after a faulty disk or when a person changes rows with a database browser.
    """
    found: list[Fault] = []
    with suppress(Undo), database.changing_tables() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))
        found = checking.of_database(connection, database)
        raise Undo
    return found


def test_what_the_product_makes_has_no_fault(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Studies on every scale and generated ones, with late, skipped, expired and withdrawn answers."""
    full_installation.fill(database, settings, tmp_path / "elsewhere")
    assert checking.check(database, settings) == []


SAMPLINGS = {
    "simple": 'design = "simple"\nclips = 20\n',
    "stratified": every_scale.SAMPLING,
    "limited": f"{every_scale.SAMPLING}per_source = 1\n",
    "included": f'{every_scale.SAMPLING}include = ["c40", "c41"]\n',
    "borderline": BORDERLINE,
    "rejects": f"{every_scale.SAMPLING}rejects = 9\n",
    "passed only": f'{every_scale.SAMPLING}only = "passed"\n',
    "crossed": 'design = "stratified"\nclips = 20\n[[sampling.strata]]\ncolumn = "gender"\n'
    '[[sampling.strata]]\nfilter = "still"\nbands = 2\n',
    "two phases": 'design = "two_phase"\nby = "still"\npilot = 9\nbands = 3\n',
}


@on_sqlite
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_weights_of_every_design_have_no_fault(
    database: Database, settings: Settings, sampling: str, tmp_path: Path
) -> None:
    """Weights and counts of every kind of draw are as its design says, also where criteria are asked one by one."""
    presentation = "one_by_one" if sampling == "limited" else "together"
    every_scale.make(database, settings, tmp_path, Questions(sampling=SAMPLINGS[sampling], presentation=presentation))
    assert [one for one in checking.check(database, settings) if "signing key" not in one.what] == []


@on_sqlite
def test_weights_of_a_study_that_was_topped_up_have_no_fault(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """By its own design, and then by another one."""
    study = every_scale.make(database, settings, tmp_path)
    _ = settings.keys
    top_ups.top_up(database, settings, study.slug, 9)
    assert checking.check(database, settings) == []
    another = design_files.parse('design = "simple"\nclips = 9\nseed = 8\n', "design.toml")
    top_ups.top_up(database, settings, study.slug, 9, design=another)
    assert checking.check(database, settings) == []


@dataclass(frozen=True)
class Break:
    """Statements that break a promise, and words of the fault."""

    words: str
    statements: tuple[str, ...]


FIRST = "(SELECT min(id) FROM judgment)"
OF_FIRST = f"(SELECT assignment_id FROM judgment WHERE id = {FIRST})"
SAMPLED = "(SELECT min(id) FROM studyclip WHERE role = 'sample')"
BREAKS = {
    "a judgment without assignment": Break(
        "rows of judgment refer to a assignment that is not there",
        (f"DELETE FROM assignment WHERE id = {OF_FIRST}",),
    ),
    "a judgment without question": Break(
        "refer to a criterion that is not there",
        ("DELETE FROM criterion WHERE id = (SELECT min(criterion_id) FROM judgment)",),
    ),
    "an assignment without clip": Break(
        "rows of assignment refer to a studyclip that is not there",
        ("DELETE FROM studyclip WHERE id = (SELECT min(study_clip_id) FROM assignment)",),
    ),
    "an event without study": Break(
        "1 rows of event refer to a study that is not there",
        ("UPDATE event SET study_id = 99 WHERE id = (SELECT min(id) FROM event)",),
    ),
    "a judgment of another rater": Break(
        "1 judgments belong to another rater or study than their assignment",
        (f"UPDATE judgment SET rater_id = 3 - rater_id WHERE id = {FIRST}",),
    ),
    "a judgment in an open place": Break(
        "1 assignments have judgments and are not marked as answered",
        (f"UPDATE assignment SET status = 'open' WHERE id = {OF_FIRST}",),
    ),
    "an answer without its time": Break(
        "1 assignments have judgments and are not marked as answered",
        (f"UPDATE assignment SET answered_at = NULL WHERE id = {OF_FIRST}",),
    ),
    "a deleted first revision": Break(
        "1 assignments lack a revision of their answer",
        (f"UPDATE judgment SET revision = 2 WHERE assignment_id = {OF_FIRST}",),
    ),
    "a deleted judgment": Break(
        "1 assignments are marked as answered and lack an answer to a required question",
        (
            "DELETE FROM judgment WHERE id = (SELECT max(judgment.id) FROM judgment JOIN criterion ON criterion.id = "
            "criterion_id JOIN assignment ON assignment.id = assignment_id WHERE required AND purpose = 'sample')",
        ),
    ),
    "a clip over its overlap": Break(
        "1 clips have more than 3 places for raters",
        (
            "INSERT INTO assignment (study_id, study_clip_id, place, purpose, occasion, status) "
            "SELECT study_id, study_clip_id, 9, 'sample', 0, 'open' FROM assignment "
            "WHERE status = 'open' AND purpose = 'sample' LIMIT 1",
        ),
    ),
    "a lost place": Break(
        "1 clips have fewer than 3 places for raters",
        ("DELETE FROM assignment WHERE id = (SELECT max(id) FROM assignment WHERE status = 'open')",),
    ),
    "a changed weight": Break(
        "the weight of 1 clips is not one over their inclusion probability",
        (f"UPDATE studyclip SET weight = weight * 1.001 WHERE id = {SAMPLED}",),
    ),
    "a probability above 1": Break(
        "the weight of 1 clips is not one over their inclusion probability",
        (f"UPDATE studyclip SET weight = 0.5, inclusion_probability = 2 WHERE id = {SAMPLED}",),
    ),
    "a changed probability": Break(
        "the inclusion probability of 1 clips is not the share of their stratum that the design drew",
        (
            "UPDATE studyclip SET weight = weight * 2, inclusion_probability = inclusion_probability / 2 "
            f"WHERE id = {SAMPLED}",
        ),
    ),
    "a weight of a gold clip": Break(
        "the weight of 1 clips is not one over their inclusion probability",
        ("UPDATE studyclip SET weight = 1 WHERE id = (SELECT min(id) FROM studyclip WHERE role = 'gold')",),
    ),
    "a clip in another stratum": Break(
        "has not the number of clips that the design drew",
        ("UPDATE studyclip SET stratum = 'nowhere' WHERE id = (SELECT min(id) FROM studyclip WHERE role = 'sample')",),
    ),
    "an older revision": Break(
        "The tables are those of revision 0003",
        ("UPDATE alembic_version SET version_num = '0003'",),
    ),
    "a missing table": Break("The table exclusion is not there", ("DROP TABLE exclusion",)),
    "a missing column": Break("The table event lacks the column detail", ("ALTER TABLE event DROP COLUMN detail",)),
}


@pytest.mark.usefixtures("study")
def test_each_broken_promise_is_told(database: Database, settings: Settings) -> None:
    """The fault names what is wrong and what can be done; as it was before, the database has none."""
    for promise, one in BREAKS.items():
        found = broken(database, *one.statements)
        assert one.words in " ".join(fault.what for fault in found), promise
        assert all(fault.remedy for fault in found)
    assert checking.check(database, settings) == []


@pytest.mark.usefixtures("study")
def test_ids_that_were_given_out_already_are_told(database: Database, settings: Settings) -> None:
    """On PostgreSQL a sequence behind its table is told with the statement that sets it right; SQLite has none."""
    with database.changing_tables() as connection:
        if database.is_sqlite:
            assert {rows.sequence_of(connection, table) for table in metadata.sorted_tables} == {None}
            return
        connection.execute(text("SELECT setval('event_id_seq', 1)"))
    [fault] = checking.check(database, settings)
    assert "The next row of event would get the id 2" in fault.what
    with database.changing_tables() as connection:
        connection.execute(text(fault.remedy.removeprefix("Run in psql: ")))
    assert checking.check(database, settings) == []


@on_sqlite
@pytest.mark.usefixtures("study")
def test_a_damaged_database_file_is_told(database: Database, settings: Settings, tmp_path: Path) -> None:
    """Pages that a disk has lost are found, and the way out is the last backup."""
    database.dispose()
    file = tmp_path / "clipjury.db"
    content = bytearray(file.read_bytes())
    middle = len(content) // 8192 * 4096
    content[middle : middle + 20_480] = b"\0" * 20_480
    file.write_bytes(content)
    [fault] = checking.check(Database(settings.database), settings)
    assert "damaged" in fault.what or "cannot be read" in fault.what
    assert "clipjury restore" in fault.remedy


@dataclass(frozen=True)
class Place:
    """The files of an installation with one study."""

    home: Path
    pool: Path

    def write(self, name: str, content: str) -> None:
        """Write a file into the home folder."""
        (self.home / name).parent.mkdir(exist_ok=True)
        (self.home / name).write_text(content)


def remove_a_clip(there: Place) -> None:
    """A prepared clip is gone."""
    next((there.home / "media").iterdir()).unlink()


def empty_a_clip(there: Place) -> None:
    """A prepared clip was emptied by a full disk."""
    next((there.home / "media").iterdir()).write_bytes(b"")


def spoil_a_clip(there: Place) -> None:
    """One bit of a prepared clip has turned over on the disk."""
    clip = next((there.home / "media").iterdir())
    content = bytearray(clip.read_bytes())
    content[len(content) // 2] ^= 1
    clip.write_bytes(content)


def remove_the_pool(there: Place) -> None:
    """The pool was moved away."""
    there.pool.unlink()


def change_the_pool(there: Place) -> None:
    """The pool was scored again."""
    there.pool.write_bytes(b"another")


def spoil_a_draft(there: Place) -> None:
    """A draft is no JSON."""
    there.write("drafts/0123456789abcdef.json", "{")


def draft_without_pool(there: Place) -> None:
    """A draft names a pool that is not there."""
    there.write("drafts/0123456789abcdef.json", '{"pool": "/nowhere/pool.parquet", "content": {}}')


def spoil_a_pack(there: Place) -> None:
    """A pack with a changed byte."""
    pack = there.home / "reports" / "every-scale.zip"
    pack.parent.mkdir()
    with zipfile.ZipFile(pack, "w") as written:
        written.writestr("SNAPSHOT", "as it was")
    pack.write_bytes(pack.read_bytes().replace(b"as it was", b"as it is."))


def remove_the_key(there: Place) -> None:
    """The key was not copied."""
    (there.home / "signing.key").unlink()


def spoil_the_key(there: Place) -> None:
    """The key is cut off."""
    there.write("signing.key", "abcd")


FILES: dict[str, Callable[[Place], None]] = {
    "1 prepared clips are not there": remove_a_clip,
    "1 prepared clips are empty": empty_a_clip,
    "1 prepared clips are not as they were prepared": spoil_a_clip,
    "cannot be read": remove_the_pool,
    "has changed since the study was made": change_the_pool,
    "The draft 0123456789abcdef.json cannot be read": spoil_a_draft,
    "The pool /nowhere/pool.parquet of the draft": draft_without_pool,
    "The report every-scale.zip is damaged": spoil_a_pack,
    "There is no signing key": remove_the_key,
    "The signing key .* is damaged": spoil_the_key,
}


@on_sqlite
def test_each_faulty_file_is_told(database: Database, settings: Settings, study: Study, tmp_path: Path) -> None:
    """Clips, pools, drafts, packs and the key: one fault with the way out."""
    pool = Path(study.pool).read_bytes()
    for number, (words, spoil) in enumerate(FILES.items()):
        home = tmp_path / str(number)
        shutil.copytree(settings.home, home)
        spoil(Place(home, Path(study.pool)))
        [fault] = checking.check(database, Settings(home=home, database_url=settings.database))
        assert re.search(words, fault.what), fault
        assert fault.remedy
        Path(study.pool).write_bytes(pool)


def test_a_newer_database_is_refused(database: Database) -> None:
    """Tables of a newer version are not judged."""
    with pytest.raises(AppError, match="belongs to a newer version"):
        broken(database, "UPDATE alembic_version SET version_num = '9999'")


@pytest.mark.usefixtures("study")
def test_tables_of_litestream_are_no_fault(database: Database, settings: Settings) -> None:
    """Other programs may keep tables in the database."""
    with database.changing_tables() as connection:
        connection.execute(text("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)"))
    database.migrate()
    assert checking.check(database, settings) == []
