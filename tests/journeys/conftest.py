"""A generated study, opened once for all tests that only read it."""

from collections.abc import Iterator

import pytest

from tests.helpers.generated_study import Options
from tests.helpers.generated_study.homes import generated, signed_in
from tests.helpers.site_pages import Site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The generated study as it is when nothing is asked for."""
    with (
        generated(tmp_path_factory.mktemp("usual"), Options()) as made,
        signed_in(*made) as browser,
        made[0].reader() as db,
    ):
        yield Site(browser, db, f"/studies/{Options.slug}")
