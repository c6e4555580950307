"""`clipjury proxies`: smaller copies of clips that raters' browsers could not play well, and a poster of every clip."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import polars as pl

from app.errors import AppError
from app.pools.clip_names import file_names
from app.pools.pool_files import Pool
from scoring.locations import written
from scoring.video.ffmpeg import FfmpegMissing, find
from scoring.video.playable import MEGABITS, fit, inspect, needs
from scoring.video.reading import DECODER_OPTIONS

PICTURE = shlex.split("-c:v libx264 -preset veryfast -crf 23 -pix_fmt yuv420p -maxrate 3M -bufsize 2M")
SOUND = shlex.split("-c:a aac -b:a 128k -ac 2")
# Encoders write their name and settings into the file and, as SEI units, into the stream; raters do not need them.
BARE = shlex.split("-map_metadata -1 -map_chapters -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact")
# A blank instead of no name: ffmpeg 5.1 writes its own where there is none.
BARE_STREAM = [*shlex.split("-bsf:v filter_units=remove_types=6 -metadata:s:v:0"), "encoder= "]
# The same protection as wherever clips are opened: no remote addresses, no playlists that name other files.
GUARDED = [word for name, value in DECODER_OPTIONS.items() for word in (f"-{name}", value)]
PATIENCE = 600
"""Seconds after which a run of ffmpeg is ended; clips are short."""


@dataclass(frozen=True)
class ProxySummary:
    """Result: number of clips, proxies `made` and `kept` from an earlier run, failed clips with the reason, how often
    each reason for a proxy occurred (`why`), size in bytes of the clips with a proxy and of the proxies, seconds taken.
    """

    clips: int
    made: int
    kept: int
    failed: tuple[tuple[str, str], ...]
    why: dict[str, int]
    bytes_before: int
    bytes_after: int
    seconds: float


@dataclass(frozen=True)
class _ClipResult:
    why: tuple[str, ...] = ()
    made: bool = False
    error: str | None = None
    bytes_before: int = 0
    bytes_after: int = 0


def make_proxies(
    pool: Pool,
    folder: Path,
    *,
    jobs: int = 1,
    megabits: float = MEGABITS,
    on_clip: Callable[[int, int], None] | None = None,
) -> ProxySummary:
    """Write proxies and posters of a pool's clips into `folder`, and a pool that names them: `pool.parquet`.

    The new pool has the proxy in `media` where there is one, and the columns `original_media` and `poster`. Files with
    the time of their clip are not made again. A clip that fails keeps its media, and the run continues.
    `on_clip(done, total)` is called after each clip. Raises AppError if there is no ffmpeg, or if other files would be
    overwritten.
    """
    began = time.monotonic()
    try:
        ffmpeg = find()
    except FfmpegMissing as error:
        raise AppError(str(error)) from error
    frame = pl.read_parquet(pool.path)  # as it is on disk: read_pool adds columns
    names = dict(zip(frame["clip"], file_names(frame["clip"]), strict=True))
    output = folder / "pool.parquet"
    _refuse(pool, frame, output, names)
    folder.mkdir(parents=True, exist_ok=True)
    clips = pool.readable["clip"].to_list()
    threads = max(1, (os.cpu_count() or 1) // jobs)

    def work(clip: str) -> _ClipResult:
        return _convert(ffmpeg, pool.media_path(clip), folder / names[clip], megabits, threads)

    done: dict[str, _ClipResult] = {}
    with ThreadPoolExecutor(jobs) as workers:
        for clip, result in zip(clips, workers.map(work, clips), strict=True):
            done[clip] = result
            if on_clip:
                on_clip(len(done), len(clips))
    _write_pool(pool, frame, output, names, done)
    return _summary(done, time.monotonic() - began)


def _convert(ffmpeg: Path, media: Path, target: Path, megabits: float, threads: int) -> _ClipResult:
    """Make the poster of a clip, and its proxy if it needs one. `target` is the path of both without a suffix."""
    proxy, poster = target.with_name(f"{target.name}.mp4"), target.with_name(f"{target.name}.jpg")
    try:
        found = inspect(media)
        why = needs(found, media.suffix, megabits)
        scale = "scale={}:{},setsar=1".format(*fit(found.width, found.height))
        given = ["-threads", str(threads), *GUARDED, "-i", f"file:{media}"]
        made = bool(why) and not _is_fresh(proxy, media)
        if made:
            streams = ["-map", "0:V:0", "-map", "0:a:0?", "-sn", "-dn", "-vf", scale]
            coding = [*PICTURE, "-threads", str(threads), *SOUND, *BARE, *BARE_STREAM, "-movflags", "+faststart"]
            _run(ffmpeg, [*given, *streams, *coding, "-f", "mp4"], proxy, media)
        if not _is_fresh(poster, media):
            # JPEG readers expect BT.601 in full range, whatever the colours of the video.
            colours = f"{scale},scale=out_color_matrix=bt601:out_range=full"
            still = ["-map", "0:V:0", "-vf", colours, "-frames:v", "1", "-q:v", "3", *BARE, "-f", "mjpeg"]
            _run(ffmpeg, ["-ss", f"{found.duration / 2:.3f}", *given, *still], poster, media)
        return _ClipResult(why, made, None, found.bytes if why else 0, proxy.stat().st_size if why else 0)
    except (av.error.FFmpegError, OSError, IndexError, StopIteration) as error:
        words = getattr(error, "strerror", None) or str(error) or "there is no picture in it"
        return _ClipResult(error=f"{media.name}: {words}.")
    except _FfmpegError as error:
        return _ClipResult(error=f"{media.name}: {error}.")


class _FfmpegError(Exception):
    """ffmpeg failed; the message is the last line that it printed."""


def _run(ffmpeg: Path, arguments: list[str], target: Path, media: Path) -> None:
    """Let ffmpeg write `target`, complete or not at all, and give it the modification time of the clip."""
    half = target.with_name(f".{target.name}.{os.getpid()}.part")
    command = [
        str(ffmpeg),
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "error",
        "-y",
        *arguments,
        f"file:{half.absolute()}",
    ]
    try:
        run = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 - no shell
        if run.returncode or not half.is_file() or not half.stat().st_size:
            words = run.stderr.decode("utf-8", "replace").strip().splitlines()
            raise _FfmpegError(words[-1].rstrip(".") if words else f"ffmpeg ended with code {run.returncode}")
        status = media.stat()
        os.utime(half, ns=(status.st_atime_ns, status.st_mtime_ns))
        half.replace(target)
    except subprocess.TimeoutExpired as error:
        raise _FfmpegError(f"ffmpeg took more than {PATIENCE} s") from error
    finally:
        half.unlink(missing_ok=True)


def _is_fresh(target: Path, media: Path) -> bool:
    """Whether the target has the modification time of the clip, within the 2 seconds that some file systems keep."""
    return target.is_file() and abs(target.stat().st_mtime - media.stat().st_mtime) <= 2


def _refuse(pool: Pool, frame: pl.DataFrame, output: Path, names: dict[str, str]) -> None:
    """Raise AppError if a file that was not made by this command would be overwritten."""
    taken = {"original_media", "poster"} & set(frame.columns)
    if taken:
        raise AppError(
            f"{pool.path.name} has the column {min(taken)!r} already.", "Name the pool that clipjury score wrote."
        )
    folder = output.parent.resolve()
    originals = {_real(pool.path.parent / media) for media in frame["media"]}
    clash = [name for name in names.values() for end in (".mp4", ".jpg") if folder / f"{name}{end}" in originals]
    if output.resolve() == pool.path.resolve() or clash:
        raise AppError(
            f"Proxies in {output.parent} would replace the clips or the pool.", "Name another folder: -o DIR"
        )
    if output.exists() and "original_media" not in pl.read_parquet_schema(output):
        raise AppError(f"{output} is a pool without proxies.", "Name another folder: -o DIR")


def _real(path: Path) -> Path:
    """The path without symbolic links; unlike Path.resolve it does not raise for a loop of links."""
    return Path(os.path.realpath(path))


def _write_pool(
    pool: Pool, frame: pl.DataFrame, output: Path, names: dict[str, str], done: dict[str, _ClipResult]
) -> None:
    home = output.parent.resolve()
    media, original, poster = [], [], []
    for clip, given in zip(frame["clip"], frame["media"], strict=True):
        full = _real(pool.path.parent / given)
        # Relative paths below the new pool, so that the folder can be moved.
        here = full.relative_to(home).as_posix() if full.is_relative_to(home) else str(full)
        result = done.get(clip)
        good = result is not None and result.error is None
        original.append(here)
        media.append(f"{names[clip]}.mp4" if good and result and result.why else here)
        poster.append(f"{names[clip]}.jpg" if good else None)
    columns: dict[str, Sequence[str | None]] = {"media": media, "original_media": original, "poster": poster}
    frame = frame.with_columns(pl.Series(name, values, pl.String) for name, values in columns.items())
    kept = {key: value for key, value in pl.read_parquet_metadata(pool.path).items() if key != "ARROW:schema"}
    with written(str(output)) as partial:
        frame.write_parquet(partial, metadata=kept)


def _summary(done: dict[str, _ClipResult], seconds: float) -> ProxySummary:
    reasons = [reason for result in done.values() for reason in result.why]
    made = sum(result.made for result in done.values())
    return ProxySummary(
        clips=len(done),
        made=made,
        kept=sum(bool(result.why) for result in done.values()) - made,
        failed=tuple((clip, result.error) for clip, result in done.items() if result.error),
        why={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        bytes_before=sum(result.bytes_before for result in done.values()),
        bytes_after=sum(result.bytes_after for result in done.values()),
        seconds=seconds,
    )
