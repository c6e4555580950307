"""Webhooks: delivered once when a study closes, signed, retried after failures, never into private networks."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.db import Database
from app.errors import AppError
from app.models import Event
from app.settings import Settings
from app.webhooks import calls, webhooks
from tests.helpers.factories import StudyMaker, answers
from tests.helpers.visitors import on_sqlite
from tests.helpers.waiting import wait_until
from tests.webhooks.receiver import Receiver, added, moved


def later(**length: float) -> datetime:
    """A moment from now."""
    return datetime.now(UTC) + timedelta(**length)


def test_a_closed_study_is_delivered_once_and_signed(
    study_maker: StudyMaker, database: Database, inside: Settings, receiver: Receiver
) -> None:
    """The body says what closed and when; the header has its HMAC-SHA256; there is no second delivery."""
    study = study_maker(clips=2, with_media=False)
    study_maker.rate(study, study_maker.rater(study), answers())
    key = added(database, inside, study, receiver.url)
    assert webhooks.deliver(database, inside) == []
    moved(database, study, "closed")
    assert webhooks.deliver(database, inside) == [(receiver.url, "answered 200")]
    [(path, headers, body)] = receiver.heard
    content = json.loads(body)
    assert path == "/closed?x=1"
    assert (content["event"], content["study"], content["judgments"]) == ("study.closed", study.slug, 3)
    expected = "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    assert headers["ClipJury-Signature"] == expected
    assert headers["Host"] == receiver.url.split("/")[2]
    assert webhooks.deliver(database, inside, at=later(days=9)) == []
    moved(database, study, "archived")
    assert webhooks.deliver(database, inside) == [(receiver.url, "answered 200")]
    assert json.loads(receiver.heard[1][2])["event"] == "study.archived"
    assert receiver.heard[1][1]["ClipJury-Delivery"] != headers["ClipJury-Delivery"]


@on_sqlite
def test_failed_deliveries_are_retried_with_the_same_body(
    study_maker: StudyMaker, database: Database, inside: Settings, receiver: Receiver
) -> None:
    """Status 500 and 404 are failures; each retry waits for its delay; body and delivery number stay the same."""
    study = study_maker(clips=1, with_media=False)
    added(database, inside, study, receiver.url)
    moved(database, study, "closed")
    receiver.answers += [500, 404]
    start = later(seconds=1)
    assert webhooks.deliver(database, inside, at=start) == [(receiver.url, "answered 500")]
    assert webhooks.deliver(database, inside, at=start + timedelta(seconds=9)) == []
    second = start + webhooks.RETRY_DELAYS[0]
    assert webhooks.deliver(database, inside, at=second) == [(receiver.url, "answered 404")]
    assert webhooks.deliver(database, inside, at=second + timedelta(seconds=59)) == []
    with database.reader() as db:
        assert webhooks.of_study(db, study)[0].state == "not told yet after 2 tries: answered 404"
    assert webhooks.deliver(database, inside, at=second + webhooks.RETRY_DELAYS[1]) == [(receiver.url, "answered 200")]
    assert len({body for _path, _headers, body in receiver.heard}) == 1
    assert len({headers["ClipJury-Delivery"] for _path, headers, _body in receiver.heard}) == 1


@on_sqlite
def test_a_delivery_is_given_up_after_the_last_retry(
    study_maker: StudyMaker, database: Database, inside: Settings, receiver: Receiver
) -> None:
    """After the last delay there are no more attempts, and the list says so."""
    study = study_maker(clips=1, with_media=False)
    added(database, inside, study, receiver.url)
    receiver.answers += [503] * 20
    moved(database, study, "closed")
    for number in range(len(webhooks.RETRY_DELAYS) + 3):
        webhooks.deliver(database, inside, at=later(days=2 * number + 1))
    assert len(receiver.heard) == len(webhooks.RETRY_DELAYS) + 1
    with database.reader() as db:
        assert webhooks.of_study(db, study)[0].state.startswith("given up after 8 tries")


@on_sqlite
def test_a_redirect_is_not_followed(
    study_maker: StudyMaker, database: Database, inside: Settings, receiver: Receiver
) -> None:
    """Status 302 is a failure; the address it names gets no request."""
    study = study_maker(clips=1, with_media=False)
    added(database, inside, study, receiver.url)
    moved(database, study, "closed")
    receiver.answers.append(302)
    assert webhooks.deliver(database, inside) == [(receiver.url, "answered 302")]
    assert [path for path, _headers, _body in receiver.heard] == ["/closed?x=1"]


@on_sqlite
def test_events_before_a_webhook_was_added_or_after_its_removal_are_not_delivered(
    study_maker: StudyMaker, database: Database, inside: Settings, receiver: Receiver
) -> None:
    """An earlier closing is not delivered; a removed webhook gets nothing."""
    study = study_maker(clips=1, with_media=False)
    moved(database, study, "closed")
    added(database, inside, study, receiver.url)
    assert webhooks.deliver(database, inside) == []
    moved(database, study, "open")
    moved(database, study, "closed")
    with database.writer() as db:
        webhooks.remove(db, study, receiver.url)
    assert webhooks.deliver(database, inside, at=later(days=1)) == []
    with database.writer() as db, pytest.raises(AppError, match="has no webhook"):
        webhooks.remove(db, study, receiver.url)


@on_sqlite
def test_the_secret_is_not_stored(
    study_maker: StudyMaker, database: Database, inside: Settings, receiver: Receiver
) -> None:
    """No event contains it; each webhook has another secret; the same address twice is an error."""
    study = study_maker(clips=1, with_media=False)
    first = added(database, inside, study, receiver.url)
    second = added(database, inside, study, receiver.url + "2")
    assert first != second
    with database.reader() as db:
        text = json.dumps([event.detail for event in db.scalars(select(Event)).all()])
    assert first not in text
    assert first.removeprefix("whsec_") not in text
    with pytest.raises(AppError, match="told already"):
        added(database, inside, study, receiver.url)


@on_sqlite
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost:8000/x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[64:ff9b::7f00:1]/x",
        "http://[2002:7f00:1::]/x",
        "http://0.0.0.0/x",
        "http://10.1.2.3/x",
        "http://192.168.1.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/x",
        "http://2130706433/x",
        "http://0x7f.1/x",
        "http://224.0.0.1/x",
        "https://[fe80::1]/x",
    ],
)
def test_private_addresses_are_refused(
    url: str, study_maker: StudyMaker, database: Database, settings: Settings
) -> None:
    """Loopback, private, link-local, shared, multicast, in every notation: neither stored nor called."""
    study = study_maker(clips=1, with_media=False)
    with pytest.raises(AppError, match="not public"):
        added(database, settings, study, url)
    assert not calls.post(url, b"{}", {}, private=False).ok


@on_sqlite
@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "https://", "file:///etc/passwd", "http://a b/", "http://u:p@93.184.215.14/", "x"]
)
def test_an_invalid_address_is_refused(
    url: str, study_maker: StudyMaker, database: Database, settings: Settings
) -> None:
    """Other schemes, missing hosts, blanks, passwords."""
    with pytest.raises(AppError):
        added(database, settings, study_maker(clips=1, with_media=False), url)


@on_sqlite
def test_an_address_that_became_private_is_not_called(
    study_maker: StudyMaker, database: Database, settings: Settings, inside: Settings, receiver: Receiver
) -> None:
    """Addresses are checked at every call: a server that does not allow private addresses refuses a stored one."""
    study = study_maker(clips=1, with_media=False)
    added(database, inside, study, receiver.url)
    moved(database, study, "closed")
    [(_url, words)] = webhooks.deliver(database, settings)
    assert "not public" in words
    assert receiver.heard == []


@on_sqlite
def test_the_server_delivers_webhooks_in_the_background(
    study_maker: StudyMaker,
    database: Database,
    inside: Settings,
    receiver: Receiver,
) -> None:
    """A study closed by any process is told by the running server within a few seconds."""
    study = study_maker(clips=1, with_media=False)
    added(database, inside, study, receiver.url)
    with webhooks.delivering(database, inside, every=0.05):
        moved(database, study, "closed")
        wait_until(lambda: bool(receiver.heard), "the delivery")
    assert len(receiver.heard) == 1
