"""The signing keys of an installation: what an archive says about them, and whether a home folder has them."""

import hashlib
from pathlib import Path

from app.backup.manifest import KeyEntry
from app.errors import AppError
from app.settings import Settings


def text_of(settings: Settings) -> bytes:
    """The signing keys as an archive holds them: the newest first, each on a line of hexadecimal digits."""
    return _text(settings.keys)


def entry_of(settings: Settings) -> KeyEntry:
    """Size and SHA-256 of the signing keys, by which an archive says which keys belong to it."""
    text = text_of(settings)
    return KeyEntry(size=len(text), sha256=hashlib.sha256(text).hexdigest())


def installation_of(settings: Settings) -> str:
    """SHA-256 of the oldest signing key: it stays the same when the key is rotated."""
    return hashlib.sha256(settings.keys[-1]).hexdigest()


def has_keys(home: Path, entry: KeyEntry) -> bool:
    """True if the home folder has the keys of an archive, whether or not they were rotated since."""
    try:
        keys = Settings(home=home).keys if (home / "signing.key").exists() else ()
    except AppError:
        return False
    return any(hashlib.sha256(_text(keys[start:])).hexdigest() == entry.sha256 for start in range(len(keys)))


def _text(keys: tuple[bytes, ...]) -> bytes:
    return "\n".join(key.hex() for key in keys).encode()
