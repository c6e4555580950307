"""The forms of other programs in which a study can be exported, and the folder that an export is written to."""

from collections.abc import Callable, Mapping
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


def form_named(name: str) -> Form:
    """The form with this name. Raises AppError, listing the names, if there is none."""
    for form in FORMS:
        if form == name:
            return form
    raise AppError(f"There is no form {name!r}.", f"Choose one of: {', '.join(FORMS)}.", status=404)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a new or empty folder. Raises AppError if the folder contains anything else."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise AppError(f"{folder} is there already.", "Name a new folder: -o PLACE")
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
