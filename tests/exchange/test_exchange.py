"""Exports for Label Studio and Hugging Face, read back."""

import json
import zipfile
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as Xml

import polars as pl
import pytest
import yaml
from sqlalchemy import select
from sqlmodel import col
from typer.testing import CliRunner

from app.cli import cli
from app.db import Database
from app.errors import AppError
from app.exchange import forms, label_studio
from app.models import Criterion, Judgment, Study
from app.rating import external_ratings, playback_facts
from app.report import exports, facts, votes_file, zipped
from app.results import study_results
from app.settings import Settings
from app.studies import lifecycle
from tests.helpers.factories import NOON, StudyMaker
from tests.helpers.rated_studies import nine_clips
from tests.helpers.visitors import on_sqlite


def made(database: Database, study: Study, form: forms.Form) -> dict[str, bytes]:
    """The files of a study's export in a form."""
    with database.reader() as db:
        return forms.FORMS[form](db, lifecycle.by_slug(db, study.slug))


def test_label_studio_has_every_answer_in_the_controls_of_its_interface(
    study_maker: StudyMaker, database: Database
) -> None:
    """Each answer names a control of the interface and one of its values; no rater's name is in the files."""
    study = nine_clips(study_maker)
    files = made(database, study, "label-studio")
    clips = json.loads(files["clips.json"])
    view = Xml.fromstring(files["interface.xml"])
    controls = {one.get("name"): one for one in view if one.get("toName") == "video"}
    assert {name: one.tag for name, one in controls.items()} == {
        "quality": "Rating",
        "stability": "Rating",
        "verdict": "Choices",
    }
    words = {one.get("value") for one in controls["verdict"]}
    results = [result for clip in clips for one in clip["annotations"] for result in one["result"]]
    with database.reader() as db:
        stored = [row for row in exports.judgment_rows(db, study) if row["in_agreement"]]
    assert len(results) == len(stored) == 48
    assert {result["meta"]["rater"] for result in results} == {"R1", "R2"}
    assert all(set(one["value"]["choices"]) <= words for one in results if one["from_name"] == "verdict")
    assert all(one["value"] == {"rating": 4} for one in results if one["from_name"] == "quality")
    assert [clip["data"]["video"] for clip in clips[:1]] == ["/data/local-files/?d=secret-name-0.mp4"]
    assert b"Ada" not in b"".join(files.values())


@on_sqlite
def test_an_export_for_label_studio_can_be_imported_as_a_pool(
    study_maker: StudyMaker, database: Database, tmp_path: Path
) -> None:
    """`pool import` reads the exported clips with the same names, and without the answers."""
    study = nine_clips(study_maker)
    (tmp_path / "clips.json").write_bytes(made(database, study, "label-studio")["clips.json"])
    target = tmp_path / "pool.parquet"
    result = CliRunner().invoke(cli, ["pool", "import", str(tmp_path / "clips.json"), "-o", str(target)])
    assert result.exit_code == 0, result.output
    pool = pl.read_parquet(target)
    assert pool.height == 9
    assert sorted(pool["clip"]) == sorted(f"secret-name-{number}" for number in range(9))
    assert not [name for name in pool.columns if "annotation" in name]


@on_sqlite
def test_ratings_by_models_are_predictions(study_maker: StudyMaker, database: Database) -> None:
    """A model's rating is a prediction with the model's name, and does not add to people's answers."""
    study = nine_clips(study_maker)
    with database.writer() as db:
        rating = external_ratings.ExternalRating("secret-name-3", "verdict", "reject")
        external_ratings.take(db, lifecycle.by_slug(db, study.slug), "vlm", [rating], now=NOON)
    clips = json.loads(made(database, study, "label-studio")["clips.json"])
    told = {clip["data"]["clip"]: clip["predictions"] for clip in clips}
    assert told["secret-name-3"][0]["model_version"] == "vlm"
    assert told["secret-name-3"][0]["result"][0]["value"] == {"choices": ["Reject"]}
    assert sum(map(len, told.values())) == 1
    assert sum(len(one["result"]) for clip in clips for one in clip["annotations"]) == 48


@pytest.mark.parametrize(
    ("scale", "options", "value", "kind", "stored"),
    [
        ("likert", ["No", "Maybe", "Yes"], "2", "choices", {"choices": ["Maybe"]}),
        ("slider", ["low", "high"], "57", "number", {"number": 57}),
        ("tags", ["blur", "logo"], '["logo"]', "choices", {"choices": ["logo"]}),
        ("text", [], "a <b> & c", "textarea", {"text": ["a <b> & c"]}),
        ("acceptable", [], "reject", "choices", {"choices": ["Unacceptable"]}),
    ],
)
def test_every_scale_has_a_control(
    scale: str, options: list[str], value: str, kind: str, stored: dict[str, object]
) -> None:
    """Likert answers are words, slider answers numbers, tags several choices, and texts stay unchanged."""
    item = Criterion(study_id=1, position=0, key="k", label="K <1>", question="?", scale=scale, options=options)
    control = Xml.fromstring(label_studio.interface((item,))).find("*[@name='k']")
    assert control is not None
    if scale in ("likert", "tags"):
        assert [one.get("value") for one in control] == options
    assert label_studio._value(item, value) == {"type": kind, "value": stored}


def test_the_hugging_face_folder_reads_back_as_its_card_says(
    study_maker: StudyMaker, database: Database, tmp_path: Path
) -> None:
    """The card names existing files and all their columns; the answers are those stored."""
    study = nine_clips(study_maker)
    forms.write(tmp_path / "set", made(database, study, "huggingface"))
    _, front, card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["size_categories"] == ["n<1K"]
    tables = {}
    for config in head["configs"]:
        [one] = config["data_files"]
        [file] = sorted((tmp_path / "set").glob(one["path"]))
        tables[config["config_name"]] = pl.read_parquet(file)
    votes = tables["judgments"]
    assert all(f"`{name}`" in card for name in votes.columns)
    with database.reader() as db:
        stored = [row for row in exports.judgment_rows(db, study) if row["in_agreement"]]
    assert sorted(zip(votes["clip"], votes["criterion"], votes["value"], strict=True)) == sorted(
        (row["clip"], row["criterion"], row["value"]) for row in stored
    )
    assert set(votes["rater"]) == {"R1", "R2"}
    assert tables["clips"].height == 9
    assert tables["clips"]["score_avg_movement"].null_count() == 1
    assert json.loads((tmp_path / "set" / "estimates.json").read_text())["study"] == study.slug
    assert "48 answers by 2 raters on 9 drawn clips" in card


@on_sqlite
def test_a_study_without_answers_exports_empty_tables(study_maker: StudyMaker, database: Database) -> None:
    """Both forms have the clips and no answers."""
    study = study_maker(clips=2, with_media=False)
    files = made(database, study, "huggingface")
    assert pl.read_parquet(BytesIO(files["judgments/train-00000-of-00001.parquet"])).height == 0
    assert [one["annotations"] for one in json.loads(made(database, study, "label-studio")["clips.json"])] == [[], []]


@on_sqlite
def test_the_command_writes_a_new_folder_only(study_maker: StudyMaker, settings: Settings, tmp_path: Path) -> None:
    """`clipjury export --format` refuses a folder with files and an unknown form, and writes nothing then."""
    study = nine_clips(study_maker)
    env = {"CLIPJURY_HOME": str(settings.home), "CLIPJURY_DATABASE_URL": settings.database_url}
    place = tmp_path / "out"

    def run(*words: str) -> Exception | None:
        result = CliRunner().invoke(cli, ["export", study.slug, *words], env=env)
        return result.exception if isinstance(result.exception, Exception) else None

    assert run("--format", "label-studio", "-o", str(place)) is None
    assert sorted(one.name for one in place.iterdir()) == ["README.md", "clips.json", "interface.xml"]
    for words, problem in (
        (("--format", "huggingface", "-o", str(place)), "is there already"),
        (("--format", "csv", "-o", str(tmp_path / "new")), "no form 'csv'"),
        (("--format", "huggingface"), "belong together"),
        ((), "Nothing to write"),
    ):
        refused = run(*words)
        assert isinstance(refused, AppError)
        assert problem in refused.message
    assert not (tmp_path / "new").exists()


def test_the_same_files_give_the_same_zip() -> None:
    """Two zips of the same files have the same bytes, with all files in one folder; an unknown form is an error."""
    files = {"a/b.txt": b"one", "c.parquet": b"two"}
    packed = zipped.zipped(files, "set")
    assert packed == zipped.zipped(files, "set")
    with zipfile.ZipFile(BytesIO(packed)) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {f"set/{k}": v for k, v in files.items()}
    with pytest.raises(AppError, match="no form"):
        forms.form_named("xlsx")


INVENTED: tuple[object, ...] = ("x", {"a": 1}, [1, 2], 10**300, -5, True, "x" * 5_000, [[]], 0.5)


def test_facts_that_a_rater_invents_break_no_export_and_no_report(study_maker: StudyMaker, database: Database) -> None:
    """Values of any type under any name, sent now or stored by an earlier version, are left out of what is made."""
    study = nine_clips(study_maker)
    with database.writer() as db:
        rows = db.scalars(select(Judgment).order_by(col(Judgment.id))).all()
        for number, row in enumerate(rows):
            row.facts = dict.fromkeys(playback_facts.KNOWN, INVENTED[number // 3 % len(INVENTED)])
            db.add(row)
    with database.reader() as db:
        study = lifecycle.by_slug(db, study.slug)
        table = pl.DataFrame(list(exports.judgment_rows(db, study)), infer_schema_length=None)
        results = study_results.compute(db, study, study_results.kind_of(study))
        gathered = facts.gather(db, study, results)
        votes = votes_file.table(db, gathered)
        made_files = [forms.FORMS[form](db, study) for form in forms.FORMS]
    assert set(table["shown_at"]) == {None, "x"}
    assert table["answer_ms"].dtype.is_numeric()
    assert {one.replays for one in gathered.raters} == {0}
    assert votes.height == table.height
    assert all(made_files)
    sent = [playback_facts.facts_of(json.dumps(dict.fromkeys(playback_facts.NUMBERS, one))) for one in INVENTED[:-1]]
    assert sent == [{}] * len(sent)
