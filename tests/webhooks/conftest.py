"""Fixtures: a receiver, and settings that allow its address."""

from collections.abc import Iterator

import pytest

from app.settings import Settings
from tests.webhooks.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on this machine."""
    made = Receiver()
    yield made
    made.end()


@pytest.fixture
def inside(settings: Settings) -> Settings:
    """Settings that allow addresses of this machine."""
    return settings.model_copy(update={"webhooks_private": True})
