"""Finding the ffmpeg program: the one that the user names, the one that is installed, or the one in a package."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

VARIABLE = "CLIPJURY_FFMPEG"
"""The environment variable with the path of an ffmpeg."""
NEEDED = "libx264"
"""The encoder that ffmpeg must have; in some Linux distributions it is missing."""


class FfmpegMissing(Exception):
    """There is no usable ffmpeg. The message says what to do."""


def find(environment: Mapping[str, str] = os.environ) -> Path:
    """The first ffmpeg that runs and has libx264: CLIPJURY_FFMPEG, then PATH, then the package imageio-ffmpeg.

    Raises FfmpegMissing if there is none. If CLIPJURY_FFMPEG is set, no other is tried.

    >>> find({"CLIPJURY_FFMPEG": "/nowhere/ffmpeg"})
    Traceback (most recent call last):
    scoring.video.ffmpeg.FfmpegMissing: CLIPJURY_FFMPEG names /nowhere/ffmpeg, which is no ffmpeg with libx264.
    """
    named = environment.get(VARIABLE)
    if named:
        if not _is_fit(Path(named)):
            raise FfmpegMissing(f"{VARIABLE} names {named}, which is no ffmpeg with {NEEDED}.")
        return Path(named)
    for path in _places(environment):
        if _is_fit(path):
            return path
    raise FfmpegMissing(
        f"There is no ffmpeg with {NEEDED} here. Install one: pip install 'clipjury[ffmpeg]', or set {VARIABLE}."
    )


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    found = shutil.which("ffmpeg", path=environment.get("PATH", ""))
    if found:
        yield Path(found)
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped]  # ships no type information
    except ImportError:
        return
    try:
        yield Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:  # the package has no ffmpeg for this machine
        return


def _is_fit(path: Path) -> bool:
    try:
        command = [str(path), "-hide_banner", "-loglevel", "error", "-encoders"]
        answer = subprocess.run(command, capture_output=True, timeout=30, check=False)  # noqa: S603 - the user's choice
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and NEEDED.encode() in answer.stdout
