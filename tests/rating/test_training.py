"""Training and test: clips with known answers before the work, feedback, tries, what failing means, nothing counted."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app.db import Database
from app.models import Assignment, Criterion, Event, Judgment, Study, StudyClip
from app.rating import reference_answers
from app.results import votes
from app.settings import Settings
from app.studies.clip_files import new_key
from tests.helpers.factories import StudyMaker, answers, tiny_video
from tests.helpers.pool_entries import come, events, give_rules, only_rater
from tests.helpers.visitors import Visitor, on_sqlite

REASON = "Blocks all over the face."
CODES = {"recruitment": {"completion_code": "DONE-1", "screened_out_code": "OUT-1"}}


def known(name: str, **values: object) -> dict[str, Any]:
    """A clip of the study file with its right answers."""
    return {"clip": name, "answers": answers(**values), "reason": REASON}  # type: ignore[arg-type]  # their values


def give_known(database: Database, settings: Settings, study: Study, role: str, clips: list[dict[str, Any]]) -> None:
    """Store the clips as making the study does."""
    with database.writer() as db:
        for number, one in enumerate(clips):
            clip = StudyClip(
                study_id=study.id,
                position=1000 + number,
                clip=str(one["clip"]),
                role=role,
                media=f"/videos/{one['clip']}.mp4",
                media_key=new_key(),
                source=f"known-{role}-{number}",
                duration=1.0,
                width=160,
                height=90,
                stratum="",
                inclusion_probability=0.0,
                weight=0.0,
                answers=one["answers"],
                reason=str(one["reason"]),
            )
            db.add(clip)
            settings.media.mkdir(parents=True, exist_ok=True)
            Path(settings.media / f"{clip.media_key}.mp4").write_bytes(tiny_video(shade=50 + number))


@pytest.fixture
def study(study_maker: StudyMaker, database: Database, settings: Settings) -> Study:
    """Two training clips, a test of two (five of six answers within a step, two tries), two clips to rate."""
    made = study_maker(clips=2, raters_per_clip=2)
    training = [known("worst", quality=1, verdict="reject"), known("best", quality=5)]
    test = [known("test-1", quality=2, verdict="reject"), known("test-2", quality=5, stability=5)]
    rule = {"clips": test, "least_correct": 0.8, "tries": 2, "tolerance": 1}
    give_rules(database, made, training={"clips": training}, qualification=rule, **CODES)
    give_known(database, settings, made, "training", training)
    give_known(database, settings, made, "qualification", test)
    return made


@pytest.fixture
def ada(visitor: Visitor, settings: Settings, study: Study) -> TestClient:
    """A rater who has read the guidelines."""
    browser = visitor()
    come(browser, settings, study)
    assert browser.post("/rate/start").url.path == "/rate/training"
    return browser


def submit(browser: TestClient, page: str, **values: object) -> tuple[str, str]:
    """Answer the clip that a page shows; the path and text of what follows."""
    address = re.search(r'action="(/rate/\d+)"', page)
    assert address, page
    given = {f"answer-{key}": value for key, value in answers(**values).items()}  # type: ignore[arg-type]  # likewise
    answer = browser.post(
        address[1],
        data=given
        | {"submission": f"s{address[1]}-{values}".replace(" ", "")[:60].translate(str.maketrans("", "", "{}',/"))},
    )
    return answer.url.path, answer.text


def train(browser: TestClient) -> str:
    """Through the training; the first page of the test."""
    for _ in range(2):
        submit(browser, browser.get("/rate").text)
    answer = browser.get("/rate")
    assert answer.url.path == "/rate/qualification"
    return answer.text


def test_training_tells_what_is_right_and_why(ada: TestClient, database: Database) -> None:
    """In the study file's order, the right answer beside the given one, the reason, the clip again."""
    page = ada.get("/rate").text
    assert "Training clip 1 of 2" in page
    path, told = submit(ada, page, quality=2, stability=3, verdict="reject")
    assert re.fullmatch(r"/rate/training/\d+", path)
    assert "2 of 3 right" in told
    assert REASON in told
    assert "Poor" in told
    assert "Bad" in told
    assert '<video class="again" src="/media/' in told
    page = ada.get("/rate").text
    assert "Training clip 2 of 2" in page
    _, told = submit(ada, page, quality=5)
    assert "All of it right" in told
    assert ada.get("/rate").url.path == "/rate/qualification"
    with database.reader() as db:
        trained = db.scalars(
            select(col(StudyClip.clip)).join(Assignment).where(col(Assignment.purpose) == "training")
        ).all()
    assert sorted(trained) == ["best", "worst"]


def test_who_passes_the_test_rates(ada: TestClient, database: Database, study: Study) -> None:
    """No feedback after a test clip; within the tolerance counts as right; then the work begins."""
    page = train(ada)
    assert "Test clip 1 of 2" in page
    _, page = submit(ada, page, quality=3, stability=3, verdict="reject")
    assert "right" not in page.lower().replace("bright", "")
    assert "Test clip 2 of 2" in page
    path, page = submit(ada, page, quality=4, stability=2, verdict="accept")
    assert path == "/rate/qualification"
    assert "You have passed" in page
    assert "5 of 6 answers were right; 5 are needed." in page
    assert "Clip 1 of 2" in ada.get("/rate").text
    rater = only_rater(database, study)
    assert (rater.qualified, rater.tries, rater.ended) == (True, 1, "")
    assert "qualified" in events(database, study)


def test_who_fails_tries_again_and_then_is_sent_away_with_a_code(
    ada: TestClient, database: Database, study: Study
) -> None:
    """The second try has the same clips anew; after it the rater is screened out, and stays so."""
    page = train(ada)
    for left in (1, 0):
        _, page = submit(ada, page, quality=5, verdict="accept")
        path, page = submit(ada, page, quality=1, stability=1, verdict="reject")
        if left:
            assert "Not enough right answers yet" in page
            assert "You can try once more." in page
            page = ada.get("/rate").text
            assert "Test clip 1 of 2" in page
    assert path == "/rate/ended"
    assert "OUT-1" in page
    assert ada.get("/rate").url.path == "/rate/ended"
    rater = only_rater(database, study)
    assert (rater.qualified, rater.tries, rater.ended) == (False, 2, "screened_out")
    kinds = events(database, study)
    assert [kind for kind in kinds if kind.startswith(("qual", "not_"))] == [
        "qualification_try_failed",
        "not_qualified",
    ]


@on_sqlite
def test_failing_may_mean_nothing_but_a_mark(ada: TestClient, database: Database, study: Study) -> None:
    """With on_failure "continue" the rater goes on and is known as not qualified."""
    with database.writer() as db:
        row = db.get_one(Study, study.id)
        rule = row.rules["qualification"] | {"tries": 1, "on_failure": "continue"}
        row.rules = row.rules | {"qualification": rule}
        row.version += 1
        db.add(row)
    page = train(ada)
    _, page = submit(ada, page, quality=5, verdict="accept")
    _, page = submit(ada, page, quality=1, stability=1, verdict="reject")
    assert "You may go on all the same." in page
    assert "Clip 1 of 2" in ada.get("/rate").text
    assert only_rater(database, study).qualified is False


@on_sqlite
def test_nothing_of_it_counts_and_nothing_of_it_changes(ada: TestClient, database: Database, study: Study) -> None:
    """No vote comes of it; an answer sent again or later with other values changes nothing; there is no way back."""
    page = ada.get("/rate").text
    address = re.search(r'action="(/rate/\d+)"', page)
    assert address
    submit(ada, page)
    with database.reader() as db:
        before = len(db.scalars(select(Judgment)).all())
        assert votes.read(db, study, kind="person") == []
    again = {f"answer-{key}": value for key, value in answers(quality=1).items()} | {"submission": "other"}
    assert ada.post(address[1], data=again).url.path == "/rate/training"
    assert ada.get(address[1]).url.path == "/rate/training"
    with database.reader() as db:
        assert len(db.scalars(select(Judgment)).all()) == before


@on_sqlite
def test_a_reload_makes_no_second_clip_and_a_refusal_keeps_the_place(ada: TestClient, database: Database) -> None:
    """The same clip stays until it is answered; what is missing is said on the same page."""
    first, second = ada.get("/rate").text, ada.get("/rate").text
    pattern = re.compile(r'action="(/rate/\d+)"')
    assert pattern.findall(first) == pattern.findall(second)
    refused = ada.post(pattern.findall(first)[0], data={"submission": "x", "answer-quality": "3"})
    assert refused.status_code == 422
    assert "Training clip 1 of 2" in refused.text
    assert "is not answered yet" in refused.text
    with database.reader() as db:
        assert len(db.scalars(select(Assignment).where(col(Assignment.purpose) == "training")).all()) == 1


@on_sqlite
def test_a_skipped_test_clip_counts_as_wrong(ada: TestClient, database: Database) -> None:
    """Skipping is possible, and no way around the test."""
    page = train(ada)
    address = re.search(r'action="(/rate/\d+)"', page)
    assert address
    answer = ada.post(f"{address[1]}/skip", data={"reason": "cannot_play"})
    _, page = submit(ada, answer.text, quality=5, stability=5)
    assert "3 of 6 answers were right; 5 are needed." in page
    with database.reader() as db:
        assert db.scalars(select(Event).where(col(Event.kind) == "qualification_try_failed")).one().detail["right"] == 3


@on_sqlite
def test_another_raters_feedback_is_not_to_be_had(
    ada: TestClient, visitor: Visitor, settings: Settings, study: Study
) -> None:
    """The page of right answers belongs to the one who answered."""
    path, _ = submit(ada, ada.get("/rate").text)
    other = visitor()
    come(other, settings, study, "Bob")
    other.post("/rate/start")
    assert other.get(path).status_code == 403


@pytest.mark.parametrize(
    ("scale", "given", "right", "tolerance", "expected"),
    [
        ("acr5", "4", "5", 1, True),
        ("acr5", "3", "5", 1, False),
        ("slider", "62", "70", 1, True),
        ("slider", "50", "70", 1, False),
        ("verdict", "accept", "accept", 4, True),
        ("verdict", "reject", "accept", 4, False),
        ("tags", '["blur", "noise"]', '["noise", "blur"]', 0, True),
        ("tags", '["blur"]', '["noise"]', 4, False),
        ("text", " Two ", "two", 0, True),
    ],
)
def test_right_is_within_the_tolerance_where_there_are_steps(
    scale: str, given: str, right: str, tolerance: int, expected: bool
) -> None:
    """Steps of a scale, tenths of a slider; elsewhere the same answer."""
    item = Criterion(study_id=1, position=0, key="k", label="K", question="?", scale=scale, options=["noise", "blur"])
    assert reference_answers.is_right(item, given, right, tolerance) is expected
    assert reference_answers.is_right(item, None, right, tolerance) is False


@on_sqlite
def test_the_list_of_answers_numbers_the_clips_and_has_none_of_the_training(ada: TestClient) -> None:
    """Only what can be changed is listed, by the number that the room showed; the newest first."""
    test = train(ada)
    assert "There is no answer yet" in ada.get("/rate/answers").text
    _path, page = submit(ada, test, quality=2, verdict="reject")
    submit(ada, page, quality=5, stability=5)
    for _ in range(2):
        submit(ada, ada.get("/rate").text)
    listed = ada.get("/rate/answers").text
    assert re.findall(r">Clip (\d+), ", listed) == ["2", "1"]
