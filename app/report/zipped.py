"""Pack files into a zip whose bytes depend on the files alone."""

import zipfile
from collections.abc import Mapping
from io import BytesIO

ONE_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every file inside a zip: the earliest the format knows, so that the same files give the same zip."""

PACKED = (".png", ".pdf", ".parquet")
"""Endings of files that are packed already: packing them again costs time and saves nothing."""


def zipped(files: Mapping[str, bytes], folder: str, comment: bytes = b"") -> bytes:
    """The files in one zip, under a folder of their own. The same files give the same bytes.

    >>> zipped({"a.txt": b"a"}, "x") == zipped({"a.txt": b"a"}, "x")
    True
    """
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.comment = comment
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", ONE_DATE)
            entry.external_attr = 0o644 << 16
            made.writestr(entry, content, zipfile.ZIP_STORED if name.endswith(PACKED) else zipfile.ZIP_DEFLATED)
    return target.getvalue()
