"""The rating page in Chromium on loopback with the demo's clips: weight, first picture, change of clips."""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from app import raters, studies
from app.db import Database
from app.demo import study as demo
from app.settings import Settings
from tests import servers
from tests.browser.conftest import FLAGS, chromium_path

CLIPS = 12
WATCH = """
document.addEventListener("submit", () => { window.sentAt ??= performance.now(); }, true);
document.addEventListener("playing", (event) => {
  if (!event.target.matches?.("video.clip")) return;
  window.firstPlay ??= performance.now();
  if (window.sentAt && !window.playedAt) window.playedAt = performance.now();
}, true);
"""
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
            link = raters.open_link(settings, studies.by_slug(db, demo.SLUG))
        with servers.running(settings) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            page = browser.new_page(base_url=server.base, viewport={"width": 1366, "height": 900})
            page.add_init_script(WATCH)
            measure(page, link)
            browser.close()
        database.dispose()


def measure(page: Page, link: str) -> None:
    """Weight of the first and later visits, time to the first picture, times from submit to the next clip playing."""
    page.goto(link)
    page.fill("[name=name]", "Bench")
    page.locator("[name=name]").press("Enter")
    page.locator("form[action='/rate/start'] button").press("Enter")
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
