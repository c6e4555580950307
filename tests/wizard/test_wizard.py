"""The study wizard: from a pool to a study, with a preview that equals the draw."""

from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app.db import Database
from app.errors import NotFound
from app.models import Study, StudyClip
from app.pools.pool_files import read_pool
from app.settings import Settings
from app.studies import creation, lifecycle, study_file
from app.studies.drawing import sample_from_pool
from app.wizard import drafts, forms, previews
from app.wizard.claims import claims
from tests.helpers.factories import tiny_video
from tests.helpers.visitors import Visitor, on_sqlite
from tests.helpers.waiting import wait_until

CLIPS = 40
BASE = """
name = "Which clips stay?"
guidelines = "Watch, then answer."
raters_per_clip = 2
score_visibility = "hidden"
seed = 5

[[criteria]]
key = "verdict"
label = "Verdict"
question = "Keep it?"
scale = "verdict"

[[filters]]
name = "sharpness"
title = "Sharpness"
score = "sharpness"
min = 50

[sampling]
design = "stratified"
by = "sharpness"
bands = 4
clips = 12
"""


@pytest.fixture
def pool(settings: Settings) -> Path:
    """Forty clips with a score, a language and a real video each (all the same file)."""
    folder = settings.home / "pools"
    folder.mkdir(parents=True)
    (folder / "one.mp4").write_bytes(tiny_video())
    frame = pl.DataFrame(
        {
            "clip": [f"c{number:02}" for number in range(CLIPS)],
            "media": ["one.mp4"] * CLIPS,
            "source": [f"video-{number // 2}" for number in range(CLIPS)],
            "duration": [1.0] * CLIPS,
            "language": ["en", "zh", "de", "zh"] * (CLIPS // 4),
            "sharpness": [float(number * 2.5) for number in range(CLIPS)],
        }
    )
    frame.write_parquet(folder / "talks.parquet")
    return folder / "talks.parquet"


def begun(settings: Settings, pool: Path, text: str = BASE) -> drafts.Draft:
    """A draft of this study file."""
    return drafts.begin(settings, pool.resolve(), text)


@pytest.mark.usefixtures("pool")
def test_a_study_is_created_in_the_browser_without_scripts(
    researcher: TestClient, database: Database, settings: Settings
) -> None:
    """Choose a pool, change threshold, design and question: the study equals the command line's for the same file."""
    with database.reader() as db:
        (choice,) = drafts.pools(settings, db)
    assert choice.clips == CLIPS
    assert "talks" in researcher.get("/studies/new").text
    page = researcher.post("/studies/new", data={"pool": choice.key, "base": "acr"})
    address = str(page.url.path).removesuffix("/filters")
    assert "the pool has no score avg_movement" in page.text
    researcher.post(f"{address}/review", data={"text": BASE})
    page = researcher.post(
        f"{address}/filters", data={"keep-0": "on", "title-0": "Sharp", "min-0": "60", "max-0": "", "go": "on"}
    )
    assert page.url.path.endswith("/design")
    page = researcher.post(
        f"{address}/design",
        data={"design": "column", "column": "language", "clips": "9", "allocation": "equal", "seed": "7"},
    )
    assert page.text.count('<th scope="row">') == 3
    page = researcher.post(
        f"{address}/questions",
        data={
            "name": "Sharp enough?",
            "guidelines": "Look well.",
            "raters_per_clip": "3",
            "score_visibility": "after",
            "keep-0": "on",
            "label-0": "Verdict",
            "question-0": "Keep it?",
            "scale-0": "verdict",
            "new-label": "Light",
            "new-question": "Is it well lit?",
            "new-scale": "acr5",
            "go": "on",
        },
    )
    assert "The study file is right" in page.text
    researcher.post(f"{address}/make")
    wait_until(lambda: "Open it" in (text := researcher.get(f"{address}/making").text) or "not made" in text)
    assert "Open it" in researcher.get(f"{address}/making").text
    with database.reader() as db:
        study = db.scalars(select(Study)).one()
        clips = db.scalars(select(StudyClip)).all()
    spec = study_file.parse(study.study_file, "made")
    assert (study.slug, study.raters_per_clip, study.score_visibility) == ("sharp-enough", 3, "after")
    assert [item.scale for item in spec.criteria] == ["verdict", "acr5"]
    assert spec.filters[0].min == 60
    assert len(clips) == 9
    assert researcher.get(f"{address}/filters").status_code == 404  # the draft is done with


@on_sqlite
def test_the_preview_equals_the_draw(pool: Path, settings: Settings, database: Database) -> None:
    """The strata, weights and clips that are shown are those of the study."""
    draft = begun(settings, pool)
    shown = previews.preview(draft)
    assert (shown.clips, [one.drawn for one in shown.strata]) == (12, [3, 3, 3, 3])
    assert sum(one.population or 0 for one in shown.strata) == CLIPS
    wall, total = previews.wall(draft, 1)
    slug = creation.create(database, settings, read_pool(pool), draft.spec(), draft.text)
    with database.reader() as db:
        study = lifecycle.by_slug(db, slug)
        drawn = {
            clip.clip: clip.weight for clip in db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id))
        }
    assert total == 12
    assert {one.clip: one.weight for one in wall} == pytest.approx(drawn)


@on_sqlite
def test_the_preview_says_what_the_study_cannot_estimate(pool: Path, settings: Settings) -> None:
    """No rejected clips: no recall; one rater: no agreement; a borderline draw: no estimates for the pool."""

    def said(text: str) -> dict[str, str]:
        draft = begun(settings, pool, text)
        spec = draft.spec()
        found = read_pool(pool)
        made = claims(found, spec, sample_from_pool(found, spec, list(spec.filters)), list(spec.filters))
        return {
            kind: " ".join(claim.text for claim in made if claim.kind == kind) for kind in ("can", "cannot", "careful")
        }

    both = said(BASE)
    assert "whole pool of 40 clips" in both["can"]
    assert "Recall" not in both["cannot"]
    assert "Sharpness" in both["careful"]
    accepts = BASE.replace("clips = 12", 'clips = 12\nonly = "passed"\nwaive_rejects = "only the kept clips matter"')
    assert "Recall of Sharpness: no clip that it rejects was drawn" in said(accepts)["cannot"]
    assert "Agreement between raters" in said(BASE.replace("raters_per_clip = 2", "raters_per_clip = 1"))["cannot"]
    borderline = (
        BASE.split("[sampling]")[0] + '[sampling]\ndesign = "borderline"\neach = 4\nwaive_rejects = "it is a test"\n'
    )
    assert "Precision or recall in the pool" in said(borderline)["cannot"]
    assert "anchoring" in said(BASE.replace('"hidden"', '"shown"'))["cannot"]


@pytest.mark.parametrize(
    ("form", "plan"),
    [
        ({"design": "simple", "clips": "20"}, {"design": "simple", "clips": 20}),
        ({"design": "bands", "by": "a", "bands": "3", "clips": "9"}, {"design": "stratified", "by": "a", "bands": 3}),
        ({"design": "pattern", "most": "4"}, {"strata": [{"pattern": True, "most": 4}]}),
        ({"design": "crossed", "by": "a", "column": "b"}, {"strata": [{"filter": "a", "bands": 4}, {"column": "b"}]}),
        ({"design": "borderline", "each": "5", "others": "passed"}, {"each": 5, "others": "passed"}),
        ({"design": "two_phase", "by": "a", "pilot": "9", "target": ".8"}, {"pilot": 9, "target": 0.8}),
        ({"design": "bands", "by": "a", "allocation": "neyman", "guess": "0.1; 0.9"}, {"guess": [0.1, 0.9]}),
        ({"design": "simple", "per_source": "2", "include": "x\n\ny"}, {"per_source": 2, "include": ["x", "y"]}),
        ({"design": "simple", "clips": "many"}, {"clips": "many"}),
    ],
)
def test_the_design_form_writes_the_sampling_table(form: dict[str, str], plan: dict[str, object]) -> None:
    """Each design of the page gives its table, and the input is kept as it was typed."""
    made = forms.design({"seed": 3}, form)
    assert made["seed"] == 3
    assert {key: made["sampling"].get(key) for key in plan} == plan
    assert forms.chosen_design(made) == form["design"]


@on_sqlite
def test_invalid_values_are_reported_and_kept(researcher: TestClient, pool: Path, settings: Settings) -> None:
    """An invalid number or a study file that is not TOML: the page says so, and the draft keeps the input."""
    draft = begun(settings, pool)
    page = researcher.post(f"/studies/new/{draft.key}/design", data={"design": "simple", "clips": "many"})
    assert "sampling.clips" in page.text
    assert 'value="many"' in page.text
    page = researcher.post(f"/studies/new/{draft.key}/review", data={"text": "name = [unclosed"})
    assert page.status_code == 422
    assert "is not TOML" in page.text
    assert "name = [unclosed" in page.text
    page = researcher.post(f"/studies/new/{draft.key}/make")
    assert page.status_code == 422
    assert "Not ready yet" in page.text


OPENED = ("filters", "design", "clips", "questions", "review")
ODD_TEXTS = (
    "filters = 5",
    "filters = [1, 2]",
    '[[filters]]\nname = "a"\nscore = "b"',
    "criteria = 7",
    "[sampling]\nstrata = 5",
    "sampling = []",
    "seed = []",
    "born = 2026-01-01",
)


@on_sqlite
def test_a_text_that_no_page_could_show_is_not_saved(researcher: TestClient, pool: Path, settings: Settings) -> None:
    """A number where a list belongs, or a date: the text is shown again with the error, and every step still opens."""
    address = f"/studies/new/{begun(settings, pool).key}"
    for text in ODD_TEXTS:
        page = researcher.post(f"{address}/review", data={"text": text})
        assert (page.status_code, text.splitlines()[0] in page.text) == (422, True), text
    assert {researcher.get(f"{address}/{step}").status_code for step in OPENED} == {200}


@on_sqlite
@pytest.mark.parametrize(("low", "high"), [("nan", ""), ("1e999", ""), ("-inf", "inf"), ("9" * 400, ""), ("9", "1")])
def test_impossible_thresholds_are_reported_and_kept(
    low: str, high: str, researcher: TestClient, pool: Path, settings: Settings
) -> None:
    """The page of the filters opens, says what is wrong and shows what was typed."""
    address = f"/studies/new/{begun(settings, pool).key}"
    page = researcher.post(f"{address}/filters", data={"keep-0": "on", "title-0": "Sharp", "min-0": low, "max-0": high})
    assert page.status_code == 200
    assert f'value="{low}"' in page.text
    assert all(researcher.get(f"{address}/{step}").status_code < 500 for step in OPENED), "nothing is drawn with it"


@on_sqlite
def test_htmx_gets_only_the_preview(researcher: TestClient, pool: Path, settings: Settings) -> None:
    """After a change of the design the response is the preview, not the page."""
    draft = begun(settings, pool)
    page = researcher.post(
        f"/studies/new/{draft.key}/design", data={"design": "simple", "clips": "8"}, headers={"HX-Request": "true"}
    )
    assert page.text.strip().startswith("<section")
    assert "±0.28" in page.text  # half of the Wilson interval of 4 of 8


@on_sqlite
def test_posters_are_addressed_by_row_only(researcher: TestClient, pool: Path, settings: Settings) -> None:
    """There is one image per row, none beyond the pool, and no path in the address."""
    draft = begun(settings, pool)
    found = researcher.get(f"/studies/new/{draft.key}/posters/3.jpg")
    assert found.headers["content-type"] == "image/jpeg"
    assert found.content.startswith(b"\xff\xd8")
    assert researcher.get(f"/studies/new/{draft.key}/posters/40.jpg").status_code == 404
    assert researcher.get(f"/studies/new/{draft.key}/posters/..%2f..%2fsigning.key").status_code in (404, 422)
    (pool.parent / "one.mp4").write_bytes(b"no video")
    assert researcher.get(f"/studies/new/{draft.key}/posters/5.jpg").status_code == 404


@on_sqlite
def test_a_pool_is_addressed_by_its_key_and_never_by_a_path(
    researcher: TestClient, pool: Path, settings: Settings
) -> None:
    """A path instead of a key is refused, as are invalid keys of drafts."""
    for wrong in (str(pool), "../../etc/passwd", "0" * 16):
        assert researcher.post("/studies/new", data={"pool": wrong, "base": "acr"}).status_code in (404, 422)
    for key in ("0" * 16, "..%2f..%2fsecret", "x" * 16):
        assert researcher.get(f"/studies/new/{key}/filters").status_code in (404, 422)
    with pytest.raises(NotFound):
        drafts.load(settings, "../drafts/x")


@on_sqlite
def test_a_draft_can_be_discarded(researcher: TestClient, pool: Path, settings: Settings) -> None:
    """It is listed, and no longer after it was discarded."""
    draft = begun(settings, pool)
    assert draft.key in researcher.get("/studies/new").text
    assert draft.key not in researcher.post(f"/studies/new/{draft.key}/forget").text


@on_sqlite
def test_only_the_researcher_can_use_the_wizard(visitor: Visitor, pool: Path, settings: Settings) -> None:
    """All other visitors are refused at every address."""
    draft = begun(settings, pool)
    nobody = visitor()
    for place in (
        "",
        f"/{draft.key}/filters",
        f"/{draft.key}/clips",
        f"/{draft.key}/posters/0.jpg",
        f"/{draft.key}/making",
    ):
        assert nobody.get(f"/studies/new{place}").status_code == 401
    assert nobody.post(f"/studies/new/{draft.key}/make").status_code == 401
