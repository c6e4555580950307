"""Prepare clips for raters' browsers: copies under random names that carry no metadata."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from PIL import Image

from app.errors import AppError
from app.limited_process import GIGABYTE, Limits, run_limited
from app.models import PreparedClip
from app.pools.pool_files import Pool
from app.private_files import readable_as_its_folder
from app.settings import Settings
from scoring.video.packets import DecodingTimes, Upright, is_lying, shape_of
from scoring.video.reading import DECODER_OPTIONS, Unreadable, refuse_by_name

Item = TypeVar("Item")
CopyClip = Callable[[Path, Path], None]
"""Writes a copy for browsers: from the first file to the second."""

PLAYABLE_PIXELS = frozenset({"yuv420p", "yuvj420p"})
SOUNDS_OF_MP4 = frozenset({"aac", "mp3", "opus", "flac"})
"""Audio codecs that browsers play in an MP4 file. They are copied; others are re-encoded."""

MADE_AT = 1_700_000_000
"""Modification time of every prepared clip: `Last-Modified` must not reveal the order of preparation."""


LIMITS = Limits(seconds=600, memory=4 * GIGABYTE, written=4 * GIGABYTE)
"""For one clip. Encoding a long 4K clip takes minutes, and 8K takes gigabytes."""


def new_key() -> str:
    """A random name for a clip."""
    return secrets.token_urlsafe(12)


def prepare(source: Path, target: Path) -> None:
    """Write a copy for browsers: MP4 that starts to play at once, without metadata in the container or the stream.

    H.264 in 4:2:0 is copied packet by packet; anything else is re-encoded. The clip is read in a child process with
    limits. Raises AppError that names the file.
    """
    try:
        run_limited(LIMITS, f"The clip {source.name}", prepare_here, source, target)
    finally:
        target.with_suffix(".part").unlink(missing_ok=True)


def prepare_here(source: Path, target: Path) -> None:
    """Write the copy of `prepare` in this process, without limits. Raises AppError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    try:
        refuse_by_name(source)
        with (
            av.open(str(source.absolute()), options=DECODER_OPTIONS) as given,
            av.open(str(half), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as made,
        ):
            _copy_or_encode(given, made)
        os.utime(half, (MADE_AT, MADE_AT))
        readable_as_its_folder(half)
        os.replace(half, target)  # noqa: PTH105 - atomic on every system
    except (Unreadable, FFmpegError, OSError, ValueError, IndexError) as error:
        half.unlink(missing_ok=True)
        raise AppError(
            f"The clip {source.name} cannot be made ready for browsers ({error}).",
            "Does it play in a video player? Take it out of the pool, or convert it to H.264 MP4.",
        ) from error


def encode_anew(source: Path, target: Path, draw: Callable[[Image.Image], Image.Image]) -> None:
    """Write a copy of a clip with something drawn into every frame; sound and timing stay. Raises AppError.

    The copy contains the encoder's metadata: call `prepare_here` before raters get it. Only for a child process with
    limits.
    """
    try:
        refuse_by_name(source)
        with (
            av.open(str(source.absolute()), options=DECODER_OPTIONS) as given,
            av.open(str(target), "w", format="mp4") as made,
        ):
            _encode_picture(given, made, given.streams.video[0], draw)
    except (Unreadable, FFmpegError, OSError, ValueError, IndexError) as error:
        raise AppError(f"The clip {source.name} cannot be drawn into ({error}).", "Take it out of the pool.") from error


def _copy_or_encode(given: av.container.InputContainer, made: av.container.OutputContainer) -> None:
    picture = given.streams.video[0]
    if picture.codec_context.name == "h264" and picture.codec_context.pix_fmt in PLAYABLE_PIXELS:
        _copy_picture(given, made, picture)
    else:
        _encode_picture(given, made, picture)


def _copy_picture(
    given: av.container.InputContainer, made: av.container.OutputContainer, picture: av.video.stream.VideoStream
) -> None:
    video = made.add_stream_from_template(picture)
    video.metadata.clear()
    sound = next(iter(given.streams.audio), None)
    copied = sound is not None and sound.codec_context.codec.canonical_name in SOUNDS_OF_MP4
    audio: Any = None
    if sound is not None:
        audio = made.add_stream_from_template(sound) if copied else made.add_stream("aac", rate=sound.rate)
    # Encoders write their settings (x264: also the compression strength) into SEI units, which raters must not see.
    without_notes = BitStreamFilterContext("filter_units=remove_types=6", picture, video)
    times = DecodingTimes()
    packets = given.demux([one for one in (picture, sound) if one])
    for packet in (packet for packet in packets if packet.size):  # packets without size mark the end of a stream
        if packet.stream is picture:
            for due in times.of(packet):
                for clean in without_notes.filter(due):
                    clean.stream = video
                    made.mux(clean)
        elif copied:
            packet.stream = audio
            made.mux(packet)
        else:
            for frame in packet.decode():
                made.mux(audio.encode(frame))
    for clean in without_notes.filter(None):
        clean.stream = video
        made.mux(clean)
    if audio is not None and not copied:
        made.mux(audio.encode(None))


def _encode_picture(
    given: av.container.InputContainer,
    made: av.container.OutputContainer,
    picture: av.video.stream.VideoStream,
    draw: Callable[[Image.Image], Image.Image] | None = None,
) -> None:
    video = made.add_stream("libx264", rate=picture.average_rate or 25)
    video.pix_fmt = "yuv420p"
    video.options = {"crf": "16", "preset": "veryfast"}
    video.codec_context.time_base = Fraction(picture.time_base or 1)  # frames of variable length keep their times
    sound = next(iter(given.streams.audio), None)
    audio = made.add_stream("aac", rate=sound.rate) if sound else None
    upright: Upright | None = None
    latest: int | None = None
    for frame in given.decode([one for one in (picture, sound) if one]):
        if isinstance(frame, av.VideoFrame):
            if upright is None:
                size = (frame.height, frame.width) if is_lying(frame) else (frame.width, frame.height)
                video.width, video.height = (side // 2 * 2 for side in size)
                video.codec_context.sample_aspect_ratio = shape_of(picture, lying=is_lying(frame))
                upright = Upright(picture, video.width, video.height)
            if frame.pts is not None and (latest is None or frame.pts > latest):  # others no player shows either
                latest = frame.pts
                turned = upright.turned(frame)
                made.mux(video.encode(turned if draw is None else _drawn(turned, draw)))
        elif audio is not None and isinstance(frame, av.AudioFrame):
            made.mux(audio.encode(frame))
    made.mux(video.encode(None))
    if audio is not None:
        made.mux(audio.encode(None))


def _drawn(frame: av.VideoFrame, draw: Callable[[Image.Image], Image.Image]) -> av.VideoFrame:
    """The frame with something drawn into it, with the same time stamp."""
    picture = draw(Image.fromarray(frame.to_ndarray(format="rgb24")))
    made = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
    made.pts, made.time_base = frame.pts, frame.time_base
    return made


def make_ready(
    pool: Pool,
    settings: Settings,
    clips: Sequence[str],
    on_clip: Callable[[int, int], None] | None,
    copy_clip: CopyClip = prepare,
) -> dict[str, str]:
    """Prepare each clip once; returns the random name of each. `on_clip` gets (clips done, clips in total)."""
    # Shuffled: the order in which files are created must not follow the clips' names.
    names = shuffled(sorted(set(clips)))
    keys = {name: new_key() for name in names}
    try:
        for number, name in enumerate(names, start=1):
            copy_clip(pool.media_path(name), settings.media / f"{keys[name]}.mp4")
            if on_clip is not None:
                on_clip(number, len(names))
    except BaseException:
        forget(settings, keys)
        raise
    return keys


def digests(settings: Settings, keys: Iterable[str]) -> list[PreparedClip]:
    """Size and SHA-256 of the prepared clips with these random names; clips without a file are left out."""
    found = []
    for key in keys:
        path = settings.media / f"{key}.mp4"
        if path.is_file():
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            found.append(PreparedClip(media_key=key, size=path.stat().st_size, sha256=sha256))
    return found


def forget(settings: Settings, keys: dict[str, str]) -> None:
    """Remove the prepared clips of a study that was not created."""
    for key in keys.values():
        (settings.media / f"{key}.mp4").unlink(missing_ok=True)


def shuffled(items: Sequence[Item]) -> list[Item]:
    """The items in a random order that cannot be derived from the study's seed."""
    return secrets.SystemRandom().sample(items, len(items))
