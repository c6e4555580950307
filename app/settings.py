"""Where things lie and how the server behaves: read once from the environment, never changed afterwards."""

import os
import secrets
import tempfile
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import AppError

HOST = "127.0.0.1"
"""Where the server listens: this machine alone."""

HERE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The folder `templates`, `static`: inside the wheel `app/_data/`, in a checkout beside `app/`."""
    packed = HERE / "_data" / name
    return packed if packed.is_dir() else HERE.parent / name


class Settings(BaseSettings):
    """All settings, each from `CLIPJURY_<NAME>`; defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="CLIPJURY_", frozen=True, extra="ignore")

    home: Path = Path("clipjury-data")
    """Folder of the database, the clips made ready for browsers, and the signing key."""

    database_url: str = ""
    """`postgresql+psycopg://...`; empty means SQLite in `home`."""

    lease_minutes: float = Field(default=20.0, gt=0, le=100_000, allow_inf_nan=False)
    """How long a clip stays reserved for a rater who has gone silent."""

    pool_size: int = Field(default=10, ge=1)
    """Database connections held open."""

    researcher_process: bool = True
    """Whether researchers' pages have a process of their own: statistics then slow no rater, for some memory."""

    webhooks_private: bool = False
    """Whether webhooks may call addresses inside this machine's own networks."""

    @property
    def lease(self) -> timedelta:
        """`lease_minutes` as a length of time."""
        return timedelta(minutes=self.lease_minutes)

    @property
    def database(self) -> str:
        """The address SQLAlchemy connects to."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'clipjury.db'}"

    @property
    def media(self) -> Path:
        """Folder of the clips as raters' browsers get them, under names that tell nothing."""
        return self.home / "media"

    @cached_property
    def key(self) -> bytes:
        """The key that signs sessions and invite links; made once, readable by its owner only."""
        path = self.home / "signing.key"
        try:
            if not path.exists():
                _make_key(path)
            key = bytes.fromhex(path.read_text().strip())
        except (OSError, ValueError) as error:
            raise AppError(
                f"The signing key {path} cannot be used ({error}).",
                "Make the folder writable, or name another with CLIPJURY_HOME.",
            ) from error
        if len(key) != KEY_BYTES:
            raise AppError(
                f"The signing key {path} is damaged: it holds {len(key)} bytes instead of {KEY_BYTES}.",
                "Put the right file back; or remove it for a new key, which ends all sessions and changes all links.",
            )
        return key


KEY_BYTES = 32


def _make_key(path: Path) -> None:
    """Write the key whole or not at all, readable by its owner only; a key somebody made meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES))
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def load() -> Settings:
    """The settings of the environment, or a sentence that names the wrong one."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise AppError(
            f"The setting CLIPJURY_{str(first['loc'][0]).upper()} is {first['input']!r}: {first['msg']}.",
            "Correct it or take it out of the environment.",
        ) from error
