"""Raters on their way through the pages, without script: plain links and plain forms."""

import re
from collections.abc import Callable, Iterable

import pytest
from httpx2 import Response
from sqlalchemy import select
from sqlmodel import Session
from starlette.testclient import TestClient

from app.db import Database
from app.models import Assignment, Event, Judgment, Rater, Study, StudyClip
from app.raters import raters
from app.settings import Settings
from tests.helpers.factories import StudyMaker, form
from tests.helpers.visitors import Visitor

Enter = Callable[..., TestClient]
HTMX = {"HX-Request": "true"}
ACTION = re.compile(r'action="/rate/(\d+)"')


@pytest.fixture
def enter(visitor: Visitor, settings: Settings) -> Enter:
    """Lets somebody in by the open link, past the guidelines; gives their browser."""

    def come(study: Study, name: str = "Ada") -> TestClient:
        browser = visitor()
        browser.post(raters.open_link(settings, study), data={"name": name})
        browser.post("/rate/start")
        return browser

    return come


def on_screen(page: Response) -> int:
    """The number of the assignment that the page asks about."""
    found = ACTION.search(page.text)
    assert found, page.text
    return int(found.group(1))


def is_checked(page: Response, field: str, value: str) -> bool:
    """Whether one radio button is chosen already."""
    return re.search(rf'name="{field}" value="{value}" required checked', page.text) is not None


def undo_link(page: Response) -> str:
    """Where Undo leads."""
    found = re.search(r'data-act="undo" href="([^"]+)"', page.text)
    assert found, "the page has no Undo"
    return found.group(1)


def everything(answer: Response) -> str:
    """All that a browser gets: the headers and bodies of an answer and of the redirects before it."""
    return "\n".join(f"{one.headers} {one.text}" for one in [*answer.history, answer])


def answer(browser: TestClient, assignment: int, submission: str, **values: object) -> Response:
    """Send the three answers about a clip."""
    return browser.post(f"/rate/{assignment}", data=form(submission, **values))


def stored(db: Session) -> list[tuple[int, str, int]]:
    """Assignment, value and revision of every judgment."""
    rows = db.scalars(select(Judgment)).all()
    return sorted((row.assignment_id, row.value, row.revision) for row in rows)


def test_a_rater_comes_from_the_link_to_the_last_clip(
    study_maker: StudyMaker, visitor: Visitor, settings: Settings, database: Database
) -> None:
    """Link, name, guidelines, every clip, thanks: each page leads to the next by a plain link or form."""
    study = study_maker(clips=3, raters_per_clip=1)
    browser = visitor()
    invitation = browser.get(raters.open_link(settings, study))
    assert "How should we call you?" in invitation.text
    assert "3 short clips" in invitation.text
    guidelines = browser.post(raters.open_link(settings, study), data={"name": " Ada  L. "})
    assert "Watch each clip, then answer." in guidelines.text
    assert all(f"{label}?" in guidelines.text for label in ("Quality", "Stability", "Verdict"))
    page = browser.post("/rate/start")
    for number in range(1, 4):
        assert f"Clip {number} of 3" in page.text
        page = answer(browser, on_screen(page), f"s{number}")
    assert "All done, thank you" in page.text
    assert "You rated 3 clips" in page.text
    assert "All done, thank you" in browser.get("/rate").text
    with database.reader() as db:
        assert len(stored(db)) == 3 * 3
        assert [rater.name for rater in db.scalars(select(Rater)).all()] == ["Ada L."]


def test_nobody_rates_before_the_guidelines(study_maker: StudyMaker, visitor: Visitor, settings: Settings) -> None:
    """Without having read them a rater gets them at /rate, and no clip is reserved."""
    study = study_maker(clips=1)
    browser = visitor()
    browser.post(raters.open_link(settings, study), data={"name": "Ada"})
    assert "Before you start" in browser.get("/rate").text
    with study_maker.database.reader() as db:
        assert {row.status for row in db.scalars(select(Assignment)).all()} == {"open"}


def test_a_personal_link_is_the_same_rater_on_two_devices(
    study_maker: StudyMaker, visitor: Visitor, settings: Settings, database: Database
) -> None:
    """No name is asked, guidelines are read once, and both devices show the same clip."""
    study = study_maker(clips=3, raters_per_clip=1)
    with database.writer() as db:
        link = raters.invite(db, settings, study, "Grace")
    phone, laptop = visitor(), visitor()
    assert "Before you start" in phone.get(link).text
    first = on_screen(phone.post("/rate/start"))
    assert on_screen(laptop.get(link)) == first
    following = on_screen(answer(phone, first, "from-the-phone"))
    assert following != first
    assert on_screen(laptop.get("/rate")) == following
    with database.reader() as db:
        assert [rater.name for rater in db.scalars(select(Rater)).all()] == ["Grace"]


def test_the_open_link_opened_again_brings_the_same_rater_back(
    study_maker: StudyMaker, enter: Enter, settings: Settings, database: Database
) -> None:
    """In the same browser it leads on; in another it makes somebody else, who cannot have the same name."""
    study = study_maker(clips=3)
    ada = enter(study)
    clip = on_screen(ada.get("/rate"))
    assert on_screen(ada.get(raters.open_link(settings, study))) == clip
    enter(study, "Ada")
    with database.reader() as db:
        assert sorted(rater.name for rater in db.scalars(select(Rater)).all()) == ["Ada", "Ada 2"]


def test_a_reload_shows_the_same_clip(study_maker: StudyMaker, enter: Enter) -> None:
    """However often the page is opened, it asks about the same clip under the same address."""
    browser = enter(study_maker(clips=5))
    pages = [browser.get("/rate") for _ in range(3)]
    assert len({on_screen(page) for page in pages}) == 1
    assert len({re.findall(r'<video class="clip" src="([^"]+)"', page.text)[0] for page in pages}) == 1


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_a_double_submit_is_stored_once(
    headers: dict[str, str], study_maker: StudyMaker, enter: Enter, database: Database
) -> None:
    """The same form sent twice is one answer, and both times the next clip comes."""
    browser = enter(study_maker(clips=4))
    clip = on_screen(browser.get("/rate"))
    pages = [browser.post(f"/rate/{clip}", data=form("once"), headers=headers) for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 200]
    assert on_screen(pages[0]) == on_screen(pages[1]) != clip
    with database.reader() as db:
        assert len(stored(db)) == 3


def test_undo_leads_back_and_a_change_is_kept_beside_the_first_answer(
    study_maker: StudyMaker, enter: Enter, database: Database
) -> None:
    """Undo shows what was chosen; saving adds a revision and returns to the clip that was open."""
    browser = enter(study_maker(clips=3))
    first = on_screen(browser.get("/rate"))
    page = answer(browser, first, "one", quality=2, verdict="reject")
    open_clip = on_screen(page)
    earlier = browser.get(undo_link(page))
    assert "Changing an earlier answer" in earlier.text
    assert on_screen(earlier) == first
    assert is_checked(earlier, "answer-quality", "2")
    assert is_checked(earlier, "answer-verdict", "reject")
    assert on_screen(answer(browser, first, "two", quality=5, verdict="reject")) == open_clip
    with database.reader() as db:
        assert [row[1:] for row in stored(db)] == [("2", 1), ("3", 1), ("3", 2), ("5", 2), ("reject", 1), ("reject", 2)]


def test_undo_from_the_last_page_reaches_the_last_answer(study_maker: StudyMaker, enter: Enter) -> None:
    """When nothing is left, the last answer can still be changed."""
    browser = enter(study_maker(clips=1, raters_per_clip=1))
    clip = on_screen(browser.get("/rate"))
    finished = answer(browser, clip, "one")
    assert on_screen(browser.get(undo_link(finished))) == clip


def test_a_skipped_clip_does_not_come_back(study_maker: StudyMaker, enter: Enter, database: Database) -> None:
    """Skipping shows another clip and remembers the reason; an unknown reason is refused and skips nothing."""
    browser = enter(study_maker(clips=2, raters_per_clip=1))
    clip = on_screen(browser.get("/rate"))
    assert browser.post(f"/rate/{clip}/skip", data={"reason": "boring"}).status_code == 422
    assert on_screen(browser.get("/rate")) == clip
    page = browser.post(f"/rate/{clip}/skip", data={"reason": "distressing"})
    other = on_screen(page)
    assert other != clip
    assert "All done" in answer(browser, other, "s").text
    with database.reader() as db:
        skipped = [event.detail for event in db.scalars(select(Event)).all() if event.kind == "skipped"]
    assert skipped == [{"reason": "distressing"}]


def test_an_incomplete_answer_keeps_what_was_chosen(study_maker: StudyMaker, enter: Enter, database: Database) -> None:
    """Two questions left out: 422, a sentence naming one of them, the third still chosen, nothing stored."""
    browser = enter(study_maker())
    clip = on_screen(browser.get("/rate"))
    page = browser.post(f"/rate/{clip}", data={"answer-quality": "5", "submission": "half"})
    assert page.status_code == 422
    assert "Stability is not answered yet." in page.text
    assert on_screen(page) == clip
    assert is_checked(page, "answer-quality", "5")
    assert page.text.count(" checked") == 1
    with database.reader() as db:
        assert stored(db) == []


def test_a_clip_drawn_for_one_question_is_asked_about_that_alone(
    study_maker: StudyMaker, enter: Enter, database: Database
) -> None:
    """Only its question is on the page and only its answer is stored."""
    study = study_maker(clips=1, score_visibility="shown")
    with database.writer() as db:
        for clip in db.scalars(select(StudyClip)).all():
            clip.criterion = "verdict"
            db.add(clip)
    browser = enter(study)
    page = browser.get("/rate")
    assert set(re.findall(r'name="(answer-\w+)"', page.text)) == {"answer-verdict"}
    assert "All done" in answer(browser, on_screen(page), "s", verdict="reject").text
    with database.reader() as db:
        assert [row[1] for row in stored(db)] == ["reject"]


SECRETS = ("secret-name", "/videos", "band-of-secrets", "camera-of-secrets", "7.125", "0.1403", "avg_movement")
SCORES = ("97.2", "96.2", "95.2", "94.2", "Movement", "≥")


def conceal(database: Database) -> None:
    """Give the clips facts that can be told from everything else on a page."""
    with database.writer() as db:
        for clip in db.scalars(select(StudyClip)).all():
            clip.stratum, clip.source = "band-of-secrets", f"camera-of-secrets-{clip.position}"
            clip.weight, clip.inclusion_probability = 7.125, 1 / 7.125
            db.add(clip)


def found_in(answers_seen: Iterable[Response], words: Iterable[str]) -> set[str]:
    """Which of the words stand anywhere in headers or bodies."""
    text = "\n".join(everything(one) for one in answers_seen)
    return {word for word in words if word in text}


def test_a_hidden_score_is_nowhere_in_what_the_browser_gets(
    study_maker: StudyMaker, enter: Enter, settings: Settings, database: Database
) -> None:
    """No page, fragment, redirect, refusal or video tells score, filter, file name, stratum, source or weight."""
    study = study_maker(clips=4, score_visibility="hidden", raters_per_clip=1)
    conceal(database)
    browser = enter(study)
    seen = [browser.get(raters.open_link(settings, study)), browser.get("/rate"), browser.get("/rate", headers=HTMX)]
    first = on_screen(seen[1])
    media = re.findall(r"/media/[\w-]+\.mp4", seen[1].text)
    assert len(set(media)) == 3
    videos = [browser.get(one) for one in media]
    assert not any(word.encode() in one.content for one in videos for word in (*SECRETS, *SCORES[:4]))
    seen += [browser.post(f"/rate/{first}", data={"submission": "x"}), browser.get("/rate/999999")]
    seen.append(answer(browser, first, "a"))
    seen += [browser.get(f"/rate/{first}"), browser.get(f"/rate/{first}?revealed=true")]
    second = on_screen(browser.get("/rate"))
    seen.append(browser.post(f"/rate/{second}", data=form("b"), headers=HTMX))
    seen.append(browser.post(f"/rate/{on_screen(seen[-1])}/skip", data={"reason": "other"}))
    seen.append(answer(browser, on_screen(seen[-1]), "c"))
    assert "All done" in seen[-1].text
    assert "Scores are hidden for this clip." in seen[1].text
    assert found_in(seen, (*SECRETS, *SCORES)) == set()
    assert not any(word in str(one.headers) for one in videos for word in (*SECRETS, *SCORES))


def test_shown_scores_are_next_to_the_clip_with_threshold_and_outcome(
    study_maker: StudyMaker, enter: Enter, database: Database
) -> None:
    """Value, threshold and the filter's word are there; file name, source, stratum and weight still are not."""
    study = study_maker(clips=1, score_visibility="shown", scores=[97.25])
    conceal(database)
    page = enter(study).get("/rate")
    assert found_in([page], SCORES) == {"97.2", "Movement", "≥"}
    assert "≥ 80" in page.text
    assert ">pass<" in page.text
    assert found_in([page], SECRETS) == set()


def test_a_missing_score_is_said_and_judged_by_no_filter(study_maker: StudyMaker, enter: Enter) -> None:
    """`no score` stands in its place, neither pass nor fail."""
    page = enter(study_maker(clips=1, score_visibility="shown", scores=[None])).get("/rate")
    assert "no score" in page.text
    assert ">pass<" not in page.text
    assert ">fail<" not in page.text


def test_scores_after_the_answer_come_only_after_it(study_maker: StudyMaker, enter: Enter) -> None:
    """Neither the clip's page nor a refused answer nor its address shows them; the page after the answer does."""
    browser = enter(study_maker(clips=2, score_visibility="after", raters_per_clip=1))
    page = browser.get("/rate")
    clip = on_screen(page)
    before = [
        page,
        browser.post(f"/rate/{clip}", data={"submission": "x", "answer-quality": "5"}),
        browser.get(f"/rate/{clip}?revealed=true"),
    ]
    assert found_in(before, SCORES) == set()
    assert "Scores appear after your answer." in page.text
    revealed = answer(browser, clip, "a")
    assert {"Movement", "≥"} < found_in([revealed], SCORES)
    assert "Next clip" in revealed.text
    assert found_in([browser.get("/rate")], SCORES) == set()
    assert "Movement" in browser.get(f"/rate/{clip}").text
    other = on_screen(browser.get("/rate"))
    fragment = browser.post(f"/rate/{other}", data=form("b"), headers=HTMX)
    assert {"Movement", "≥"} < found_in([fragment], SCORES)


def test_a_randomised_study_shows_scores_in_one_arm_only(
    study_maker: StudyMaker, enter: Enter, database: Database
) -> None:
    """Clip by clip the page shows the scores exactly when the assignment's stored arm says so; both arms occur."""
    browser = enter(study_maker(clips=12, score_visibility="randomised", raters_per_clip=1, with_media=False))
    shown: dict[int, str] = {}
    page = browser.get("/rate")
    while ACTION.search(page.text):
        clip = on_screen(page)
        shown[clip] = "shown" if "Movement" in page.text else "hidden"
        page = answer(browser, clip, f"s{clip}")
    with database.reader() as db:
        arms = {row.id: row.arm for row in db.scalars(select(Assignment)).all()}
    assert shown == arms
    assert set(arms.values()) == {"shown", "hidden"}


def test_htmx_gets_the_part_that_changes_and_a_plain_request_the_whole_page(
    study_maker: StudyMaker, enter: Enter
) -> None:
    """The room, a refusal, the waiting page and the last page: a block for htmx, a document otherwise."""
    study = study_maker(clips=1, raters_per_clip=1)
    ada, ben = enter(study, "Ada"), enter(study, "Ben")
    clip = on_screen(ada.get("/rate"))
    pairs = [
        (ada.get("/rate", headers=HTMX), ada.get("/rate")),
        (
            ada.post(f"/rate/{clip}", data={"submission": "x"}, headers=HTMX),
            ada.post(f"/rate/{clip}", data={"submission": "x"}),
        ),
        (ben.get("/rate", headers=HTMX), ben.get("/rate")),
        (ada.post(f"/rate/{clip}", data=form("s"), headers=HTMX), ada.get("/rate")),
        (ben.get(f"/rate/{clip}", headers=HTMX), ben.get(f"/rate/{clip}")),
    ]
    for part, whole in pairs:
        assert part.status_code == whole.status_code
        assert "<html" not in part.text
        assert part.text.lstrip().startswith("<div ")
        assert whole.text.startswith("<!doctype html>")
        assert "HX-Request" in part.headers["vary"]
        assert part.headers["cache-control"] == "no-store"
    assert "Nothing is free right now" in pairs[2][0].text
    assert "All done" in pairs[3][0].text


def test_who_waits_gets_a_clip_that_comes_free(study_maker: StudyMaker, enter: Enter) -> None:
    """While others hold the last clip the page says so; a skip hands it on; an answer ends the study for all."""
    study = study_maker(clips=1, raters_per_clip=1)
    ada, ben, eve = enter(study, "Ada"), enter(study, "Ben"), enter(study, "Eve")
    clip = on_screen(ada.get("/rate"))
    assert "Nothing is free right now" in ben.get("/rate").text
    ada.post(f"/rate/{clip}/skip", data={"reason": "other"})
    passed_on = on_screen(ben.get("/rate"))
    assert "Nothing is free right now" in eve.get("/rate").text
    answer(ben, passed_on, "s")
    assert "All done" in eve.get("/rate").text
    assert "has no clip left for you" in eve.get("/rate").text
