"""What the scorers may be told: backends, the user's own model files, transcripts. Part of every score's signature."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """How clips are scored. The same settings give the same numbers, in one process or on a cluster.

    `faces` finds the faces (CenterFace needs its model file: `clipjury weights get centerface`); `pose` measures how
    the head is turned: from the face mesh (extra `pose`) or from YuNet's five points; `talkvid_compat` repeats the
    quirks of TalkVid's released code instead of exact times; `skip_nonreference` decodes only frames that others build
    on, quicker and without the scores that need every frame; `weights` are the user's own model files by name
    (`dover`, `cotracker`, `centerface`, `mesh`); `transcripts` is a folder with a .vtt or .srt named like the clip;
    `text` looks for text in the picture (extra `text`), about half a second more per clip.
    """

    faces: Literal["yunet", "centerface"] = "yunet"
    pose: Literal["points", "mesh"] = "points"
    talkvid_compat: bool = False
    skip_nonreference: bool = False
    weights: tuple[tuple[str, Path], ...] = ()
    transcripts: Path | None = None
    text: bool = False

    def weight(self, name: str) -> Path | None:
        """The user's own file for a model, if one was given.

        >>> Settings(weights=(("dover", Path("d.onnx")),)).weight("dover")
        PosixPath('d.onnx')
        """
        return dict(self.weights).get(name)
