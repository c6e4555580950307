"""The paper pack: its files, the same tables from the same data, visible gaps, and LaTeX that compiles."""

import re
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select
from sqlmodel import col
from typer.testing import CliRunner

from analysis.number_format import estimate_text
from app.cli import cli
from app.db import Database
from app.errors import AppError
from app.models import Assignment, Criterion, Filter, Judgment, Study, StudyClip
from app.pool_evidence import study_pool, subgroups
from app.report import author, checklist, facts, formats, methods, pack_files, tables
from app.results import consensus, study_results
from app.settings import Settings
from app.studies import lifecycle
from tests.helpers import pool_studies
from tests.helpers.factories import NOON, StudyMaker
from tests.helpers.places import SHARED
from tests.helpers.rated_studies import nine_clips
from tests.helpers.visitors import on_sqlite

TABLE = SHARED / "ratings" / "talkvid_table7"


def written(database: Database, study: Study, folder: Path, answers: Path | None = None) -> list[str]:
    """Write the pack of a study; returns the names of its files."""
    with database.reader() as db:
        return pack_files.write(db, lifecycle.by_slug(db, study.slug), folder, answers=answers)


def known(database: Database, study: Study) -> facts.ReportFacts:
    """The facts that a report would be made from."""
    with database.reader() as db:
        found = lifecycle.by_slug(db, study.slug)
        return facts.gather(db, found, study_results.compute(db, found, "person"))


@on_sqlite
def test_a_pack_has_everything_and_the_same_data_give_the_same_tables(
    study_maker: StudyMaker, database: Database, tmp_path: Path
) -> None:
    """All files are there, and a second pack has the same bytes; another score changes the hash in SNAPSHOT."""
    study = nine_clips(study_maker)
    names = written(database, study, tmp_path / "one")
    for name in ("report.html", "report.pdf", "methods.tex", "methods.md", "checklist.md", "votes.parquet", "SNAPSHOT"):
        assert name in names
    assert {"tables/thresholds.csv", "tables/thresholds.tex", "tables/companion.csv", "figures/agreement.svg"} <= set(
        names
    )
    assert (tmp_path / "one" / "report.pdf").read_bytes().startswith(b"%PDF")
    again = written(database, study, tmp_path / "two")
    assert names == again
    for name in names:
        if not name.endswith(".pdf"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    with database.writer() as db:
        clip = db.scalars(select(StudyClip)).first()
        assert clip is not None
        clip.scores = {"avg_movement": 12.5}
        db.add(clip)
    written(database, study, tmp_path / "two")
    one, two = ((tmp_path / folder / "SNAPSHOT").read_text() for folder in ("one", "two"))
    assert one.splitlines()[0] != two.splitlines()[0]


@on_sqlite
def test_the_page_needs_no_network_and_has_no_script(
    study_maker: StudyMaker, database: Database, tmp_path: Path
) -> None:
    """The page has no external address and no script, and contains every figure."""
    written(database, nine_clips(study_maker), tmp_path / "r")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert page.count("data:image/svg+xml") == 3  # agreement, histogram, ROC


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_votes_have_pseudonyms_and_every_answer(study_maker: StudyMaker, database: Database, tmp_path: Path) -> None:
    """votes.parquet has every answer with its weight, and no file of the pack has a rater's name."""
    names = written(database, nine_clips(study_maker), tmp_path / "r")
    votes = pl.read_parquet(tmp_path / "r" / "votes.parquet")
    assert votes["rater"].unique().sort().to_list() == ["R1", "R2"]
    assert votes.height == 8 * 2 * 3
    assert votes.filter(pl.col("criterion") == "verdict")["weight"].is_not_null().all()
    for name in names:
        if name.endswith((".csv", ".tex", ".md", ".html", ".toml", ".json")):
            text = (tmp_path / "r" / name).read_text()
            assert not re.search(r"\b(Ada|Ben)\b", text), name


@on_sqlite
def test_the_flow_counts_each_step(study_maker: StudyMaker, database: Database) -> None:
    """Of the nine clips, nine are shown, eight rated, seven have a vote, and five a consensus."""
    flow = known(database, nine_clips(study_maker)).flow
    assert (flow.pool, flow.sampled, flow.shown, flow.rated, flow.usable, flow.with_consensus) == (18, 9, 9, 8, 7, 5)


@on_sqlite
def test_texts_report_the_counts_and_show_gaps(study_maker: StudyMaker, database: Database, tmp_path: Path) -> None:
    """The paragraph has the counts; the author's answer fills a gap; an unknown key is an error that names it."""
    found = known(database, nine_clips(study_maker))
    words = methods.paragraph(found)
    assert "From a pool of 18 scored clips" in words
    assert "2 raters gave 16 answers, at most 2 per clip, blind to the automated scores." in words
    gaps = [item.topic for item in checklist.items(found, {}) if item.state == "GAP"]
    assert set(author.QUESTIONS.values()) <= set(gaps)
    filled = tmp_path / "answers.toml"
    filled.write_text(author.template().replace('pay = ""', 'pay = "15 EUR an hour"'))
    answers = author.read(filled)
    item = next(one for one in checklist.items(found, answers) if "paid" in one.topic and one.part == "Author")
    assert (item.state, item.answer) == ("by the author", "15 EUR an hour")
    filled.write_text('wage = "none"')
    with pytest.raises(AppError, match=r"there is no key 'wage'\. Keys: intended_use, "):
        author.read(filled)


@on_sqlite
def test_the_methods_name_each_questions_scale_and_what_was_resampled(
    study_maker: StudyMaker, database: Database
) -> None:
    """Nominal, ordinal or interval by question; source videos where the intervals resample them, else clips."""
    study = nine_clips(study_maker)
    words = methods.paragraph(known(database, study))
    assert "(ordinal for Quality and Stability, nominal for Verdict)" in words
    assert "Intervals of agreement resample clips." in words
    with database.writer() as db:
        asked = db.scalars(select(Criterion).where(col(Criterion.key) == "stability")).one()
        asked.scale, asked.options = "slider", ["Shaky", "Steady"]
        db.add(asked)
        for clip in db.scalars(select(StudyClip)):
            clip.source = f"video-{clip.position // 2}"
            db.add(clip)
    words = methods.paragraph(known(database, study))
    assert "(ordinal for Quality, nominal for Verdict, interval for Stability)" in words
    assert "That is too few to resample videos" in words
    assert "Intervals of agreement resample clips." not in words


def check_latex(latex: str) -> None:
    """Fail on errors that LaTeX would report: unbalanced groups, rows of unequal length, bare special characters."""
    body = re.sub(r"^%.*$", "", latex, flags=re.MULTILINE)
    bare = re.sub(r"\\[a-zA-Z]+|\\.", "", body)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not re.search(r"[#%^~]", bare.replace("~", "")) or "_" not in re.sub(r"\$[^$]*\$", "", bare)
    assert body.isascii() or all(ord(letter) < 0x250 for letter in body)
    rows = re.search(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", body, flags=re.DOTALL)
    if rows:
        lines = [line for line in rows[2].split("\\\\") if "&" in line]
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(rows[1])}


@on_sqlite
def test_latex_compiles_with_any_characters_in_names(
    study_maker: StudyMaker, database: Database, tmp_path: Path
) -> None:
    """Special characters of LaTeX and Typst in a filter's title are escaped in every .tex file and in the PDF."""
    study = nine_clips(study_maker)
    with database.writer() as db:
        rule = db.scalars(select(Filter)).one()
        rule.title = r"50%_A&B #1 {x} ~^\ $5 #let x = 3 *bold* <a>"
        db.add(rule)
    names = written(database, study, tmp_path / "r")
    for name in names:
        if name.endswith(".tex"):
            check_latex((tmp_path / "r" / name).read_text())
    assert (tmp_path / "r" / "report.pdf").stat().st_size > 10_000


def test_the_reason_of_undefined_cells_is_in_the_note_once() -> None:
    """Cells with the same reason get the same letter, and the note explains it once."""
    table = tables.ReportTable(
        "t", "T", ("a", "b"), (("x", "undefined: no rejects"), ("y", "undefined: no rejects")), "N."
    )
    made = tables._with_reasons_below(table)
    assert made.rows == (("x", "undefined (a)"), ("y", "undefined (a)"))
    assert made.note == "N. Undefined: (a) no rejects."


def test_a_cell_never_becomes_a_formula() -> None:
    """The name =1+1 gets an apostrophe in CSV, so that a spreadsheet shows it as text."""
    table = tables.ReportTable("t", "T", ("rater",), (("=1+1",),), "")
    assert formats.as_csv(table) == "rater\n'=1+1\n"


@on_sqlite
def test_a_folder_with_other_files_is_refused(study_maker: StudyMaker, database: Database, tmp_path: Path) -> None:
    """Writing a report into it is an error, and its files stay unchanged."""
    study = nine_clips(study_maker)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(AppError, match="holds other things than a report"):
        written(database, study, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


@on_sqlite
def test_a_study_without_answers_has_a_report(study_maker: StudyMaker, database: Database, tmp_path: Path) -> None:
    """The report says that no figure can be drawn, and its tables have no NaN."""
    study = study_maker(clips=3, with_media=False)
    written(database, study, tmp_path / "r")
    assert "No figure can be drawn yet" in (tmp_path / "r" / "report.html").read_text()
    assert "nan" not in (tmp_path / "r" / "tables" / "thresholds.csv").read_text().lower()


def test_the_command_prints_the_questions() -> None:
    """`clipjury report --questions` prints a file with one key per question."""
    found = CliRunner().invoke(cli, ["report", "--questions"])
    assert found.exit_code == 0
    assert set(re.findall(r"^(\w+) = ", found.output, flags=re.MULTILINE)) == set(author.QUESTIONS)


@pytest.fixture
def talkvid_study(study_maker: StudyMaker, database: Database) -> Study:
    """TalkVid's validation as a study: seven filters, two raters, and the votes of its published table."""
    if not TABLE.is_dir():
        pytest.skip(f"no published ratings in {TABLE}")
    rows = pl.read_csv(TABLE / "items_long.csv")
    study = study_maker(
        clips=rows.height, raters_per_clip=2, scores=rows["filter_pass"].cast(float).to_list(), with_media=False
    )
    names = rows["filter"].unique(maintain_order=True).to_list()
    with database.writer() as db:
        for old in (*db.scalars(select(Filter)), *db.scalars(select(Criterion))):
            db.delete(old)
        db.flush()
        for position, name in enumerate(names):
            asked = {"position": position, "key": name, "label": name, "question": f"{name}?", "scale": "acceptable"}
            db.add(Criterion(study_id=study.id, **asked))
            rule = {"position": position, "name": name, "title": name, "score": "avg_movement", "minimum": 0.5}
            db.add(Filter(study_id=study.id, criterion=name, **rule))
        for clip in db.scalars(select(StudyClip)):
            clip.criterion = clip.stratum = rows["filter"][clip.position]
            clip.drawn_for = [clip.criterion]
            db.add(clip)
        found = db.scalars(select(Study)).one()
        found.design = {"kind": "borderline", "strata": [], "notes": []}
        db.add(found)
    for rater in ("rater1", "rater2"):
        words = ["accept" if given else "reject" for given in rows[rater].to_list()]
        plan = {place: {rows["filter"][place]: word} for place, word in enumerate(words)}
        _answer_all(study_maker, study, rater, plan)
    return study


def _answer_all(maker: StudyMaker, study: Study, name: str, plan: dict[int, dict[str, str]]) -> None:
    """Write a rater's answers as rows, because seven hundred requests would take a minute."""
    rater = maker.rater(study, name)
    with maker.database.writer() as db:
        criteria = {item.key: item.id for item in db.scalars(select(Criterion))}
        free: dict[int, Assignment] = {}
        for place in db.scalars(select(Assignment).where(col(Assignment.status) == "open")):
            free.setdefault(place.study_clip_id, place)
        for clip in db.scalars(select(StudyClip)).all():
            taken = free[clip.id]
            taken.status, taken.rater_id, taken.arm, taken.answered_at = "done", rater.id, "hidden", NOON
            db.add(taken)
            ((key, value),) = plan[clip.position].items()
            db.add(
                Judgment(
                    study_id=study.id,
                    assignment_id=taken.id,
                    criterion_id=criteria[key],
                    rater_id=rater.id,
                    value=value,
                    revision=1,
                    submission=f"{name}-{clip.id}",
                    arm="hidden",
                    guidelines_hash="",
                    created_at=NOON,
                )
            )


@on_sqlite
def test_talkvids_report_reproduces_its_table(talkvid_study: Study, database: Database) -> None:
    """The table has every published cell; the companion table has intervals and the split clips."""
    made = {table.name: table for table in tables.all_tables(known(database, talkvid_study))}
    published = made["as_published"]
    by_name = {row[0]: dict(zip(published.headings, row, strict=True)) for row in published.rows}
    assert len(by_name) == 7
    for row in pl.read_csv(TABLE / "counts.csv").iter_rows(named=True):
        found = by_name[row["filter"]]
        for column in ("agreement", "accuracy", "precision", "recall", "f1"):
            cell = found[{"f1": "F1 %"}.get(column, f"{column} %")]
            assert float(cell) == pytest.approx(row[f"pub_{column}_pct"], abs=0.0051)
        assert found["tp/fp/fn/tn"] == f"{row['tp']}/{row['fp']}/{row['fn']}/{row['tn']}"
    companion = formats.as_csv(made["companion"])
    assert "13 of 99" in companion
    assert "0.76 [0.66, 0.83]" in companion
    assert "next to the thresholds" in made["companion"].note


@on_sqlite
def test_subgroups_have_the_numbers_of_their_page(database: Database, settings: Settings, tmp_path: Path) -> None:
    """The table has a row per filter, attribute, error and group; if the pool file is missing, the report says so."""
    study = pool_studies.make(database, settings, tmp_path)
    with database.reader() as db:
        clips = list(db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id)).all())
    pool_studies.judge(StudyMaker(database, settings), study, clips)
    found = known(database, study)
    assert found.subgroups.attributes == ("language", "gender")
    made = {table.name: table for table in tables.all_tables(found)}["subgroups"]
    with database.reader() as db:
        still = found.results.filter_named("still")
        names = consensus.names_of(db, study)
        group_of = subgroups.groups_of(study_pool.rows(study), list(names.values()), ["language"])
        shown = subgroups.errors(still, consensus.of_filter(db, study, still, "raters"), group_of, names, "language")
    lines = [line for line in made.rows if line[:2] == ("Still", "language")]
    assert [line[4] for line in lines] == [
        f"{one.errors} of {one.clips}" for rows in shown.rows.values() for one in rows
    ]
    assert [line[5] for line in lines] == [
        estimate_text(one.rate) if one.rate.value is not None else f"undefined: {one.rate.undefined}"
        for rows in shown.rows.values()
        for one in rows
    ]
    assert "by language, gender" in methods.paragraph(found)
    Path(study.pool).unlink()
    gone = known(database, study)
    assert "is not there any more" in gone.subgroups.why_empty
    assert "subgroups" not in {table.name for table in tables.all_tables(gone)}


def test_a_long_table_is_shortened_in_latex_and_complete_in_csv() -> None:
    """LaTeX has the first 40 rows and says where the others are; CSV has all."""
    table = tables.ReportTable("long", "Long", ("a", "b"), tuple((str(k), "x") for k in range(100)), "Note.")
    assert formats.as_csv(table).count("\n") == 101
    assert formats.as_latex(table).count("& x") == tables.PRINTED
    assert "The first 40 of 100 lines" in formats.as_latex(table)
