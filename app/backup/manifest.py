"""The manifest of an archive: what it holds, with the size and the SHA-256 of everything."""

from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.backup.home_files import KEY, is_kept
from app.errors import AppError

NAME = "manifest.json"

FORMAT = 1


def _of_a_home(path: str) -> str:
    if not is_kept(PurePosixPath(path)) or str(PurePosixPath(path)) != path:
        raise ValueError("this is no file of an installation")
    return path


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, lt=2**53)]
HomePath = Annotated[str, Field(max_length=1000), AfterValidator(_of_a_home)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableEntry(_Part):
    """A table: its rows, and the size and SHA-256 of its lines."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    rows: Size
    size: Size
    sha256: Sha256

    @property
    def member(self) -> str:
        """Its name in the archive."""
        return f"tables/{self.name}.ndjson"


class FileEntry(_Part):
    """A file of the home folder; `path` is relative to it, `modified` is in seconds since 1970."""

    path: HomePath
    size: Size
    sha256: Sha256
    modified: Annotated[float, Field(ge=0, lt=1e11, allow_inf_nan=False)] = 0.0

    @property
    def member(self) -> str:
        """Its name in the archive."""
        return f"files/{self.path}"


class KeyEntry(_Part):
    """Size and SHA-256 of the text of the signing keys."""

    size: Annotated[int, Field(ge=64, le=100_000)]
    sha256: Sha256


class PoolEntry(_Part):
    """Where a pool was: `written` is the path in the database and in drafts, `path` its file in the home folder.

    `inside` is True if the pool lay in the home folder.
    """

    written: str
    path: HomePath
    inside: bool


class Manifest(_Part):
    """What an archive holds.

    `installation` is the SHA-256 of the oldest signing key; `key` describes the signing keys, which are in the archive
    if `has_key` is true.
    """

    format: Literal[1]
    program: Literal["clipjury"]
    version: Annotated[str, Field(max_length=100)]
    revision: Annotated[str, Field(pattern=r"^\w{1,32}$")]
    database: Literal["sqlite", "postgresql"]
    made_at: Annotated[str, Field(max_length=40)]
    installation: Sha256
    key: KeyEntry
    has_key: bool
    has_media: bool
    tables: tuple[TableEntry, ...]
    files: tuple[FileEntry, ...]
    media: tuple[FileEntry, ...]
    pools: tuple[PoolEntry, ...]
    missing: tuple[str, ...]
    """Files that the installation names and that were not there."""

    @model_validator(mode="after")
    def _lists_everything_once(self) -> Self:
        parts = [*(table.member for table in self.tables), *(file.member for file in (*self.files, *self.media))]
        if len(set(parts)) != len(parts):
            raise ValueError("something is listed twice")
        if not {pool.path for pool in self.pools} <= {file.path for file in self.files}:
            raise ValueError("a pool is not among the files")
        return self

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    def packed_files(self) -> tuple[FileEntry, ...]:
        """The files whose content is in the archive."""
        return (*self.files, *self.media) if self.has_media else self.files

    def members(self) -> dict[str, int]:
        """The size of each member of the archive, by its name; without the manifest."""
        tables = {table.member: table.size for table in self.tables}
        files = {file.member: file.size for file in self.packed_files()}
        return tables | files | ({KEY: self.key.size} if self.has_key else {})


def parse(text: bytes) -> Manifest:
    """Read a manifest. Raises AppError if it is damaged or if a newer version of ClipJury wrote it."""
    try:
        return Manifest.model_validate_json(text)
    except (ValidationError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "too deep"}
        place = ".".join(str(part) for part in first["loc"])
        if place == "format" and "input" in first and isinstance(first["input"], int):
            raise AppError(
                "The archive has a format that this version of ClipJury does not know.",
                "A newer version made it: pip install --upgrade clipjury",
            ) from error
        raise AppError(f"The manifest of the archive is damaged ({place}: {first['msg']}).") from error
