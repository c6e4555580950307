"""Limits per client address: joining, and wrong links, keys and tokens. Raters who share an address can join."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app import api_tokens, auth
from app.db import Database
from app.main import create_app
from app.raters import raters
from app.settings import Settings
from app.web.rate_limits import TokenBuckets
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite

FROM = "X-Forwarded-For"


@contextmanager
def browsing(settings: Settings, database: Database, **numbers: int) -> Iterator[TestClient]:
    """A browser behind a trusted proxy, on a server with these limits."""
    changed = settings.model_copy(update={"trusted_proxy": "192.0.2.1", **numbers})
    with TestClient(
        create_app(changed, database=database), "http://127.0.0.1", follow_redirects=False, client=("192.0.2.1", 1)
    ) as browser:
        yield browser


@on_sqlite
def test_one_address_may_join_so_often_within_an_hour(
    settings: Settings, database: Database, study_maker: StudyMaker
) -> None:
    """Then 429, with the time to wait in words and in Retry-After; another address may still join."""
    link = raters.open_link(settings, study_maker(clips=1, with_media=False))
    with browsing(settings, database, joins_per_hour=3) as browser:

        def join(address: str) -> int:
            browser.cookies.clear()
            return browser.post(link, data={"name": "Ada"}, headers={FROM: address}).status_code

        assert [join("203.0.113.9") for _ in range(4)] == [303, 303, 303, 429]
        assert join("203.0.113.10") == 303
        assert join("6.6.6.6, 203.0.113.9") == 429, "an entry that the client wrote itself changes nothing"
        assert [join(f"2001:db8::{number}") for number in range(4)] == [303, 303, 303, 429], "one /64 is one client"
        assert join("2001:db8:0:1::1") == 303
        browser.cookies.clear()
        refused = browser.post(link, data={"name": "Ada"}, headers={FROM: "203.0.113.9"})
    assert 0 < int(refused.headers["retry-after"]) <= 1200
    assert "Try again in 20 minutes" in refused.text
    assert "content-security-policy" in refused.headers


@on_sqlite
def test_wrong_links_keys_and_tokens_are_limited_and_right_ones_cost_nothing(
    settings: Settings, database: Database, study_maker: StudyMaker
) -> None:
    """Each kind by itself; opening a right link a hundred times uses up no attempt."""
    link = raters.open_link(settings, study_maker(clips=1, with_media=False))
    with database.writer() as db:
        token = {"Authorization": f"Bearer {api_tokens.create(db, 'reader', ['read'])}"}
    wrong = {"Authorization": f"Bearer clipjury_{'x' * 32}"}
    with browsing(settings, database, attempts_per_hour=3) as browser:
        for _ in range(20):
            assert browser.get(link).status_code == 200
            assert browser.get("/api/v1/studies", headers=token).status_code == 200
            assert browser.get("/api/v1/studies").status_code == 401, "without a token it is no attempt"
        assert [browser.get("/join/wrong").status_code for _ in range(4)] == [404, 404, 404, 429]
        assert [browser.get("/api/v1/studies", headers=wrong).status_code for _ in range(4)] == [401, 401, 401, 429]
        limited = browser.get("/api/v1/studies", headers=wrong)
        assert limited.json()["error"].startswith("Too many wrong tokens")
        assert int(limited.headers["retry-after"]) > 0
        assert browser.get("/researcher/wrong").status_code == 403
        assert [browser.post("/sign-in", data={"key": "x"}).status_code for _ in range(3)] == [401, 401, 429]
        assert browser.get(f"/researcher/{auth.researcher_key(settings)}").status_code == 429, "a guess is not tried"


@on_sqlite
def test_no_way_of_writing_an_address_avoids_the_limits(settings: Settings, database: Database) -> None:
    """A line break at the end, which the key is compared without, or inside: each counts as a wrong key or link."""
    with browsing(settings, database, attempts_per_hour=2) as browser:
        assert [browser.get("/researcher/wrong%0A").status_code for _ in range(3)] == [403, 403, 429]
        assert [browser.get("/join/wr%0Aong").status_code for _ in range(3)] == [404, 404, 429]


@on_sqlite
def test_a_socket_for_ipv6_tells_clients_with_ipv4_addresses_apart(settings: Settings, database: Database) -> None:
    """It writes 198.51.100.7 as ::ffff:198.51.100.7, and all of these are in one /64 network."""
    with browsing(settings, database, attempts_per_hour=1) as browser:

        def attempt(address: str) -> int:
            return browser.get("/join/wrong", headers={FROM: address}).status_code

        assert [attempt("::ffff:198.51.100.7"), attempt("::ffff:198.51.100.8")] == [404, 404]
        assert [attempt("198.51.100.7"), attempt("::ffff:198.51.100.8")] == [429, 429]


@on_sqlite
def test_a_lecture_hall_behind_one_address_may_join(
    settings: Settings, database: Database, study_maker: StudyMaker
) -> None:
    """Three hundred students at once are within the default limit."""
    link = raters.open_link(settings, study_maker(clips=1, with_media=False))
    with browsing(settings, database) as browser:
        for number in range(300):
            browser.cookies.clear()
            assert browser.post(link, data={"name": f"Student {number}"}).status_code == 303


steps = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 4000), st.booleans()), max_size=60)


@given(per_hour=st.integers(1, 20), steps=steps)
def test_no_client_takes_more_than_a_bucket_and_its_refill(per_hour: int, steps: list[tuple[str, float, bool]]) -> None:
    """In any order of requests: at most the bucket and what was refilled; and the time to wait is enough."""
    buckets, now, taken = TokenBuckets(per_hour), 0.0, dict.fromkeys("abc", 0)
    for client, passed, comes_back in steps:
        now += passed
        wait = buckets.take(client, now=now)
        if wait and comes_back:
            now += wait + 1e-6
            wait = buckets.take(client, now=now)
            assert wait == 0
        taken[client] += wait == 0
        assert taken[client] <= per_hour + now * per_hour / 3600 + 1e-6


def test_the_memory_of_a_limit_is_bounded() -> None:
    """However many addresses come, the clients seen last are remembered."""
    buckets = TokenBuckets(1, max_clients=100)
    for number in range(10_000):
        buckets.take(str(number), now=0.0)
    assert len(buckets) == 100
    assert buckets.take("9999", now=0.0) > 0


def test_the_second_process_does_not_count_again(app: FastAPI) -> None:
    """The process for researchers' pages sees only what the first one has let through."""
    names = [one.cls.__name__ for one in app.user_middleware]  # type: ignore[attr-defined]  # each is a class
    assert "RateLimits" in names
    second = create_app(app.state.settings, database=app.state.database, second=True)
    assert "RateLimits" not in [one.cls.__name__ for one in second.user_middleware]  # type: ignore[attr-defined]
