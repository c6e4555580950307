"""The forms a study can be exported in, written as a folder or packed into a zip."""

import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Literal

from sqlmodel import Session

from app.errors import AppError
from app.exchange import hugging_face, label_studio
from app.models import Study

Form = Literal["label-studio", "huggingface"]
FORMS: dict[Form, Callable[[Session, Study], dict[str, bytes]]] = {
    "label-studio": label_studio.files,
    "huggingface": hugging_face.files,
}
ONE_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every file inside a zip: the earliest the format knows, so that the same files give the same zip."""
PACKED = (".png", ".pdf", ".parquet")
"""Endings of files that are packed already: packing them again costs time and saves nothing."""


def form_named(name: str) -> Form:
    """A form by its name. Raises AppError with the names there are."""
    for form in FORMS:
        if form == name:
            return form
    raise AppError(f"There is no form {name!r}.", f"Choose one of: {', '.join(FORMS)}.", status=404)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a new or empty folder. Raises AppError when other things are in it."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise AppError(f"{folder} is there already.", "Name a new folder: -o PLACE")
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


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
