"""The Report and Plan pages: the pack, the author's answers, and the frozen plan with its hash."""

import hashlib
import zipfile
from io import BytesIO

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from app.db import Database
from app.errors import AppError
from app.models import Event, Study
from app.report import preregistration
from app.studies import lifecycle
from tests.helpers.factories import StudyMaker, answers
from tests.helpers.rated_studies import nine_clips
from tests.helpers.visitors import on_sqlite
from tests.helpers.waiting import wait_until

PLAN = {
    "hypotheses": "Movement agrees with people.",
    "exclusions": "none",
    "target": "Precision within .05.",
    "objective": "f1",
    "threshold_rule": "",
}


def when_made(browser: TestClient, page: str) -> str:
    """The Report page after the report is made."""
    wait_until(lambda: "Making the report" not in browser.get(page).text, "the report")
    return browser.get(page).text


@on_sqlite
def test_the_button_makes_the_pack_and_the_page_offers_it(
    researcher: TestClient, study_maker: StudyMaker, database: Database
) -> None:
    """It contains the plan and the author's answers; HTML, PDF and zip can be downloaded; newer answers are counted."""
    study = nine_clips(study_maker)
    page = f"/studies/{study.slug}/report"
    assert "No report yet" in researcher.get(page).text
    researcher.post(f"{page}/answers", data={"limits": "Few <b>clips</b>.", "unasked": "x"})
    frozen = researcher.post(f"/studies/{study.slug}/plan", data=PLAN | {"act": "freeze"}).text
    researcher.post(page)
    text = when_made(researcher, page)
    assert "The report is ready" in text
    assert "come in since" not in text
    packed = researcher.get(f"/studies/{study.slug}/report.zip")
    assert packed.headers["content-disposition"].endswith(f'filename="{study.slug}-report.zip"')
    with zipfile.ZipFile(BytesIO(packed.content)) as opened:
        inside = {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}
    assert {"report.html", "report.pdf", "plan.md", "votes.parquet", "SNAPSHOT", "tables/agreement.tex"} <= set(inside)
    with database.reader() as db:
        [plan] = preregistration.versions(db, study)
    assert plan.sha256 in frozen
    for name in ("plan.md", "report.html", "checklist.md", "SNAPSHOT"):
        assert plan.sha256 in inside[name].decode()
    assert "What the study cannot show: Few <b>clips</b>." in inside["checklist.md"].decode()
    html = researcher.get(f"{page}/report.html")
    assert html.content == inside["report.html"]
    assert "Few &lt;b&gt;clips&lt;/b&gt;." in html.text
    assert "Movement agrees with people." in html.text
    assert html.headers.get_list("content-security-policy") == [html.headers["content-security-policy"]]
    assert "sandbox" in html.headers["content-security-policy"]
    assert "script" not in html.headers["content-security-policy"]
    assert researcher.get(f"{page}/report.pdf").content.startswith(b"%PDF")
    study_maker.rate(study, study_maker.rater(study, "Late"), answers())
    assert "3 judgments have come in since" in researcher.get(page).text


@on_sqlite
def test_before_the_first_answer_no_report_can_be_made(researcher: TestClient, study_maker: StudyMaker) -> None:
    """The page says so and has no button, and a request to make one is refused (409)."""
    study = study_maker(clips=1, with_media=False)
    page = researcher.get(f"/studies/{study.slug}/report").text
    assert "Nobody has answered yet" in page
    assert "Make the report" not in page
    assert researcher.post(f"/studies/{study.slug}/report").status_code == 409


@on_sqlite
def test_a_too_long_answer_of_the_author_is_refused_and_stays_in_its_field(
    researcher: TestClient, study_maker: StudyMaker
) -> None:
    """The page answers 422 with the text in its field, and stores nothing."""
    study = study_maker(clips=1, with_media=False)
    page = f"/studies/{study.slug}/report"
    told = researcher.post(f"{page}/answers", data={"pay": "p" * 4001})
    assert told.status_code == 422
    assert "p" * 4001 in told.text
    assert "p" * 4001 not in researcher.get(page).text


def frozen(database: Database, study: Study) -> preregistration.PlanVersion:
    """Freeze the plan of a study."""
    with database.writer() as db:
        return preregistration.freeze(db, lifecycle.by_slug(db, study.slug), PLAN)


def test_an_amendment_does_not_change_the_frozen_plan(study_maker: StudyMaker, database: Database) -> None:
    """Each version has the SHA-256 of its text; an amendment has the hash it amends, a reason, and the answer count."""
    study = study_maker(clips=2, with_media=False)
    plan = frozen(database, study)
    study_maker.rate(study, study_maker.rater(study), answers())
    with database.writer() as db:
        preregistration.amend(db, study, PLAN | {"objective": "recall"}, "The pilot had a ceiling.")
    with database.reader() as db:
        first, second = preregistration.versions(db, study)
        assert preregistration.draft(db, study)["objective"] == "recall"
    assert (first.parts, first.sha256, first.answers) == (PLAN, plan.sha256, 0)
    for one in (first, second):
        assert one.sha256 == hashlib.sha256(one.text.encode()).hexdigest()
    assert f"Amends {first.sha256}" in second.text
    assert (second.reason, second.answers) == ("The pilot had a ceiling.", 3)


@on_sqlite
def test_wrong_changes_of_a_plan_are_refused(study_maker: StudyMaker, database: Database) -> None:
    """Freezing an empty plan or twice, saving over a frozen plan, amending without plan, reason or change."""
    study = study_maker(clips=1, with_media=False)
    with database.writer() as db:
        with pytest.raises(AppError, match="no frozen plan"):
            preregistration.amend(db, study, PLAN, "why")
        with pytest.raises(AppError, match="Hypotheses"):
            preregistration.freeze(db, study, PLAN | {"hypotheses": "  "})
        with pytest.raises(AppError, match="threshold rules"):
            preregistration.freeze(db, study, PLAN | {"objective": "luck"})
        with pytest.raises(AppError, match="Target"):
            preregistration.save(db, study, PLAN | {"target": "x" * 8001})
    frozen(database, study)
    with database.writer() as db:
        with pytest.raises(AppError, match="frozen already"):
            preregistration.freeze(db, study, PLAN)
        with pytest.raises(AppError, match="is frozen"):
            preregistration.save(db, study, PLAN)
        with pytest.raises(AppError, match="Say why"):
            preregistration.amend(db, study, PLAN | {"target": "other"}, " ")
        with pytest.raises(AppError, match="Nothing was changed"):
            preregistration.amend(db, study, PLAN, "why")
    with database.reader() as db:
        assert [event.kind for event in db.scalars(select(Event)).all()] == ["plan_frozen"]


@on_sqlite
def test_the_pages_say_whether_a_plan_is_frozen(researcher: TestClient, study_maker: StudyMaker) -> None:
    """The Results page says whether a plan is frozen; the downloaded text has the hash that the Plan page shows."""
    study = nine_clips(study_maker)
    place = f"/studies/{study.slug}"
    assert "No plan is frozen" in researcher.get(f"{place}/results").text
    assert researcher.get(f"{place}/plan/0.md").status_code == 404
    researcher.post(f"{place}/plan", data=PLAN | {"act": "save", "hypotheses": "H1 <i>first</i>"})
    form = researcher.get(f"{place}/plan").text
    assert "H1 &lt;i&gt;first&lt;/i&gt;</textarea>" in form
    assert "No plan is frozen" in researcher.get(f"{place}/results").text
    empty = researcher.post(f"{place}/plan", data=PLAN | {"act": "freeze", "target": ""})
    assert empty.status_code == 422
    assert "The plan says nothing under “Target”" in empty.text
    researcher.post(f"{place}/plan", data=PLAN | {"act": "freeze"})
    page = researcher.get(f"{place}/plan").text
    text = researcher.get(f"{place}/plan/0.md").content
    assert hashlib.sha256(text).hexdigest() in page
    assert hashlib.sha256(text).hexdigest()[:12] in researcher.get(f"{place}/results").text
    amended = PLAN | {"act": "amend", "target": "Recall.", "reason": "Changed our mind."}
    assert "Amendment 1" in researcher.post(f"{place}/plan", data=amended).text
