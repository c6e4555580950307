"""The rating page in Chromium on loopback: weight, first picture, change of clips; 1080p clips from key to picture."""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from sqlalchemy import select

from app.db import Database
from app.demo import study as demo
from app.models import StudyClip
from app.raters import raters
from app.settings import Settings
from app.studies import clip_files, lifecycle
from tests.browser.conftest import FLAGS, chromium_path
from tests.helpers import servers
from tests.helpers.factories import StudyMaker
from tests.helpers.places import SHARED

CLIPS = 12
WATCH = """
document.addEventListener("submit", () => { window.sentAt ??= performance.now(); }, true);
document.addEventListener("playing", (event) => {
  if (!event.target.matches?.("video.clip")) return;
  window.firstPlay ??= performance.now();
  if (window.sentAt && !window.playedAt) window.playedAt = performance.now();
}, true);
"""
# A clip loaded ahead has its first picture decoded: it is on the screen with the first frame that the page paints after
# the change (two animation frames later it certainly is). The video's own frame callback tells only of later pictures.
PICTURE = """
document.addEventListener("keydown", (event) => { if (event.key === "Enter") window.keyAt = performance.now(); }, true);
const seen = () => { window.pictureAt = performance.now(); };
new MutationObserver(() => {
  const video = document.querySelector("video.clip");
  if (!window.keyAt || window.pictureAt || !video || video === window.before) return;
  window.before = video;
  if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) requestAnimationFrame(() => requestAnimationFrame(seen));
  else video.requestVideoFrameCallback(seen);
}).observe(document, { childList: true, subtree: true });
"""
REAL_CLIPS = SHARED / "clips"
WEIGHT = """() => {
  const entries = [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")];
  return entries.filter((entry) => !entry.name.includes("/media/")).reduce((sum, entry) => sum + entry.transferSize, 0);
}"""


def run() -> None:
    """Print what was measured."""
    path = chromium_path()
    if path is None:
        print("pages: not measured, no Chromium (apt install chromium)")
        return
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder:
        settings = Settings(home=Path(folder), database_url="")
        database = demo.ensure(settings, Database(settings.database), lambda _line: None)
        with database.reader() as db:
            link = raters.open_link(settings, lifecycle.by_slug(db, demo.SLUG))
        with servers.running(settings) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            page = browser.new_page(base_url=server.base, viewport={"width": 1366, "height": 900})
            page.add_init_script(WATCH)
            measure(page, link)
            browser.close()
        database.dispose()
    large_clips(path)


def large_clips(path: str) -> None:
    """Real clips of 1920 x 1080: from the key that sends the answer to the first picture of the next clip."""
    films = sorted(REAL_CLIPS.glob("*.mp4"))[: CLIPS + 1]
    if not films:
        print(f"1080p clips: not measured, there are none in {REAL_CLIPS}")
        return
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder:
        settings = Settings(home=Path(folder), database_url="")
        database = Database(settings.database)
        database.migrate()
        study = StudyMaker(database, settings)(clips=len(films), raters_per_clip=1)
        with database.reader() as db:
            clips = db.scalars(select(StudyClip)).all()
            for clip, film in zip(clips, films, strict=True):
                clip_files.prepare(film, settings.media / f"{clip.media_key}.mp4")
            link = raters.open_link(settings, study)
        with servers.running(settings) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            page = browser.new_page(base_url=server.base, viewport={"width": 1366, "height": 900})
            page.add_init_script(PICTURE)
            enter(page, link)
            page.wait_for_function("() => document.querySelector('video.clip').currentTime > 0.2")
            times = sorted(picture(page) for _ in range(CLIPS))
            browser.close()
        database.dispose()
    print(
        f"1080p clips, from the last key to the next clip's first picture: median {statistics.median(times):.0f} ms, "
        f"most {times[-1]:.0f} ms, n = {CLIPS} clips"
    )


def picture(page: Page) -> float:
    """Answer a clip and send with Enter at once; milliseconds from that key to the next clip's first picture."""
    page.wait_for_timeout(1500)  # as long as the quickest rater looks: the next clip loads meanwhile
    page.evaluate(
        "() => { window.before = document.querySelector('video.clip'); window.keyAt = window.pictureAt = 0; }"
    )
    for key in ("4", "Shift+3", "a", "Enter"):
        page.keyboard.press(key)
    page.wait_for_function("() => window.pictureAt")
    return float(page.evaluate("window.pictureAt - window.keyAt"))


def enter(page: Page, link: str) -> None:
    """In by the open link, to the first clip."""
    page.goto(link)
    page.fill("[name=name]", "Bench")
    page.locator("[name=name]").press("Enter")
    page.locator("form[action='/rate/start'] button").press("Enter")
    page.wait_for_selector("video.clip:not([controls])")


def measure(page: Page, link: str) -> None:
    """Weight of the first and later visits, time to the first picture, times from submit to the next clip playing."""
    enter(page, link)
    page.wait_for_function("() => window.firstPlay")
    first = page.evaluate(WEIGHT)
    plays = []
    for _ in range(5):
        page.reload()
        page.wait_for_function("() => window.firstPlay")
        plays.append(page.evaluate("window.firstPlay"))
    again = page.evaluate(WEIGHT)
    print(f"rating page without video: {first / 1000:.1f} kB at first, {again / 1000:.1f} kB afterwards")
    print(
        f"from navigation to the first clip playing: median {statistics.median(plays):.0f} ms, most {max(plays):.0f} ms"
    )
    changes = [change(page) for _ in range(CLIPS)]
    ranked = sorted(changes)
    print(
        f"from submit to the next clip playing: median {statistics.median(ranked):.0f} ms, most {ranked[-1]:.0f} ms,"
        f" n = {CLIPS} clips, loaded ahead"
    )


def change(page: Page) -> float:
    """Answer one clip and wait for the next to play; milliseconds from submit to playing."""
    page.wait_for_timeout(700)
    page.evaluate("() => { window.sentAt = window.playedAt = undefined; }")
    for key in ("4", "Shift+3", "a"):
        page.keyboard.press(key)
    page.wait_for_function("() => window.playedAt")
    return float(page.evaluate("window.playedAt - window.sentAt"))
