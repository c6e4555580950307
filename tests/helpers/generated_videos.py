"""Long videos made for tests: scenes whose frames can be told apart, a tone that tells the second; and reading them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from scoring.images import Image
from tests.helpers.real_videos import texture

RATE = 16_000


def scene(seed: int, frames: int, width: int = 320, height: int = 180) -> list[Image]:
    """A still texture whose level differs from that of other seeds; a bright bar's place says which frame it is."""
    ground = texture(width, height, seed) // 3 * (1 + seed % 2) + 15 * (seed % 3)
    pictures = []
    for number in range(frames):
        picture = ground.astype(np.uint8)
        picture[:8, number * 2 % width : number * 2 % width + 2] = 255
        pictures.append(picture)
    return pictures


def write_film(
    path: Path,
    pictures: Sequence[Image],
    *,
    fps: Fraction | int = 25,
    keys: Sequence[int] = (0,),
    sound: str | None = "aac",
    turn: int = 0,
    times: Sequence[int] | None = None,
    shape: Fraction | None = None,
) -> Path:
    """A video with key frames where said and nowhere else; its sound is a tone that rises by 100 Hz each second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.pix_fmt = "yuv420p"
        video.height, video.width = pictures[0].shape[:2]
        video.options = {
            "crf": "12",
            "preset": "veryfast",
            "x264-params": "keyint=9999:scenecut=0:bframes=2",
        }
        if turn:
            video.set_display_rotation(turn)
        if shape:
            video.codec_context.sample_aspect_ratio = shape
        audio = (
            container.add_stream(sound, rate=48_000 if sound == "libopus" else RATE, layout="mono") if sound else None
        )
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = times[number] if times else number, 1 / Fraction(fps)
            frame.pict_type = 1 if number in keys else 0
            container.mux(video.encode(frame))
        if audio:
            assert isinstance(audio, av.AudioStream)
            last = times[-1] + 1 if times else len(pictures)
            for piece in _tone(float(last / Fraction(fps)), audio.rate):
                container.mux(audio.encode(piece))
            container.mux(audio.encode(None))
        container.mux(video.encode(None))
    return path


def _tone(seconds: float, rate: int) -> list[av.AudioFrame]:
    time = np.arange(int(seconds * rate)) / rate
    wave = (0.3 * np.sin(2 * np.pi * (300 + 100 * np.floor(time)) * time)).astype(np.float32)
    frames = []
    for first in range(0, len(wave), 960):
        frame = av.AudioFrame.from_ndarray(wave[None, first : first + 960], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        frames.append(frame)
    return frames


def decoded(path: Path) -> tuple[list[Image], list[float]]:
    """Pictures and their times in s."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        pictures = [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in frames]
        return pictures, [float(frame.time) for frame in frames]


def heard(path: Path) -> tuple[NDArray[np.float32], int, float]:
    """Samples, rate, and the time of the first in s."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        samples = np.concatenate([np.asarray(frame.to_ndarray(), np.float32)[0] for frame in frames])
        return samples, frames[0].sample_rate, float(frames[0].time or 0)


def pitch(path: Path, second: float) -> float:
    """The strongest frequency in Hz in the quarter of a second from `second` of the clip on."""
    samples, rate, first = heard(path)
    begin = round((second - first) * rate)
    piece = samples[begin : begin + rate // 4]
    return float(np.argmax(np.abs(np.fft.rfft(piece * np.hanning(len(piece)))))) * rate / len(piece)


def same(one: Sequence[Image], other: Sequence[Image]) -> bool:
    """The same frames in the same order: each is nearer to its fellow than to that one's neighbours."""
    if len(one) != len(other):
        return False
    bars = [[int(np.argmax(picture[2:6, :, 1].mean(0))) // 2 for picture in row] for row in (one, other)]
    means = [[float(picture.mean()) for picture in row] for row in (one, other)]
    return bars[0] == bars[1] and bool(np.allclose(means[0], means[1], atol=3))
