"""The rating room as a rater lives in it: keyboard, reload, undo, lost network."""

import re

import pytest
from playwright.sync_api import Page, Response, expect
from sqlalchemy import select, update
from sqlmodel import col

from app.models import Filter, Judgment, Study, StudyClip
from tests.browser.conftest import Site, SiteMaker

pytestmark = pytest.mark.browser


def place(page: Page) -> str:
    """What the header says: Clip 1 of 3."""
    return page.locator(".room-place").inner_text()


def answer(page: Page, keys: tuple[str, ...] = ("4", "Shift+3", "a")) -> None:
    """Three keys and nothing else; returns when the next page is there."""
    before = page.locator("#room").get_attribute("data-place")
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_function("before => document.getElementById('room').dataset.place !== before", arg=before)


def stored(site: Site) -> list[Judgment]:
    """All judgments in the database, in the order they came."""
    with site.database.reader() as db:
        return list(db.scalars(select(Judgment).order_by(col(Judgment.id))).all())


def test_all_clips_by_keyboard_alone(make_site: SiteMaker) -> None:
    """From the link to the thank-you page without a mouse: three keys a clip, no submit."""
    site = make_site(clips=4)
    page = site.page()
    site.join(page)
    for number in range(4):
        assert place(page).startswith(f"Clip {number + 1} of 4")
        answer(page, ("5", "Shift+2", "r" if number % 2 else "a"))
    expect(page.get_by_role("heading", name="All done, thank you")).to_be_visible()
    rows = stored(site)
    assert [row.value for row in rows[:3]] == ["5", "2", "accept"]
    assert len(rows) == 12
    assert {row.revision for row in rows} == {1}
    assert site.complaints == []


def test_the_clip_plays_and_seeks(make_site: SiteMaker) -> None:
    """The video runs by itself, Space stops it, B starts it again, the point key moves one frame."""
    site = make_site()
    page = site.page()
    site.join(page)
    time = "document.querySelector('video.clip').currentTime"
    page.wait_for_function(f"() => {time} > 0.2")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('video.clip').paused")
    stopped = page.evaluate(time)
    page.keyboard.press(".")
    page.wait_for_function(f"() => {time} > {stopped}")
    page.keyboard.press("b")
    page.wait_for_function(f"() => {time} < {stopped}")
    assert site.complaints == []


def test_the_next_clip_is_loaded_before_it_is_asked_for(make_site: SiteMaker) -> None:
    """After the answer the browser asks the server for no byte of the clip it shows."""
    site = make_site(clips=3)
    page = site.page()
    asked: list[str] = []
    page.on("response", lambda response: note(response, asked))
    site.join(page)
    ahead = (page.locator("#room").get_attribute("data-next") or "").split()
    assert len(ahead) == 2
    following = ahead[0]
    page.wait_for_function("() => document.querySelector('video.clip').currentTime > 0.5")
    while not all(any(one in address for address in asked) for one in ahead):
        page.wait_for_timeout(50)  # both are loaded while the first one plays
    asked.clear()
    answer(page)
    page.wait_for_function("() => document.querySelector('video.clip').currentTime > 0.1")
    assert page.locator("#room").get_attribute("data-media") == following
    assert not any(following in address for address in asked)


def note(response: Response, asked: list[str]) -> None:
    """Remember the addresses of clips."""
    if "/media/" in response.url:
        asked.append(response.url)


def test_a_reload_shows_the_same_clip(make_site: SiteMaker) -> None:
    """F5 changes nothing."""
    site = make_site()
    page = site.page()
    site.join(page)
    answer(page)
    before = page.locator("#room").get_attribute("data-media")
    page.reload()
    assert page.locator("#room").get_attribute("data-media") == before
    assert place(page).startswith("Clip 2 of 3")


def test_undo_goes_back_and_the_change_is_a_revision(make_site: SiteMaker) -> None:
    """Z shows the last answer with its values; a changed value is sent and the rater goes on where they were."""
    site = make_site()
    page = site.page()
    site.join(page)
    answer(page, ("2", "Shift+2", "r"))
    page.keyboard.press("z")
    expect(page.get_by_role("heading", name="Changing an earlier answer")).to_be_visible()
    assert page.locator("input[name=answer-quality]:checked").get_attribute("value") == "2"
    page.wait_for_timeout(600)
    assert len(stored(site)) == 3, "nothing is sent before something was changed"
    answer(page, ("5",))
    assert place(page).startswith("Clip 2 of 3")
    assert [row.value for row in stored(site) if row.revision == 2] == ["5", "2", "reject"]


def test_an_answer_given_offline_is_sent_once_when_the_network_is_back(make_site: SiteMaker) -> None:
    """The page says that it is not saved yet, keeps trying, and the server has it exactly once."""
    site = make_site()
    page = site.page()
    site.join(page)
    page.wait_for_function("() => document.querySelector('video.clip').currentTime > 0.2")
    page.context.set_offline(True)
    for key in ("3", "Shift+4", "u"):
        page.keyboard.press(key)
    expect(page.locator("#problem")).to_contain_text("not yet on the server")
    assert stored(site) == []
    page.context.set_offline(False)
    page.wait_for_function("() => document.getElementById('room').dataset.place.startsWith('Clip 2')")
    rows = stored(site)
    assert [row.value for row in rows] == ["3", "4", "unsure"]
    assert len({row.submission for row in rows}) == 1


def test_skip_needs_a_reason_and_goes_on(make_site: SiteMaker) -> None:
    """S opens the reasons, a digit chooses one, another clip comes."""
    site = make_site()
    page = site.page()
    site.join(page)
    media = page.locator("#room").get_attribute("data-media")
    page.keyboard.press("s")
    expect(page.get_by_role("group", name="Why skip this clip?")).to_be_visible()
    page.keyboard.press("2")
    page.wait_for_function("media => document.getElementById('room').dataset.media !== media", arg=media)
    assert stored(site) == []


@pytest.mark.parametrize(("visibility", "words"), [("hidden", "Scores are hidden"), ("after", "after your answer")])
def test_hidden_scores_are_nowhere_in_the_page(make_site: SiteMaker, visibility: str, words: str) -> None:
    """While the scores are hidden no score, stratum, source or file name is in anything the browser gets."""
    site = make_site(score_visibility=visibility)
    page = site.page()
    texts: list[str] = []
    page.on("response", lambda response: texts.append(response.url + keep_text(response)))
    site.join(page)
    expect(page.locator(".scores")).to_contain_text(words)
    page.wait_for_timeout(300)
    everything = "\n".join(texts)
    for secret in ("97.25", "96.25", "95.25", "secret-name", "source-", "avg_movement"):
        assert secret not in everything, secret
    if visibility == "after":
        for key in ("4", "Shift+3", "a"):
            page.keyboard.press(key)
        expect(page.locator(".scores")).to_contain_text(re.compile(r"9[5-7]\.[0-9]"))
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.getElementById('room').dataset.place.startsWith('Clip 2')")


def keep_text(response: Response) -> str:
    """A response's text; clips are searched as bytes."""
    if response.status in (204, 206, 303) or "/static/" in response.url:
        return ""
    return response.body().decode("latin-1")


def test_shown_scores_stand_beside_the_clip(make_site: SiteMaker) -> None:
    """Value, threshold and what the filter says."""
    site = make_site(score_visibility="shown")
    page = site.page()
    site.join(page)
    row = page.locator(".scores tbody tr").first
    expect(row).to_contain_text("Movement")
    expect(row).to_contain_text("≥ 80")
    expect(row).to_contain_text("pass")


def test_everything_fits_on_a_laptop_screen(make_site: SiteMaker) -> None:
    """At 1366 x 900 video, questions and verdict are in view without scrolling."""
    site = make_site(score_visibility="shown")
    page = site.page(width=1366, height=900)
    site.join(page)
    for selector in ("video.clip", "fieldset:has-text('Quality')", "fieldset:has-text('Verdict')", ".scores"):
        box = page.locator(selector).first.bounding_box()
        assert box is not None
        assert box["y"] >= 0, selector
        assert box["y"] + box["height"] <= 900, selector


def test_each_score_with_a_series_shows_its_own_curve(make_site: SiteMaker) -> None:
    """A click on a score shows its curve alone and moves the clip to its worst second; a score without one has none."""
    site = make_site(score_visibility="shown")
    with site.database.writer() as db:
        study = db.scalars(select(Study)).one().id
        for position, name in enumerate(("rotation", "plain"), start=1):
            score = f"avg_{name}"
            db.add(Filter(study_id=study, position=position, name=name, title=name, score=score, criterion="verdict"))
        values = {"avg_movement": 90.0, "avg_rotation": 90.0, "avg_plain": 1.0}
        series = {"movement_per_second": [95.0, 70.0], "rotation_per_second": [60.0, 99.0]}
        db.execute(update(StudyClip).values(scores=values | series))
        db.execute(update(Filter).values(minimum=80.0))
    page = site.page()
    site.join(page)
    buttons, curves = page.locator(".curve-of"), page.locator(".curve:not([data-off])")
    assert buttons.all_inner_texts() == ["Movement", "rotation"]
    for title, worst in (("rotation", "0"), ("Movement", "1")):
        page.get_by_role("button", name=title, exact=True).click()
        expect(curves).to_have_count(1)
        expect(curves).to_have_attribute("data-title", title)
        expect(curves).to_have_attribute("data-worst", worst)


@pytest.mark.parametrize("width", [1440, 1366, 390])
def test_scores_with_long_words_stay_within_the_answer_column(make_site: SiteMaker, width: int) -> None:
    """A score with a unit and a long title pushes neither the questions nor itself over the column's padding."""
    site = make_site(score_visibility="shown")
    with site.database.writer() as db:
        db.execute(
            update(Filter).values(title="Completeness of the light", score="luma", units="grey levels", maximum=200.0)
        )
        db.execute(update(StudyClip).values(scores={"luma": 106.43}))
    page = site.page(width=width, height=900)
    site.join(page)
    expect(page.locator(".scores")).to_contain_text("grey levels")
    edge = "document.querySelector('.answer').getBoundingClientRect().right - 12"
    for selector in (".scores td:last-child", ".criterion", "button[form=answers], #answers button"):
        right = f"document.querySelector('{selector}').getBoundingClientRect().right"
        assert page.evaluate(f"{right} <= {edge}"), selector


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_hangs_over_the_edge_of_a_phone(make_site: SiteMaker, theme: str) -> None:
    """At 390 pixels no page scrolls sideways and every answer can be hit with a thumb."""
    site = make_site(score_visibility="shown")
    page = site.page(width=390, height=844, theme=theme)
    site.join(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for box in [label.bounding_box() for label in page.locator("label.option").all()]:
        assert box is not None
        assert box["height"] >= 44
        assert box["width"] >= 44


@pytest.mark.parametrize("key", ["z", "Escape"])
def test_undo_in_the_pause_keeps_the_answer_on_the_screen(make_site: SiteMaker, key: str) -> None:
    """Before the answer has left, Z and Esc hold it back: no other clip comes, nothing chosen is lost, Enter sends."""
    site = make_site(clips=3)
    page = site.page()
    site.join(page)
    answer(page)
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))  # the pause ends when the test says so
    for pressed in ("5", "Shift+5", "r", key):
        page.keyboard.press(pressed)
    page.clock.run_for(2000)
    page.clock.resume()
    assert place(page).startswith("Clip 2 of 3")
    chosen = page.locator("#answers input:checked")
    assert [chosen.nth(number).get_attribute("value") for number in range(3)] == ["5", "5", "reject"]
    assert len(stored(site)) == 3
    page.keyboard.press("Enter")
    expect(page.locator(".room-place")).to_contain_text("Clip 3 of 3")
    assert [row.value for row in stored(site)[3:]] == ["5", "5", "reject"]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (720, 450)])
def test_the_saved_state_covers_no_control_in_a_narrow_window(make_site: SiteMaker, width: int, height: int) -> None:
    """On a phone and at 200 % zoom: what was saved is said beside the buttons, and the first question is in sight."""
    site = make_site(clips=3)
    page = site.page(width=width, height=height)
    site.join(page)
    answer(page)
    state = page.locator("#save-state")
    expect(state).to_have_text("Saved")
    said = state.bounding_box()
    assert said
    for button in page.locator(".room-header summary").all():
        box = button.bounding_box()
        assert box
        assert said["x"] + said["width"] <= box["x"]
    first = page.locator("#answers legend").first.bounding_box()
    assert first
    assert first["y"] + first["height"] < height
