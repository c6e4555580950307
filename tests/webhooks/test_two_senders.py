"""Several servers on one database: each delivery is sent by one of them, also after one of them dies."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.db import Database
from app.models import now
from app.settings import Settings
from app.studies import lifecycle
from app.webhooks import webhooks
from tests.helpers.factories import StudyMaker
from tests.helpers.waiting import wait_until
from tests.webhooks.receiver import Receiver, added, moved

HOOKS = 6


@pytest.fixture
def second(database_url: str) -> Iterator[Database]:
    """The database as another server opens it."""
    made = Database(database_url)
    yield made
    made.dispose()


def _deliver(url: str, settings: Settings) -> None:
    webhooks.deliver(Database(url), settings)


def deliveries(receiver: Receiver) -> Counter[str]:
    """How often each delivery was received, by its number."""
    return Counter(headers["ClipJury-Delivery"] for _path, headers, _body in receiver.heard)


def test_two_servers_send_each_delivery_once(
    study_maker: StudyMaker, database: Database, second: Database, inside: Settings, receiver: Receiver
) -> None:
    """Both look at the same moment, several times: every delivery arrives once, and both servers know of it."""
    study = study_maker(clips=1, with_media=False)
    for number in range(HOOKS):
        added(database, inside, study, f"{receiver.url}{number}")
    moved(database, study, "closed")
    start = threading.Barrier(2)

    def look(server: Database) -> list[tuple[str, str]]:
        start.wait()
        return [told for _ in range(3) for told in webhooks.deliver(server, inside)]

    with ThreadPoolExecutor(2) as servers:
        told = [one for found in servers.map(look, (database, second)) for one in found]
    assert sorted(told) == [(f"{receiver.url}{number}", "answered 200") for number in range(HOOKS)]
    assert set(deliveries(receiver).values()) == {1}
    assert len(deliveries(receiver)) == HOOKS


def test_a_delivery_is_left_to_the_server_that_is_sending_it(
    study_maker: StudyMaker, database: Database, second: Database, inside: Settings, receiver: Receiver
) -> None:
    """While a receiver keeps one server waiting, another server sends nothing; a failure is retried as planned."""
    study = study_maker(clips=1, with_media=False)
    added(database, inside, study, receiver.url)
    moved(database, study, "closed")
    receiver.answers.append(500)
    receiver.may_answer.clear()
    with ThreadPoolExecutor(1) as server:
        sending = server.submit(webhooks.deliver, database, inside)
        wait_until(lambda: bool(receiver.heard), "the delivery")
        assert webhooks.deliver(second, inside) == []
        receiver.may_answer.set()
        assert sending.result() == [(receiver.url, "answered 500")]
    assert webhooks.deliver(second, inside) == []
    again = now() + webhooks.RETRY_DELAYS[0]
    assert webhooks.deliver(second, inside, at=again) == [(receiver.url, "answered 200")]
    assert list(deliveries(receiver).values()) == [2], "the same number twice"


def test_a_delivery_of_a_server_that_died_is_sent_again(
    study_maker: StudyMaker, database: Database, inside: Settings, receiver: Receiver
) -> None:
    """A server is killed while it sends: another one waits for the claim to lapse, then sends the same delivery."""
    study = study_maker(clips=1, with_media=False)
    added(database, inside, study, receiver.url)
    moved(database, study, "closed")
    receiver.may_answer.clear()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["app.server", "tests.helpers.servers", "tests.helpers.commands"])
    process = context.Process(target=_deliver, args=(database.url, inside))
    process.start()
    wait_until(lambda: bool(receiver.heard), "the delivery")
    process.kill()
    process.join()
    receiver.may_answer.set()
    claimed = now()
    assert webhooks.deliver(database, inside) == []
    assert webhooks.deliver(database, inside, at=claimed + timedelta(seconds=20)) == []
    with database.reader() as db:
        assert webhooks.of_study(db, lifecycle.by_slug(db, study.slug))[0].state == "nothing told yet"
    lapsed = claimed + webhooks.CLAIM_LAPSES
    assert webhooks.deliver(database, inside, at=lapsed) == [(receiver.url, "answered 200")]
    assert list(deliveries(receiver).values()) == [2], "the receiver knows the repeat by its number"
    assert len({body for _path, _headers, body in receiver.heard}) == 1
    assert webhooks.deliver(database, inside, at=lapsed + timedelta(days=9)) == []
