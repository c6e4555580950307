"""ClipJury behind nginx and behind Caddy, with TLS and the files of deploy/: raters, clips, forms, cookies, headers."""

import re
import threading
from email.utils import formatdate
from html import unescape
from pathlib import Path
from uuid import uuid4

import httpx2
import polars as pl
from sqlalchemy import func, select
from sqlmodel import col

from app import auth
from app.models import Assignment, Judgment, Rater, Study, StudyClip
from app.raters import raters
from app.routes.media import LAST_MODIFIED
from app.studies import lifecycle
from app.studies.media import address_of
from app.web.pages import CONTENT_POLICY
from tests.deploy.conftest import Visit
from tests.helpers.factories import NOON, form, tiny_video
from tests.helpers.proxies import PublicSite
from tests.helpers.raters_over_http import Log, join, work
from tests.helpers.waiting import PATIENCE, wait_until

ON_SCREEN = re.compile(r'data-media="([^"]+)"')
ACTION = re.compile(r'action="(/rate/\d+)"')
CLAIMS = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-For": "6.6.6.6",
    "Forwarded": "for=6.6.6.6;host=evil.example;proto=http",
}
RATERS = 3


def enter(visit: Visit, site: PublicSite, study: Study, name: str = "Ada") -> httpx2.Client:
    """A rater who came by the open link and has read the guidelines."""
    client = visit()
    assert client.post(raters.open_link(site.settings, study), data={"name": name}).status_code == 303
    assert client.post("/rate/start").status_code == 303
    return client


def on_screen(client: httpx2.Client) -> str:
    """Address of the clip on the rater's page."""
    found = ON_SCREEN.search(client.get("/rate").text)
    assert found
    return found.group(1)


def test_three_raters_rate_a_whole_study(site: PublicSite) -> None:
    """Each acknowledged answer is stored once, and the study is complete."""
    study = site.study_maker(clips=5, raters_per_clip=RATERS)
    logs = [Log() for _ in range(RATERS)]
    link, proxy = raters.open_link(site.settings, study), site.proxy
    clients = [join(proxy.base, link, f"Rater {number}", proxy.context) for number in range(RATERS)]
    threads = [
        threading.Thread(target=work, args=(client, log), kwargs={"cycles": 100, "seed": number})
        for number, (client, log) in enumerate(zip(clients, logs, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for client in clients:
        client.close()
    assert [problem for log in logs for problem in log.problems] == []
    acknowledged = sorted(pair for log in logs for pair in log.acknowledged)
    assert len(acknowledged) == 5 * RATERS
    with site.database.reader() as db:
        of_study = select(Judgment).join(Assignment).where(col(Assignment.study_id) == study.id)
        rows = db.scalars(of_study).all()
    assert sorted({(row.assignment_id, row.submission) for row in rows}) == acknowledged
    assert len(rows) == 3 * len(acknowledged)


def test_byte_ranges_have_the_etag_of_the_address(site: PublicSite, visit: Visit) -> None:
    """Whole clip, ranges, a range beyond the end and If-Range, by the proxy as by ClipJury itself."""
    rater = enter(visit, site, site.study_maker(clips=2))
    address = on_screen(rater)
    tag = f'"{address.removeprefix("/media/").removesuffix(".mp4")}"'
    whole = rater.get(address)
    size = len(whole.content)
    assert (whole.status_code, whole.headers["etag"], whole.headers["accept-ranges"]) == (200, tag, "bytes")
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["cache-control"] == "private, max-age=86400, immutable"
    for asked, first, last in (
        ("0-0", 0, 0),
        ("100-299", 100, 299),
        ("500-", 500, size - 1),
        ("-9", size - 9, size - 1),
    ):
        part = rater.get(address, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.headers["etag"]) == (206, tag), asked
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.content == whole.content[first : last + 1]
    same = {"Range": "bytes=0-9", "If-Range": tag}
    assert rater.get(address, headers=same).content == whole.content[:10]
    assert rater.get(address, headers=same | {"If-Range": '"other"'}).content == whole.content
    beyond = rater.get(address, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert rater.head(address).headers["etag"] == tag


def test_no_header_tells_a_repeat_from_a_first_showing(site: PublicSite, visit: Visit) -> None:
    """Two addresses of one clip have different ETags, and no header of any clip follows from the time of its file."""
    study = site.study_maker(clips=2, raters_per_clip=1)
    rater = enter(visit, site, study)
    on_screen(rater)
    with site.database.writer() as db:
        person = db.scalars(select(Rater).where(col(Rater.study_id) == study.id)).one()
        first = db.scalars(select(Assignment).where(col(Assignment.rater_id) == person.id)).first()
        assert first is not None
        clip = db.get_one(StudyClip, first.study_clip_id)
        repeat = Assignment(
            study_id=study.id,
            study_clip_id=clip.id,
            rater_id=person.id,
            place=-1,
            occasion=1,
            purpose="repeat",
            status="held",
            claimed_at=NOON,
        )
        db.add(repeat)
        db.flush()
        addresses = [address_of(one.id, clip.media_key) for one in (first, repeat)]
    once, again = (rater.get(address).headers for address in addresses)
    assert once["etag"] != again["etag"]
    assert once["last-modified"] == again["last-modified"] == LAST_MODIFIED
    asked = {"If-Modified-Since": file_time(site.settings.media / f"{clip.media_key}.mp4")}
    assert [rater.get(address, headers=asked).status_code for address in addresses] == [200, 200]
    assert {name for name in once if once[name] != again[name]} <= {"etag", "date", "x-request-id"}


def file_time(path: Path) -> str:
    """The modification time of a file as a header writes it."""
    return formatdate(path.stat().st_mtime, usegmt=True)


def test_a_rater_receives_nothing_that_is_hidden(site: PublicSite, visit: Visit) -> None:
    """No page, header or video contains a score, a stratum, a name of a file, or the random name of a clip."""
    study = site.study_maker(clips=2, raters_per_clip=1, scores=[61.4375, 93.8125])
    rater = enter(visit, site, study)
    received = []
    while found := ACTION.search((page := rater.get("/rate")).text):
        address = on_screen(rater)
        received += [page, rater.get(address), rater.get(address, headers={"Range": "bytes=0-99"})]
        received.append(rater.post(found.group(1), data=form(str(uuid4())), headers={"HX-Request": "true"}))
        assert received[-1].status_code == 200
    with site.database.reader() as db:
        keys = db.scalars(select(col(StudyClip.media_key)).where(col(StudyClip.study_id) == study.id)).all()
    hidden = ["secret-name", "61.4375", "93.8125", "avg_movement", "stratum", "X-Accel", *keys]
    assert len(received) == 8
    for answer in received:
        text = f"{answer.headers}".encode() + answer.content
        assert [word for word in hidden if word.encode() in text] == [], answer.url


def test_every_kind_of_answer_has_the_security_headers_once(
    site: PublicSite, visit: Visit, researcher: httpx2.Client
) -> None:
    """Pages, redirects, files, clips and refusals, from both processes; browsers are told once to use TLS only."""
    study = site.study_maker(clips=1)
    rater, nobody = enter(visit, site, study), visit()
    address = on_screen(rater)
    kinds = {
        ("page", 200): nobody.get("/"),
        ("researcher's page", 200): researcher.get("/studies"),
        ("redirect", 303): rater.get("/"),
        ("file", 200): nobody.get("/static/app.css"),
        ("missing", 404): nobody.get("/none"),
        ("signed out", 401): nobody.get("/studies"),
        ("clip", 200): rater.get(address),
        ("range", 206): rater.get(address, headers={"Range": "bytes=0-9"}),
        ("bad range", 416): rater.get(address, headers={"Range": "bytes=99999999-"}),
        ("clip of others", 401): nobody.get(address),
        ("internal location", 404): nobody.get(f"/_media/{'x' * 16}.mp4"),
    }
    assert {kind: got.status_code for kind, got in kinds.items()} == {kind: kind[1] for kind in kinds}
    wanted = {
        "content-security-policy": CONTENT_POLICY,
        "strict-transport-security": "max-age=31536000",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    assert all("x-request-id" in got.headers for kind, got in kinds.items() if kind[1] in (200, 206, 303))
    for kind, got in kinds.items():
        if kind[0] == "internal location" and site.settings.uds:
            continue  # nginx's own page, which says only that there is nothing
        assert {name: got.headers.get_list(name) for name in wanted} == {name: [wanted[name]] for name in wanted}, kind


def test_the_internal_location_of_clips_is_closed_to_everybody(
    site: PublicSite, visit: Visit, researcher: httpx2.Client
) -> None:
    """Neither a rater nor the researcher can ask for a file by its name; without a cookie a clip's address is 401."""
    study = site.study_maker(clips=1)
    rater = enter(visit, site, study)
    with site.database.reader() as db:
        key = db.scalars(select(col(StudyClip.media_key)).where(col(StudyClip.study_id) == study.id)).one()
    assert (site.settings.media / f"{key}.mp4").exists()
    names = (f"/_media/{key}.mp4", f"/%5fmedia/{key}.mp4", f"/static/../_media/{key}.mp4", f"//_media/{key}.mp4")
    assert {client.get(name).status_code for client in (visit(), rater, researcher) for name in names} == {404}
    assert visit().get(on_screen(rater)).status_code == 401


def test_cookies_are_secure_and_bound_to_the_host(site: PublicSite, visit: Visit) -> None:
    """Both roles' cookies have the prefix __Host-, Secure and HttpOnly, whatever scheme a header claims."""
    study = site.study_maker(clips=1)
    answers = [
        visit().get(f"/researcher/{auth.researcher_key(site.settings)}", headers=CLAIMS),
        visit().post(raters.open_link(site.settings, study), data={"name": "Ada"}, headers=CLAIMS),
    ]
    for answer in answers:
        cookie = answer.headers["set-cookie"]
        assert re.match(r"__Host-clipjury_(rater|researcher)_[0-9a-f]{8}=", cookie)
        assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_no_header_changes_a_link(site: PublicSite, researcher: httpx2.Client) -> None:
    """Links and redirects lead to the public URL, although the request claims another host and no TLS."""
    study = site.study_maker(clips=1, with_media=False)
    for claims in (CLAIMS, CLAIMS | {"Host": "evil.example"}):
        page = researcher.get(f"/studies/{study.slug}/raters", headers=claims)
        moved = researcher.get("/", headers=claims)
        for answer in (page, moved):
            assert "evil" not in f"{answer.headers}{answer.text}"
            assert "http://" not in answer.headers.get("location", "")
        if "Host" not in claims:
            assert f"{site.proxy.base}/join/" in page.text
            assert f"http://{site.proxy.base.removeprefix('https://')}" not in page.text


def test_a_list_of_raters_is_uploaded_and_its_links_open(
    site: PublicSite, visit: Visit, researcher: httpx2.Client
) -> None:
    """The CSV of links has https addresses, and each signs its rater in."""
    study = site.study_maker(clips=1)
    names = "name\n" + "".join(f"Rater {number} {'é' * 20}\n" for number in range(200))
    made = researcher.post(f"/studies/{study.slug}/raters/list", files={"names": ("names.csv", names)})
    lines = made.text.splitlines()
    assert (made.status_code, len(lines)) == (200, 201)
    links = [line.split(",")[1] for line in lines[1:]]
    assert all(link.startswith(f"{site.proxy.base}/join/") for link in links)
    assert visit().get(links[7]).headers["location"] == "/rate"


STUDY_FILE = """
name = "Behind a proxy"
guidelines = "Watch, then answer."
raters_per_clip = 1
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
bands = 2
clips = 4
"""


def test_a_pool_becomes_a_study_in_the_wizard(site: PublicSite, researcher: httpx2.Client) -> None:
    """Each form of the wizard is accepted through the proxy, and the study has the clips that the file asks for."""
    folder = site.settings.home / "pools"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one.mp4").write_bytes(tiny_video())
    frame = pl.DataFrame(
        {
            "clip": [f"c{number}" for number in range(8)],
            "media": ["one.mp4"] * 8,
            "source": [f"video-{number}" for number in range(8)],
            "duration": [1.0] * 8,
            "sharpness": [number * 12.5 for number in range(8)],
        }
    )
    frame.write_parquet(folder / "talks.parquet")
    chosen = re.search(r'name="pool" value="([0-9a-f]+)"', researcher.get("/studies/new").text)
    assert chosen
    address = researcher.post("/studies/new", data={"pool": chosen.group(1), "base": "acr"}).headers["location"]
    address = address.removesuffix("/filters")
    assert researcher.post(f"{address}/review", data={"text": STUDY_FILE}).status_code in (200, 303)
    assert researcher.post(f"{address}/make").status_code == 303
    making: list[str] = []

    def is_made() -> bool:
        making.append(unescape(researcher.get(f"{address}/making").text))
        return "Open it" in making[-1] or "not made" in making[-1]

    wait_until(is_made, "the study")
    assert "Open it" in making[-1]
    with site.database.reader() as db:
        study = lifecycle.by_slug(db, "behind-a-proxy")
        count = select(func.count()).select_from(StudyClip).where(col(StudyClip.study_id) == study.id)
        assert db.execute(count).scalar_one() == 4
