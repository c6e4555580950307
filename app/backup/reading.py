"""Read an archive that may be damaged or hostile: nothing is believed that its manifest and digests do not bear out."""

import hashlib
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.backup import manifest as manifests
from app.backup import rows
from app.backup.home_files import KEY
from app.backup.manifest import NAME, FileEntry, Manifest, TableEntry
from app.errors import AppError

PIECE = 1 << 18
MAX_MANIFEST = 1 << 26
"""Bytes of the largest manifest that is read; a million files have less."""
MAX_LINE = 1 << 25
"""Bytes of the longest line of a table."""
MAX_RATIO = 200
"""How many times larger a member may be than its compressed form; rows of real studies reach 40."""
KEYS = re.compile(rb"[0-9a-f]{64}(\n[0-9a-f]{64})*")
ALWAYS_FINE = 1 << 20
"""Bytes up to which the ratio does not matter."""


class Damaged(Exception):
    """The archive is not what its manifest says."""


@dataclass(frozen=True)
class Archive:
    """An archive whose list of members is the one in its manifest. Their contents are checked while they are read."""

    path: Path
    manifest: Manifest
    opened: zipfile.ZipFile

    def lines(self, table: TableEntry) -> Iterator[bytes]:
        """The lines of a table. Raises Damaged, at the latest after the last line."""
        counted = rows.Digester()
        yield from counted.passing(_lines(self._pieces(table.member, table.size)))
        if counted.digest() != rows.Digest(table.rows, table.size, table.sha256):
            raise Damaged(f"{table.member} has another digest than the manifest")

    def pieces(self, file: FileEntry) -> Iterator[bytes]:
        """The content of a file. Raises Damaged, at the latest after the last piece."""
        digest, size = hashlib.sha256(), 0
        for piece in self._pieces(file.member, file.size):
            digest.update(piece)
            size += len(piece)
            yield piece
        if (size, digest.hexdigest()) != (file.size, file.sha256):
            raise Damaged(f"{file.member} has another digest than the manifest")

    def key(self) -> bytes | None:
        """The text of the signing keys, if the archive holds them. Raises Damaged if they are not what it says."""
        if not self.manifest.has_key:
            return None
        text = b"".join(self._pieces(KEY, self.manifest.key.size))
        if hashlib.sha256(text).hexdigest() != self.manifest.key.sha256:
            raise Damaged(f"{KEY} has another digest than the manifest")
        if not KEYS.fullmatch(text):
            raise Damaged(f"{KEY} holds no keys")
        return text

    def _pieces(self, name: str, size: int) -> Iterator[bytes]:
        with self.opened.open(name) as member:
            while piece := member.read(PIECE):
                size -= len(piece)
                if size < 0:
                    raise Damaged(f"{name} is longer than the manifest says")
                yield piece


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a text, each with its end; the last line must have one."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > MAX_LINE:
            raise Damaged("a line is too long")
        for line in whole:
            yield line + b"\n"
    if rest:
        raise Damaged("the last line of a table is cut off")


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive. Raises AppError, here and while it is read, if it is no archive, newer, damaged or hostile."""
    if not path.is_file():
        raise AppError(f"There is no file {path}.", "Name an archive that clipjury backup made.")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            yield Archive(path, _checked(archive, path.stat().st_size), archive)
    except Damaged as error:
        raise damaged(path, str(error)) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, UnicodeError) as error:
        raise damaged(path, str(error) or type(error).__name__) from error


def damaged(path: Path, why: str) -> AppError:
    """The error that names an archive and what is wrong with it."""
    return AppError(f"The archive {path.name} is damaged or was made by another program: {why}.", "Use another backup.")


def verify(path: Path) -> Manifest:
    """Read the whole archive and compare every digest. Raises AppError if something is wrong."""
    with opened(path) as archive:
        for table in archive.manifest.tables:
            for _line in archive.lines(table):
                pass
        for file in archive.manifest.packed_files():
            for _piece in archive.pieces(file):
                pass
        archive.key()
        return archive.manifest


def read_manifest(path: Path) -> Manifest:
    """The manifest of an archive. Raises AppError if it is none."""
    with opened(path) as archive:
        return archive.manifest


def _checked(archive: zipfile.ZipFile, size: int) -> Manifest:
    """The manifest, if the members are exactly those that it lists, plain files and not larger than they can be."""
    infos = archive.infolist()
    if sum(info.compress_size for info in infos) > size:
        raise Damaged("its members overlap")
    for info in infos:
        _refuse_odd(info)
    names = [info.filename for info in infos]
    if len(set(names)) != len(names):
        raise Damaged("a member is there twice")
    if NAME not in names or archive.getinfo(NAME).file_size > MAX_MANIFEST:
        raise Damaged(f"it has no {NAME}")
    with archive.open(NAME) as member:
        found = manifests.parse(member.read(MAX_MANIFEST))
    wanted = found.members() | {NAME: archive.getinfo(NAME).file_size}
    for info in infos:
        if info.filename not in wanted:
            raise Damaged(f"it holds {info.filename[:80]!r}, which its manifest does not list")
        if info.file_size != wanted[info.filename]:
            raise Damaged(f"{info.filename} has another size than the manifest says")
    if lacking := wanted.keys() - set(names):
        raise Damaged(f"it lacks {min(lacking)}")
    return found


def _refuse_odd(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or info.is_dir():
        raise Damaged(f"{info.filename[:80]!r} is no plain file")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Damaged(f"{info.filename[:80]!r} is packed in another way than clipjury packs")
    if info.file_size > ALWAYS_FINE and info.file_size > MAX_RATIO * info.compress_size:
        raise Damaged(f"{info.filename[:80]!r} would grow to {info.file_size} bytes")
