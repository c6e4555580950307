"""Every address that can be opened, with a study that asks a question on every kind of scale."""

import html
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import select
from sqlmodel import col
from starlette.routing import Mount
from starlette.testclient import TestClient

from app import api_tokens, auth
from app.db import Database
from app.models import Rater, Study, StudyClip, now
from app.raters import raters
from app.rating import assignments, external_ratings, room
from app.rating.external_ratings import ExternalRating
from app.report import stored_packs
from app.settings import Settings
from app.studies import lifecycle, whole_study
from app.studies.scales import SCALES
from tests.helpers import every_scale
from tests.helpers.every_scale import OPTIONAL, REQUIRED, UNANSWERED, Questions
from tests.helpers.factories import StudyMaker

Visitor = Callable[[], TestClient]
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FILTERS = ("still", "never_still", "sharp", "sync", "unjudged")
BENCH_FIGURES = ("rates", "kept", "roc", "precision-recall", "histogram", "no-such")
OF_STUDY: dict[str, tuple[str, ...]] = {
    "": ("",),
    "/study.toml": ("/study.toml",),
    "/results": ("/results",),
    "/filters/{name}": tuple(f"/filters/{name}" for name in FILTERS),
    "/figures/{name}.json": tuple(f"/figures/{name}.json" for name in ("agreement", "histogram-still", "roc-sync")),
    "/figures/{name}.svg": tuple(f"/figures/{name}.svg" for name in ("agreement", "histogram-sharp", "roc-unjudged")),
    "/judgments.csv": ("/judgments.csv",),
    "/estimates.json": ("/estimates.json",),
    "/agreement": (
        "/agreement",
        *(f"/agreement?criterion={scale}_{kind}" for scale in SCALES for kind in (REQUIRED, OPTIONAL, UNANSWERED)),
    ),
    "/agreement/raters/{pseudonym}": ("/agreement/raters/R1", "/agreement/raters/R2", "/agreement/raters/R99"),
    "/agreement/clips": (
        "/agreement/clips",
        *(f"/agreement/clips?criterion={scale}_required&order=votes&show=all" for scale in SCALES),
        "/agreement/clips?show=all&rater=R1",
    ),
    "/agreement/figures/{name}.json": tuple(
        f"/agreement/figures/{name}.json?criterion=slider_optional" for name in ("forest", "raters", "pairs")
    ),
    "/agreement/figures/{name}.svg": ("/agreement/figures/bias.svg?rater=R1&theme=dark",),
    "/pool": ("/pool", "/pool?by=language&cut_still=20&cut_sync=5", "/pool?truth=ruled"),
    "/fairness": tuple(f"/fairness?by=gender&also=language&filter={name}&number=duration" for name in FILTERS),
    "/anchoring": ("/anchoring",),
    "/next": ("/next", "/next?clips=7"),
    "/next/drawing": ("/next/drawing",),
    "/consequences/figures/{name}.json": tuple(
        f"/consequences/figures/{name}.json?by=language"
        for name in ("now", "then", "composition", "effects", "ceiling")
    ),
    "/consequences/figures/{name}.svg": ("/consequences/figures/mean.svg?by=language&number=duration&filter=still",),
    "/progress": ("/progress", "/progress?live=off"),
    "/raters": ("/raters", "/raters?name=a"),
    "/filters/{name}/workbench": tuple(f"/filters/{name}/workbench" for name in FILTERS),
    "/filters/{name}/workbench.json": tuple(f"/filters/{name}/workbench.json" for name in FILTERS),
    "/filters/{name}/workbench/figures/{figure}.json": tuple(
        f"/filters/sync/workbench/figures/{figure}.json" for figure in BENCH_FIGURES
    ),
    "/filters/{name}/workbench/figures/{figure}.svg": ("/filters/sharp/workbench/figures/rates.svg?end=max&at=0",),
    "/cascade": ("/cascade", "/cascade?criterion=verdict_required&target=0.5"),
    "/filters/{name}/pair": ("/filters/still/pair", "/filters/never_still/pair?rate=recall", "/filters/sync/pair"),
    "/filters/{name}/pair/{rate}.json": ("/filters/still/pair/precision.json",),
    "/filters/{name}/pair/{rate}.svg": ("/filters/still/pair/f1.svg",),
    "/report": ("/report",),
    "/report/report.html": ("/report/report.html",),
    "/report/report.pdf": ("/report/report.pdf",),
    "/report.zip": ("/report.zip",),
    "/export/{form}.zip": ("/export/label-studio.zip", "/export/huggingface.zip"),
    "/plan": ("/plan",),
    "/plan/{number}.md": ("/plan/0.md", "/plan/1.md"),
    "/filters.toml": ("/filters.toml",),
    "/head_threshold.yml": ("/head_threshold.yml",),
}
"""Addresses below a study, by route: every filter, every scale, and things that are not there."""
OF_DRAFT = {f"/{step}": (f"/{step}",) for step in ("filters", "design", "clips", "questions", "review", "making")} | {
    "/posters/{row}.jpg": ("/posters/5.jpg", "/posters/9999.jpg")
}
OF_RATER: dict[str, tuple[str, ...]] = {
    "/rate": ("/rate",),
    **{
        f"/rate/{step}": (f"/rate/{step}",)
        for step in ("consent", "device", "guidelines", "training", "qualification", "closed", "return", "ended")
    },
    "/rate/answers": ("/rate/answers",),
    "/rate/{assignment_id}": ("/rate/{held}", "/rate/{held}?revealed=true", "/rate/2147483647"),
    "/rate/training/{assignment_id}": ("/rate/training/{held}",),
    "/media/{key}.mp4": ("/media/no-such-key.mp4",),
    "/join/{token}": ("{link}", "{link}?PROLIFIC_PID=5", "/join/no-such-link"),
    "/": ("/",),
    "/healthz": ("/healthz",),
    "/readyz": ("/readyz",),
}
OF_ALL = {"/studies": ("/studies",), "/studies/new": ("/studies/new",), "/researcher/{key}": ("/researcher/wrong",)}
OF_API: dict[str, tuple[str, ...]] = {
    "/studies": ("",),
    "/studies/{slug}": ("/{slug}",),
    **{
        f"/studies/{{slug}}/{part}": (f"/{{slug}}/{part}",) for part in ("progress", "estimates", "clips", "comparison")
    },
    "/studies/{slug}/judgments": tuple(f"/{{slug}}/judgments?format={form}" for form in ("ndjson", "csv", "parquet")),
}
PEOPLE = {"nobody": (), "no answers": ("Ada", "Ben"), "one rater": ("Ada",), "three raters": ("Ada", "Ben", "Cleo")}
with_people = pytest.mark.parametrize(
    ("database_url", "people"),
    [*(("sqlite", people) for people in PEOPLE), ("postgresql", "three raters")],
    indirect=["database_url"],
)
ODD = re.compile(r"\b(nan|NaN|None|inf|Infinity|NaT)\b")
BINARY = re.compile(r'data:[\w/+-]+;base64,[^"]*')
LINK = re.compile(r'(?:href|src|data-content)="([^"]+)"')


@on_sqlite
def test_no_route_is_left_out(settings: Settings) -> None:
    """A new address that can be opened must be listed in the tables of this file."""
    from app.main import create_app

    app = create_app(settings)
    opened = _opened(app)
    listed = set(OF_ALL) | set(OF_RATER)
    listed |= {f"/studies/{{slug}}{place}" for place in OF_STUDY} | {f"/studies/new/{{key}}{step}" for step in OF_DRAFT}
    assert opened == listed
    (api,) = [route.app for route in app.routes if isinstance(route, Mount) and isinstance(route.app, FastAPI)]
    assert _opened(api) == set(OF_API)


def _opened(app: FastAPI) -> set[str]:
    return {path for path, operations in app.openapi()["paths"].items() if "get" in operations}


class Reader:
    """Opens addresses and keeps what is wrong with the answers."""

    def __init__(self, browser: TestClient) -> None:
        self.browser = browser
        self.wrong: list[str] = []
        self.seen: dict[str, int] = {}

    def open(self, address: str) -> Response:
        """Open an address; an error of the server, and a word that is no word, are noted."""
        found = self.browser.get(address)
        self.seen[address] = found.status_code
        if found.status_code >= 500:
            self.wrong.append(f"{found.status_code} {address}")
        self.wrong += [f"{word!r} at {address}: {near}" for word, near in odd_words(found)]
        return found

    def follow(self, starts: list[str]) -> None:
        """Open the addresses and every link on their pages, a figure once, a page once for each set of query keys."""
        waiting = [(address, "the list") for address in starts]
        known = {_kind(address) for address in starts}
        while waiting:
            address, source = waiting.pop(0)
            page = self.open(address)
            if page.status_code == 404 and source != "the list":
                self.wrong.append(f"a link to nowhere at {source}: {address}")
            if page.status_code == 200 and "html" in page.headers["content-type"]:
                for link in _links(page):
                    if _kind(link) not in known:
                        known.add(_kind(link))
                        waiting.append((link, address))


def _kind(address: str) -> str:
    path, _, query = address.partition("?")
    keys = sorted(pair.partition("=")[0] for pair in query.split("&"))
    return path if "/figures/" in path else f"{path}?{'&'.join(keys)}"


def _links(page: Response) -> Iterator[str]:
    for given in LINK.findall(BINARY.sub("", page.text)):
        parts = urlsplit(urljoin(page.url.path, html.unescape(given)))
        if not parts.scheme and not parts.netloc and not parts.path.startswith(("/static", "/join")):
            yield f"{parts.path}?{parts.query}" if parts.query else parts.path
            if parts.path.endswith(".svg"):
                yield parts._replace(path=parts.path.replace(".svg", ".json")).geturl()


def odd_words(found: Response) -> Iterator[tuple[str, str]]:
    """What a program writes for a number or a word that is missing, with the text around it."""
    kind = found.headers.get("content-type", "")
    if "zip" in kind:
        with zipfile.ZipFile(BytesIO(found.content)) as kept:
            inside = {name: kept.read(name) for name in kept.namelist()}
        texts = [text.decode() for name, text in inside.items() if not name.endswith((".png", ".pdf", ".parquet"))]
    elif re.search("text|json|svg|toml|yaml", kind):
        texts = [found.text]
    else:
        texts = []
    for text in texts:
        plain = BINARY.sub("", text)
        for hit in ODD.finditer(plain):
            yield hit[0], plain[max(0, hit.start() - 60) : hit.end() + 40]


@pytest.fixture
def researcher(visitor: Visitor, settings: Settings) -> TestClient:
    """The researcher's browser."""
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    return browser


def _rated(people: str, maker: StudyMaker, settings: Settings, folder: Path) -> Study:
    """The study with these people, who have rated everything unless they have no answers."""
    study = every_scale.make(maker.database, settings, folder)
    for name in PEOPLE[people]:
        rater = every_scale.join(maker, study, name)
        if people != "no answers":
            assert every_scale.rate_all(maker, study, rater) >= every_scale.SAMPLED
    return study


@with_people
def test_the_researcher_can_open_every_page(
    people: str, study_maker: StudyMaker, researcher: TestClient, settings: Settings, database: Database, tmp_path: Path
) -> None:
    """No page, figure or file fails or shows a missing number as nan or None, and no link leads nowhere."""
    study = _rated(people, study_maker, settings, tmp_path)
    if people in ("one rater", "three raters"):
        stored_packs.make(database, settings, study.slug, lambda _done, _total: None)
    here = f"/studies/{study.slug}"
    draft = researcher.post(f"{here}/clone").url.path.removesuffix("/filters")
    reader = Reader(researcher)
    reader.follow(
        [
            *(address for listed in OF_ALL.values() for address in listed),
            *(f"{here}{place}" for listed in OF_STUDY.values() for place in listed),
            *(f"{draft}{step}" for listed in OF_DRAFT.values() for step in listed),
        ]
    )
    assert reader.wrong == []


@with_people
def test_a_program_can_read_every_address(
    people: str, study_maker: StudyMaker, visitor: Visitor, settings: Settings, database: Database, tmp_path: Path
) -> None:
    """The same for the interface for programs, with a model's ratings beside people's."""
    study = _rated(people, study_maker, settings, tmp_path)
    with database.writer() as db:
        secret = api_tokens.create(db, "reader", ["read", "judgments"])
        whole = whole_study.parts(db, study.id)
        clips = db.scalars(select(col(StudyClip.clip)).where(col(StudyClip.role) == "sample")).all()
        given = [
            ExternalRating(clip, key, value)
            for clip in clips
            for key, value in every_scale.answers(whole.criteria, random.Random(clip)).items()
            if value
        ]
        external_ratings.take(db, study, "a-model", given, now=now())
    program = visitor()
    program.headers["Authorization"] = f"Bearer {secret}"
    reader = Reader(program)
    for place in (place for listed in OF_API.values() for place in listed):
        found = reader.open(f"/api/v1/studies{place.format(slug=study.slug)}")
        assert found.status_code == 200, (place, found.text)
    assert reader.wrong == []


@on_sqlite
def test_the_results_page_lists_questions_without_a_statistic(
    study_maker: StudyMaker, researcher: TestClient, settings: Settings, tmp_path: Path
) -> None:
    """Tags and texts stand in the table with their answers and in no figure of agreement; the reason is given once."""
    study = _rated("one rater", study_maker, settings, tmp_path)
    page = researcher.get(f"/studies/{study.slug}/results").text
    assert re.search(r"Text required</th>\s*<td[^>]*>not computed</td>", page)
    assert re.search(r"Tags required</th>.*?blur&nbsp;\d+", page, re.DOTALL)
    assert page.count("No agreement is computed over free text and sets of tags.") == 1
    figure = researcher.get(f"/studies/{study.slug}/figures/agreement.svg").text
    assert "Acr5 required" in figure
    assert "Tags required" not in figure


WAYS = {
    "randomised": (Questions(), "en"),
    "shown": (Questions(score_visibility="shown"), "zh-Hans"),
    "after, one by one": (Questions(score_visibility="after", presentation="one_by_one"), "en"),
    "hidden, borderline": (Questions(score_visibility="hidden", sampling=every_scale.BORDERLINE), "zh-Hans"),
    "no rules": (Questions(rules=""), "en"),
}
ANSWERED = 25
"""Answers after which the rater withdraws."""


@on_sqlite
@pytest.mark.parametrize("way", WAYS)
def test_a_rater_can_open_every_page_at_every_step(
    way: str, visitor: Visitor, settings: Settings, database: Database, tmp_path: Path
) -> None:
    """From the invitation to the withdrawal, every address of raters is opened at every step that there is."""
    questions, language = WAYS[way]
    study = every_scale.make(database, settings, tmp_path, questions)
    link = raters.open_link(settings, study)
    browser = visitor()
    reader = Reader(browser)
    _open_all(reader, link, 1)
    browser.post(link, data={"name": "Ada"})
    browser.post("/language", data={"language": language})
    _open_all(reader, link, 1)
    steps = set()
    for number in range(ANSWERED):
        page = reader.open("/rate")
        if page.url.path not in steps or number == ANSWERED - 1:
            steps.add(page.url.path)
            _open_all(reader, link, _held(database, study))
            page = browser.get("/rate")
        _answer(browser, page, database, study, number)
    assert steps >= ({"/rate"} if way == "no rules" else set(STEPS))
    for state in ("paused", "closed", "open"):
        with database.writer() as db:
            lifecycle.change_state(db, lifecycle.by_slug(db, study.slug), state)
        _open_all(reader, link, 1)
    browser.post("/rate/return")
    _open_all(reader, link, 1)
    assert reader.wrong == []


STEPS = ("/rate/consent", "/rate/device", "/rate/guidelines", "/rate/training", "/rate/qualification", "/rate")


def _answer(browser: TestClient, page: Response, database: Database, study: Study, number: int) -> None:
    """Do what the page asks for: agree, tell about the device, start, or answer the clip."""
    at = page.url.path
    if at == "/rate/consent":
        text = re.search(r'name="text" value="(\w+)"', page.text)
        assert text
        browser.post(at, data={"agree": "yes", "text": text[1]})
    elif at == "/rate/device":
        told = {"script": True, "played": True, "width": 1000, "height": 800, "mbit": 9}
        browser.post(at, data={"told": json.dumps(told)})
    elif at == "/rate/guidelines":
        browser.post("/rate/start")
    elif (action := re.search(r'action="(/rate/(\d+))"', page.text)) is not None:
        stored = browser.post(action[1], data=_answer_form(database, study, int(action[2]), number))
        assert stored.status_code == 200, stored.text
        assert list(odd_words(stored)) == []


def _open_all(reader: Reader, link: str, held: int) -> None:
    for address in (address for listed in OF_RATER.values() for address in listed):
        reader.open(address.format(held=held, link=link))


def _held(database: Database, study: Study) -> int:
    """Number of the assignment before the rater; 1 where there is none."""
    with database.reader() as db:
        rater = db.scalars(select(Rater).where(col(Rater.study_id) == study.id)).one()
        have = assignments.held(db, rater)
        return have[0].assignment.id if have else 1


def _answer_form(database: Database, study: Study, assignment: int, step: int) -> dict[str, str | list[str]]:
    """The form as a browser sends it: tags come as several fields of one name."""
    with database.reader() as db:
        rater = db.scalars(select(Rater).where(col(Rater.study_id) == study.id)).one()
        asked = room.criteria_of(whole_study.parts(db, study.id), assignments.owned(db, rater, assignment))
    values = every_scale.answers(asked, random.Random(step))
    form: dict[str, str | list[str]] = {"submission": f"s{step}"}
    for item in asked:
        if item.scale == "tags":
            form[f"tag-{item.key}"] = json.loads(values[item.key] or "[]")
        else:
            form[f"answer-{item.key}"] = values[item.key]
    return form
