"""Fixtures: ClipJury behind a real nginx and behind a real Caddy, with TLS."""

from collections.abc import Callable, Iterator

import httpx2
import pytest

from app import auth
from tests.helpers.proxies import PublicSite, public_site
from tests.helpers.waiting import PATIENCE

Visit = Callable[[], httpx2.Client]
"""Makes a client of the site that trusts its certificate and has cookies of its own."""


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublicSite]:
    """The site behind each proxy in turn, for all tests of a module."""
    with public_site(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture
def visit(site: PublicSite) -> Iterator[Visit]:
    """Makes clients that are not signed in."""
    opened: list[httpx2.Client] = []

    def make() -> httpx2.Client:
        client = httpx2.Client(base_url=site.proxy.base, verify=site.proxy.context, timeout=PATIENCE, trust_env=False)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def researcher(site: PublicSite, visit: Visit) -> httpx2.Client:
    """The researcher, signed in."""
    client = visit()
    assert client.get(f"/researcher/{auth.researcher_key(site.settings)}").status_code == 303
    return client
