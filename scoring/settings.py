"""Settings of a scoring run: detectors, the user's own model files, transcripts. They are part of every signature."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """How clips are scored. The same settings give the same numbers, in one process or on a cluster.

    - `faces`: the face detector. CenterFace needs its model file: `clipjury weights get centerface`.
    - `pose`: how the turn of the head is measured: by the face mesh (extra `pose`) or by the detector's five points.
    - `talkvid_compat`: sample frames as TalkVid's released code does, instead of at exact times.
    - `skip_nonreference`: decode only frames that others depend on; faster, without the scores that need every frame.
    - `weights`: the user's own model files by name (`scoring.weights.OWN_FILES`).
    - `transcripts`: a folder with a .vtt or .srt file named like each clip.
    - `text`: look for text in the picture (extra `text`), which takes about half a second per clip.
    """

    faces: Literal["yunet", "centerface"] = "yunet"
    pose: Literal["points", "mesh"] = "points"
    talkvid_compat: bool = False
    skip_nonreference: bool = False
    weights: tuple[tuple[str, Path], ...] = ()
    transcripts: Path | None = None
    text: bool = False

    def weight(self, name: str) -> Path | None:
        """The user's own file for a model, or None if none was given.

        >>> Settings(weights=(("dover", Path("d.onnx")),)).weight("dover")
        PosixPath('d.onnx')
        """
        return dict(self.weights).get(name)
