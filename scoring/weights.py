"""Model files: their names, hashes, licences, and the places where they are looked for."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

VENDORED = Path(__file__).parent / "weights"
PLACE = "CLIPJURY_WEIGHTS"
"""The environment variable naming a folder that is looked into before the vendored one."""


class WeightsError(Exception):
    """A model file is missing or is not the one it should be. The message names the file and the remedy."""


@dataclass(frozen=True)
class Weight:
    """A model file, known by the hash of its bytes: two files of one name are two models."""

    file: str
    sha256: str
    licence: str
    origin: str


YUNET = Weight(
    file="face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    licence="MIT",
    origin="OpenCV Zoo, models/face_detection_yunet (libfacedetection)",
)


def places() -> tuple[Path, ...]:
    """The folders searched, in order: the one named by CLIPJURY_WEIGHTS, if set, then the vendored one."""
    own = os.environ.get(PLACE)
    return (Path(own), VENDORED) if own else (VENDORED,)


def load(weight: Weight) -> bytes:
    """The bytes of a model file, taken from the first of `places()` that has it, its hash checked.

    Raises WeightsError when no place has the file, or when the one found has another hash: a wrong file in the
    user's own folder is said, never silently passed over.

    >>> len(load(YUNET))
    122489
    """
    path = next((place / weight.file for place in places() if (place / weight.file).is_file()), None)
    if path is None:
        looked = ", ".join(str(place) for place in places())
        raise WeightsError(
            f"The model file {weight.file} is missing (looked in {looked}). "
            f"Get it from {weight.origin} and put it into a folder named by {PLACE}."
        )
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != weight.sha256:
        raise WeightsError(
            f"{path} is not the expected model: its sha256 is {found}, not {weight.sha256}. "
            f"Get it again from {weight.origin}, or remove it."
        )
    return data
