"""Pack files into a zip file whose bytes depend on the files only."""

import zipfile
from collections.abc import Mapping
from io import BytesIO

ONE_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every file inside a zip: the earliest of the format, so that the same files give the same zip."""

COMPRESSED = (".png", ".pdf", ".parquet")
"""Endings of files that are compressed already: compressing them again costs time and saves no space."""


def zipped(files: Mapping[str, bytes], folder: str, comment: bytes = b"") -> bytes:
    """The files in one zip, inside one folder. The same files give the same bytes.

    >>> zipped({"a.txt": b"a"}, "x") == zipped({"a.txt": b"a"}, "x")
    True
    """
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.comment = comment
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", ONE_DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_STORED if name.endswith(COMPRESSED) else zipfile.ZIP_DEFLATED)
    return target.getvalue()
