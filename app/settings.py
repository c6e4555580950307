"""Settings of one installation, read once from environment variables `CLIPJURY_*`."""

import os
import secrets
import tempfile
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import AppError

LOOPBACK = "127.0.0.1"
"""The address that is reachable from this machine only."""

HERE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """Path of the folder `templates` or `static`: in `app/_data/` of a wheel, next to `app/` in a checkout."""
    packed = HERE / "_data" / name
    return packed if packed.is_dir() else HERE.parent / name


class Settings(BaseSettings):
    """All settings, each read from `CLIPJURY_<NAME>`. The defaults suit a single machine."""

    model_config = SettingsConfigDict(env_prefix="CLIPJURY_", frozen=True, extra="ignore")

    home: Path = Path("clipjury-data")
    """Folder of the database, the prepared clips and the signing key."""

    database_url: str = ""
    """`postgresql+psycopg://...`; empty means SQLite in `home`."""

    database_password_file: str = Field(default="", max_length=1000)
    """File with the password of PostgreSQL's user, which then stays out of `database_url` and of the environment."""

    host: str = Field(default=LOOPBACK, max_length=255, pattern=r"^[A-Za-z0-9_.:-]+$")
    """Address the server listens on; 0.0.0.0 means every address of this machine."""

    port: int = Field(default=8000, ge=0, le=65_535)
    """Port the server listens on; 0 takes a free one."""

    uds: str = Field(default="", max_length=100)
    """Path of a Unix socket to listen on instead of `host` and `port`, for a reverse proxy on this machine."""

    public_url: str = Field(default="", max_length=300)
    """The address that people open: `https://jury.example.org`. Empty means `http://HOST:PORT`."""

    trusted_proxy: str = Field(default="", max_length=1000)
    """Addresses or networks of reverse proxies, separated by commas, whose X-Forwarded-For names the client."""

    insecure_http: bool = False
    """True to serve other machines without TLS: everybody on the network can then read links and answers."""

    media_accel: str = Field(default="", max_length=100, pattern=r"^(/[A-Za-z0-9_-]+/)?$")
    """Internal location of nginx from which it sends the clips itself, as `/_media/`; empty sends them from here."""

    lease_minutes: float = Field(default=20.0, gt=0, le=100_000, allow_inf_nan=False)
    """Minutes for which a clip stays reserved for a rater who does not answer."""

    pool_size: int = Field(default=10, ge=1)
    """Database connections that are kept open."""

    researcher_process: bool = True
    """True to serve researchers' pages from a second process: computing statistics then does not slow raters down."""

    spare_process: bool = True
    """True to keep a loaded spare of that process, which takes over within a second; False saves its memory."""

    joins_per_hour: int = Field(default=600, ge=1)
    """Raters who may join from one client address within an hour; all of them may come at once.

    A university may have one address for everybody, so this is far more than a household needs.
    """

    attempts_per_hour: int = Field(default=300, ge=1)
    """Wrong researcher keys, wrong invite links and wrong API tokens, of each kind, that one address may send."""

    revisions_per_hour: int = Field(default=30, ge=1)
    """Times that a rater may change one answer within an hour."""

    read_memory_gb: float = Field(default=4.0, ge=0.1, le=10_000)
    """Gigabytes of memory that a command may use to read the tables and records you name."""

    read_minutes: float = Field(default=30.0, gt=0, le=100_000)
    """Minutes that reading them may take."""

    log_level: Literal["", "info", "warning"] = ""
    """`info` logs every request, `warning` only problems; empty is `warning` on a terminal and `info` elsewhere."""

    webhooks_private: bool = False
    """True if webhooks may call addresses in private networks."""

    @property
    def lease(self) -> timedelta:
        """`lease_minutes` as a `timedelta`."""
        return timedelta(minutes=self.lease_minutes)

    @property
    def database(self) -> str:
        """The URL that SQLAlchemy connects to."""
        if not self.database_url:
            return f"sqlite:///{self.home.resolve() / 'clipjury.db'}"
        if not self.database_password_file:
            return self.database_url
        return _with_password(self.database_url, Path(self.database_password_file))

    @property
    def address(self) -> str:
        """The start of every link, without a slash at its end: the public URL, or where this machine is served."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def https(self) -> bool:
        """True if people reach the server through TLS."""
        return self.public_url.startswith("https://")

    @property
    def media(self) -> Path:
        """Folder of the prepared clips, under random names."""
        return self.home / "media"

    @property
    def key(self) -> bytes:
        """The key that signs sessions and invite links."""
        return self.keys[0]

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """The key that signs, then those it has replaced, one per line of `signing.key`.

        The file is created once, readable by its owner only. Raters' sessions, open links and webhooks made with an
        earlier key stay valid as long as the file keeps it.
        """
        path = self.key_file
        try:
            if not path.exists():
                write_keys(path, (secrets.token_bytes(KEY_BYTES),), replace=False)
            keys = tuple(bytes.fromhex(line) for line in path.read_text().split())
        except (OSError, ValueError) as error:
            raise AppError(
                f"The signing key {path} cannot be used ({error}).",
                "Make the folder writable, or name another with CLIPJURY_HOME.",
            ) from error
        lengths = [len(key) for key in keys if len(key) != KEY_BYTES]
        if lengths or not keys:
            raise AppError(
                f"The signing key {path} is damaged: it holds {sum(lengths)} bytes instead of {KEY_BYTES}.",
                "Put the right file back; or remove it for a new key, which ends all sessions and changes all links.",
            )
        return keys

    @property
    def key_file(self) -> Path:
        """The file of the signing keys."""
        return self.home / "signing.key"


KEY_BYTES = 32


def _with_password(url: str, file: Path) -> str:
    """The database's address with the password in a file. Raises AppError if there is no such file."""
    from sqlalchemy import make_url  # here, because `clipjury --help` needs no database
    from sqlalchemy.exc import ArgumentError

    try:
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AppError(
            f"The password file {file} cannot be read ({error}).",
            "Correct CLIPJURY_DATABASE_PASSWORD_FILE, and let the user who runs ClipJury read the file.",
        ) from error
    try:
        return make_url(url).set(password=password).render_as_string(hide_password=False)
    except ArgumentError:
        return url  # it is refused, with what it should look like, where it is opened


def write_keys(path: Path, keys: tuple[bytes, ...], *, replace: bool) -> None:
    """Write the signing keys atomically, readable by their owner only.

    Unless `replace`, keys that another process has just written are kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write("\n".join(key.hex() for key in keys))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(name).replace(path)
        with suppress(FileExistsError, FileNotFoundError):
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


LOOKS_LIKE = {
    "host": "an address looks like 127.0.0.1 or 0.0.0.0",
    "media_accel": "the internal location of nginx looks like /_media/",
    "uds": "the path of a socket has at most 100 characters, as /run/clipjury/http.sock",
    "insecure_http": "write true or false",
    "port": "a port is a number from 0 to 65535",
}
"""What a setting looks like, where the general message would not help."""


def load(**options: Any) -> Settings:
    """Read the settings from the environment; options of the command line that are not None come first.

    Raises AppError that names the first invalid setting.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        option = f"--{name.replace('_', '-')}"
        is_option = options.get(name) is not None
        raise AppError(
            f"{f'The option {option}' if is_option else f'The setting CLIPJURY_{name.upper()}'} is {first['input']!r}: "
            f"{LOOKS_LIKE.get(name, first['msg'])}.",
            "Correct it." if is_option else "Correct it or take it out of the environment.",
        ) from error
