"""The server's public address: what may be served where, and what links, cookies and headers say."""

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app import auth
from app.db import Database
from app.errors import AppError
from app.main import create_app
from app.raters import invite_list
from app.server import listening
from app.settings import Settings, load
from app.web.public_address import check, client_of, networks
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite

PUBLIC = "https://jury.example.org"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "0.0.0.0", "public_url": PUBLIC},
        {"public_url": f"{PUBLIC}/"},
        {"uds": "/run/clipjury/http.sock", "public_url": PUBLIC},
        {"host": "192.168.1.20", "insecure_http": True},
        {"host": "0.0.0.0", "insecure_http": True, "public_url": "http://192.168.1.20:8000"},
        {"public_url": "http://localhost:9000"},
        {"trusted_proxy": "10.0.0.5, 172.30.0.0/24, ::1"},
    ],
)
def test_these_settings_serve(options: dict[str, Any]) -> None:
    """Loopback, TLS at the public address, or an explicit permission to do without."""
    check(Settings(**options))


@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ({"host": "0.0.0.0"}, "reachable from other machines", "--public-url https://"),
        ({"host": "192.168.1.20"}, "unencrypted", "--insecure-http"),
        ({"host": "0.0.0.0", "public_url": "http://jury.example.org"}, "not encrypted", "https"),
        ({"host": "0.0.0.0", "insecure_http": True}, "links cannot name it", "--public-url http://"),
        ({"public_url": f"{PUBLIC}/jury"}, "a host name of its own", f"{PUBLIC}. "),
        ({"public_url": f"{PUBLIC}/?a=1"}, "a host name of its own", "Leave the path out"),
        ({"public_url": "jury.example.org"}, "is not an address", PUBLIC),
        ({"public_url": "ftp://jury.example.org"}, "is not an address", PUBLIC),
        ({"public_url": "https://me:secret@jury.example.org"}, "is not an address", PUBLIC),
        ({"public_url": "https://jury.example.org:99999"}, "is not an address", PUBLIC),
        ({"public_url": "https://jury .example.org"}, "is not an address", PUBLIC),
        ({"uds": "/run/clipjury/http.sock"}, "needs a public URL", "--public-url"),
        ({"trusted_proxy": "everybody"}, "not an address or a network", "172.30.0.0/24"),
        ({"trusted_proxy": "10.0.0.5/8"}, "not an address or a network", "172.30.0.0/24"),
    ],
)
def test_these_settings_are_refused_with_a_remedy(options: dict[str, Any], said: str, remedy: str) -> None:
    """People would be served at a wrong or unprotected address."""
    with pytest.raises(AppError) as refused:
        check(Settings(**options))
    assert said in refused.value.message
    assert remedy in refused.value.remedy


@on_sqlite
def test_links_come_from_the_public_url_and_never_from_a_header(
    settings: Settings, database: Database, study_maker: StudyMaker
) -> None:
    """Headers that claim another host or scheme change no link, no cookie and no redirect."""
    study = study_maker(clips=1, with_media=False)
    public = settings.model_copy(update={"public_url": PUBLIC})
    claims = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=http"}
    claims |= {"X-Forwarded-Proto": "http", "X-Forwarded-Prefix": "/evil", "X-Forwarded-For": "6.6.6.6"}
    with TestClient(create_app(public, database=database), "http://127.0.0.1", headers=claims) as browser:
        browser.get(f"/researcher/{auth.researcher_key(settings)}", follow_redirects=False)
        # The cookie is Secure, so this client, which speaks http, would not send it back.
        pair = browser.get(f"/researcher/{auth.researcher_key(settings)}", follow_redirects=False).headers["set-cookie"]
        page = browser.get(f"/studies/{study.slug}/raters", headers={"Cookie": pair.split(";")[0]})
    assert page.status_code == 200
    assert f"{PUBLIC}/join/" in page.text
    assert "evil" not in page.text
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert all(line.split(": ")[1].startswith(f"{PUBLIC}/") for line in invite_list.links(public, database))


@on_sqlite
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "10.0.0.1"])
def test_a_host_that_is_not_this_machine_is_refused(settings: Settings, database: Database, host: str) -> None:
    """Without a public URL only names of this machine are answered: no other site can make its name lead here."""
    with TestClient(create_app(settings, database=database), "http://127.0.0.1", headers={"Host": host}) as browser:
        answer = browser.get("/")
    assert answer.status_code == 421
    assert "--public-url" in answer.text


@on_sqlite
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9000", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_every_name_of_this_machine_is_answered(settings: Settings, database: Database, host: str) -> None:
    """At any port, because a tunnel may lead here. Nothing promises TLS."""
    with TestClient(create_app(settings, database=database), "http://127.0.0.1", headers={"Host": host}) as browser:
        answer = browser.get("/")
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers


addresses = st.ip_addresses().filter(lambda one: getattr(one, "ipv4_mapped", None) is None).map(str)
"""Those that are written in one way: a client at ::ffff:198.51.100.7 is the one at 198.51.100.7."""
entries = st.lists(addresses | st.text(max_size=20), max_size=6)


@given(peer=addresses, forwarded=entries)
def test_a_peer_that_is_not_trusted_is_the_client(peer: str, forwarded: list[str]) -> None:
    """Whatever it claims."""
    assert client_of(peer, forwarded, ()) == peer


@given(client=addresses, claimed=entries, proxies=st.lists(st.integers(1, 254), min_size=1, max_size=4))
def test_the_client_is_the_last_address_that_is_not_a_proxy(
    client: str, claimed: list[str], proxies: list[int]
) -> None:
    """Entries that the client wrote itself stand left of its address and are ignored."""
    trusted = networks("10.9.8.0/24")
    if ip_address(client) in trusted[0]:
        return
    chain = [client, *(f"10.9.8.{number}" for number in proxies)]
    assert client_of(chain[-1], [*claimed, ", ".join(chain[:-1])], trusted) == client


@pytest.mark.parametrize(
    ("forwarded", "client"), [([], "local"), (["6.6.6.6, 203.0.113.9"], "203.0.113.9"), (["x"], "local")]
)
def test_a_proxy_behind_the_unix_socket_is_trusted(forwarded: list[str], client: str) -> None:
    """Only a proxy on this machine can open it; its last entry is the client."""
    assert client_of(None, forwarded, ()) == client


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "a b"}, "The option --host is 'a b': an address looks like 127.0.0.1 or 0.0.0.0. Correct it."),
        ({"uds": "x" * 101}, "has at most 100 characters"),
        (
            {},
            "The setting CLIPJURY_MEDIA_ACCEL is 'media': the internal location of nginx looks like /_media/. Correct",
        ),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_given(
    options: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option by its name on the command line, a setting by its name in the environment, with an example."""
    if not options:
        monkeypatch.setenv("CLIPJURY_MEDIA_ACCEL", "media")
    with pytest.raises(AppError) as refused:
        load(**options)
    assert said in str(refused.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.9"])
def test_a_host_that_is_not_of_this_machine_is_named(host: str) -> None:
    """The message speaks of the address and not of another ClipJury that might be running."""
    with (
        pytest.raises(AppError, match=f"This machine has no address {host}") as refused,
        listening(Settings(host=host)),
    ):
        pass
    assert "--public-url" in refused.value.remedy
