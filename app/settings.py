"""Where things lie and how the server behaves: read once from the environment, never changed afterwards."""

import secrets
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import AppError

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

    lease_minutes: float = 20.0
    """How long a clip stays reserved for a rater who has gone silent."""

    pool_size: int = 10
    """Database connections held open."""

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
            self.home.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(secrets.token_hex(32))
            return bytes.fromhex(path.read_text().strip())
        except (OSError, ValueError) as error:
            raise AppError(
                f"The signing key {path} cannot be used ({error}).",
                "Make the folder writable, or name another with CLIPJURY_HOME; a new key ends all sessions.",
            ) from error
