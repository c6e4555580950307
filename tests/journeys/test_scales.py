"""The registry of scales: a new entry is enough for a new scale, and no other file names one."""

import ast
import csv
import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as Xml

import polars as pl
import pytest
from sqlalchemy import select
from sqlmodel import Session, col
from starlette.testclient import TestClient

from analysis.agreement.statistics import krippendorff_alpha
from analysis.ratings import Ratings, Scale
from app.db import Database
from app.errors import AppError
from app.exchange import hugging_face, label_studio
from app.models import Assignment, Criterion, Judgment, Study
from app.raters import raters
from app.rating import external_ratings
from app.rating.external_ratings import ExternalRating
from app.report import pack_files
from app.settings import Settings
from app.studies import lifecycle, scales, study_file
from app.studies.scales import Choice, RatingScale
from tests.helpers.factories import NOON, StudyMaker, form
from tests.helpers.places import ROOT

Visitor = Callable[[], TestClient]
YES_NO = RatingScale(
    key="yes_no",
    title="Yes or no",
    description="yes or no",
    choices=(Choice("yes", "Yes", "Y"), Choice("no", "No", "X")),
    keys="own",
    metric="nominal",
    levels=("no", "yes"),
)
SAID = {"Ada": ["yes", "yes", "no", "no"], "Ben": ["yes", "no", "no", "no"]}
ACTION = re.compile(r'action="(/rate/\d+)"')


@pytest.fixture
def yes_no() -> Iterator[RatingScale]:
    """A scale that the product does not have, as long as the test runs."""
    scales.SCALES[YES_NO.key] = YES_NO
    yield YES_NO
    del scales.SCALES[YES_NO.key]


@pytest.fixture
def study(study_maker: StudyMaker, database: Database, yes_no: RatingScale) -> Study:
    """A study that also asks whether the clip has subtitles."""
    made = study_maker(clips=4, raters_per_clip=2)
    with database.writer() as db:
        db.add(
            Criterion(
                study_id=made.id,
                position=3,
                key="subtitles",
                label="Subtitles",
                question="Are there subtitles?",
                scale=yes_no.key,
            )
        )
    return made


def rate_everything(browser: TestClient, link: str, name: str, said: list[str]) -> list[str]:
    """Come in by the link and answer every clip through the page's form; the pages seen."""
    browser.post(link, data={"name": name})
    pages = [browser.post("/rate/start").text]
    for number, value in enumerate(said):
        action = ACTION.search(pages[-1])
        assert action, pages[-1]
        answer = form(f"{name}-{number}") | {"answer-subtitles": value}
        pages.append(browser.post(action.group(1), data=answer).text)
    return pages


@pytest.fixture
def answered(study: Study, visitor: Visitor, settings: Settings, database: Database) -> Study:
    """The same study after two raters have answered every clip in their browsers."""
    for name, said in SAID.items():
        rate_everything(visitor(), raters.open_link(settings, study), name, said)
    with database.reader() as db:
        assert len(subtitles(db)) == 8
    return study


def subtitles(db: Session) -> list[Judgment]:
    """Every answer to the new question."""
    asked = db.scalars(select(Criterion).where(col(Criterion.key) == "subtitles")).one()
    return list(db.scalars(select(Judgment).where(col(Judgment.criterion_id) == asked.id)))


def alpha(db: Session) -> float:
    """Krippendorff's alpha over the stored answers, computed without the application."""
    given = subtitles(db)
    clips = [str(clip_of(db, one)) for one in given]
    scale = Scale("by hand", ("no", "yes"), "nominal")
    found = krippendorff_alpha(
        Ratings.from_votes(clips, [str(one.rater_id) for one in given], [one.value for one in given], scale),
        resamples=2,
    )
    assert found.value is not None
    return found.value


def clip_of(db: Session, judgment: Judgment) -> int:
    """The clip that an answer is about."""
    return db.get_one(Assignment, judgment.assignment_id).study_clip_id


def test_a_study_file_may_ask_on_a_new_scale(yes_no: RatingScale) -> None:
    """The study file takes it, refuses options for it, and names the scales there are for an unknown one."""
    text = study_file.preset("acr")
    asked = '\n[[criteria]]\nkey = "s"\nlabel = "S"\nquestion = "S?"\nscale = "yes_no"\n'
    assert study_file.parse(text + asked, "study.toml").criteria[-1].scale == yes_no.key
    with pytest.raises(AppError, match="the scale yes_no takes no options, and 1 are given"):
        study_file.parse(f'{text}{asked}options = ["perhaps"]\n', "study.toml")
    with pytest.raises(AppError, match=r"scale: it must be one of acceptable, .*, yes_no \(it is 'yes_noo'\)"):
        study_file.parse((text + asked).replace('"yes_no"', '"yes_noo"'), "study.toml")


def test_raters_answer_on_a_new_scale(study: Study, visitor: Visitor, settings: Settings, database: Database) -> None:
    """The page shows both words with their keys, a wrong value is refused, and the list of answers has the word."""
    browser = visitor()
    pages = rate_everything(browser, raters.open_link(settings, study), "Ada", ["yes", "perhaps"])
    for value, word, key in (("yes", "Yes", "Y"), ("no", "No", "X")):
        shown = re.search(rf'<input type="radio" name="answer-subtitles" value="{value}".*?</label>', pages[0], re.S)
        assert shown, pages[0]
        assert f'data-code="Key{key}"' in shown.group(0)
        assert f'<span class="word">{word}</span>' in shown.group(0)
    assert "Subtitles has no value &#39;perhaps&#39;" in pages[2]
    with database.reader() as db:
        assert [one.value for one in subtitles(db)] == ["yes"]
    assert re.search(r"Subtitles</span>\s*Yes", browser.get("/rate/answers").text)


def test_results_of_a_new_scale(answered: Study, researcher: TestClient, database: Database) -> None:
    """Results, agreement, disputed clips and each rater's page count its answers; the JSON has their agreement."""
    base = f"/studies/{answered.slug}"
    found = researcher.get(f"{base}/estimates.json").json()
    [one] = [one for one in found["agreement"] if one["criterion"] == "subtitles"]
    assert one["answers"] == {"yes": 3, "no": 5}
    with database.reader() as db:
        assert one["estimates"]["krippendorff_alpha"]["value"] == pytest.approx(alpha(db), abs=1e-12)
    results = researcher.get(f"{base}/results")
    assert results.status_code == 200
    assert "Subtitles" in results.text
    agreement = researcher.get(f"{base}/agreement?criterion=subtitles")
    assert agreement.status_code == 200
    assert "Subtitles" in agreement.text
    wall = researcher.get(f"{base}/agreement/clips?criterion=subtitles").text
    assert "<td>Yes</td>" in wall
    assert "<td>No</td>" in wall
    for pseudonym in ("R1", "R2"):
        page = researcher.get(f"{base}/agreement/raters/{pseudonym}")
        assert page.status_code == 200
        assert "Subtitles" in page.text


def test_exports_of_a_new_scale(answered: Study, researcher: TestClient, database: Database) -> None:
    """CSV, Label Studio and Hugging Face have every answer, as value or as word; the interface has both words."""
    text = researcher.get(f"/studies/{answered.slug}/judgments.csv").text
    rows = [row for row in csv.DictReader(StringIO(text)) if row["criterion"] == "subtitles"]
    assert sorted(row["value"] for row in rows) == ["no"] * 5 + ["yes"] * 3
    assert {row["in_agreement"] for row in rows} == {"1"}
    with database.reader() as db:
        found = lifecycle.by_slug(db, answered.slug)
        studio, hub = label_studio.files(db, found), hugging_face.files(db, found)
    [control] = [one for one in Xml.fromstring(studio["interface.xml"]) if one.get("name") == "subtitles"]
    assert (control.tag, control.get("choice")) == ("Choices", "single")
    assert [one.get("value") for one in control] == ["Yes", "No"]
    given = [
        result["value"]["choices"]
        for clip in json.loads(studio["clips.json"])
        for annotation in clip["annotations"]
        for result in annotation["result"]
        if result["from_name"] == "subtitles"
    ]
    assert sorted(given) == [["No"]] * 5 + [["Yes"]] * 3
    table = pl.read_parquet(hub[hugging_face.JUDGMENTS]).filter(pl.col("criterion") == "subtitles")
    assert sorted(table["value"].to_list()) == ["no"] * 5 + ["yes"] * 3


def test_the_report_of_a_new_scale(answered: Study, database: Database, tmp_path: Path) -> None:
    """The methods paragraph describes it, and the table of agreement has its row."""
    with database.reader() as db:
        pack_files.write(db, lifecycle.by_slug(db, answered.slug), tmp_path / "report")
    assert "Subtitles: “Are there subtitles?” (yes or no)" in (tmp_path / "report" / "methods.md").read_text()
    assert "Subtitles" in (tmp_path / "report" / "tables" / "agreement.csv").read_text()
    assert "Subtitles" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("scale", "options", "wrong", "rule"),
    [
        ("likert", ["No", "Maybe", "Yes"], "4", "1, 2, 3"),
        ("slider", [], "101", "0 to 100"),
        ("tags", ["blur", "shake"], '["dark"]', "a JSON list of blur, shake"),
        ("text", [], "x" * 2001, "text of up to 2,000 characters"),
    ],
)
def test_a_model_s_rating_off_its_scale_is_refused(
    scale: str, options: list[str], wrong: str, rule: str, study_maker: StudyMaker, database: Database
) -> None:
    """On every scale the refusal says which values there are; nothing is stored that no export could read."""
    study = study_maker(clips=1, with_media=False)
    with database.writer() as db:
        asked = Criterion(study_id=study.id, position=3, key="new", label="New", question="New?", scale=scale)
        asked.options = options
        db.add(asked)
    with pytest.raises(AppError) as refused, database.writer() as db:
        external_ratings.take(db, study, "model", [ExternalRating("secret-name-0", "new", wrong)], now=NOON)
    assert f"Values are: {rule}." in f"{refused.value} {refused.value.remedy}"
    with database.reader() as db:
        assert db.scalars(select(Judgment)).all() == []


def test_a_model_s_tags_are_stored_in_the_study_file_s_order(study_maker: StudyMaker, database: Database) -> None:
    """As a person's are, so that the same tags are the same answer."""
    study = study_maker(clips=1, with_media=False)
    with database.writer() as db:
        asked = Criterion(study_id=study.id, position=3, key="new", label="New", question="New?", scale="tags")
        asked.options = ["blur", "shake"]
        db.add(asked)
    for given in ('["shake", "blur"]', '["blur", "shake"]'):
        with database.writer() as db:
            external_ratings.take(db, study, "model", [ExternalRating("secret-name-0", "new", given)], now=NOON)
    with database.reader() as db:
        assert [one.value for one in db.scalars(select(Judgment))] == ['["blur", "shake"]']


ALONE = {"acr5", "likert", "slider", "acceptable"}
"""Names that mean a scale wherever they stand; the others are also words of other things (a text, a verdict)."""


def names_of_scales(path: Path) -> Iterator[str]:
    """Where a module asks for a scale by name: each place as text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        place = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Constant) and node.value in ALONE:
            yield f"{place} names {node.value}"
        if isinstance(node, ast.Compare) and any(is_scale(one) for one in [node.left, *node.comparators]):
            yield f"{place} compares with a scale"
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Attribute) and is_scale(node.slice):
            yield f"{place} looks a scale up"
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
            parts = node.keys if isinstance(node, ast.Dict) else node.elts
            if len({one.value for one in parts if isinstance(one, ast.Constant)} & scales.SCALES.keys()) > 1:
                yield f"{place} lists scales"


def is_scale(node: ast.AST) -> bool:
    """Whether an expression is a scale's name or somebody's `.scale`."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value in scales.SCALES
    return isinstance(node, ast.Attribute) and node.attr == "scale"


def test_no_other_module_or_template_names_a_scale() -> None:
    """Everything that differs between scales stands in the registry."""
    modules = [path for path in (ROOT / "app").rglob("*.py") if "migrations" not in path.parts]
    assert len(modules) > 100
    found = [place for path in modules if path.name != "scales.py" for place in names_of_scales(path)]
    templates = list((ROOT / "templates").rglob("*.html"))
    assert len(templates) > 30
    quoted = re.compile(rf"""["']({"|".join(scales.SCALES)})["']""")
    for path in templates:
        for code in re.findall(r"{[{%].*?[%}]}", path.read_text(encoding="utf-8"), re.DOTALL):
            found += [f"{path.name}: {name}" for name in quoted.findall(code)]
    assert found == []
    [registry] = [path for path in modules if path.name == "scales.py"]
    assert len(list(names_of_scales(registry))) >= len(ALONE), "the search itself must find names where they are"
