"""Scoring real clips: time against decoding alone, two processes against one, memory on 4K, scores beside TalkVid's.

The machine's speed wanders, so what is compared is measured in turn, several times over, and the medians are taken.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from scoring.head.head import head
from scoring.head.pose_methods import best_pose
from scoring.pipeline import Pipeline
from scoring.registry import scorers
from scoring.runners.score_files import score_files
from scoring.settings import Settings
from tests.helpers.real_videos import REAL_CLIPS, THRESHOLDS, texture, write_video

MOST_TIME, LEAST_GAIN, MOST_MEMORY = 1.8, 1.7, 600
"""Bounds: all scorers against decoding alone; two processes against one; MB of a process on 60 s of 4K."""
PUBLISHED = {"movement": 98, "rotation": 92, "orientation": 94}
"""Means over TalkVid's released data (the scores of its `head_detail`)."""
REPEATS = 3
SCORES_ONE = """
import sys
from pathlib import Path
from scoring.registry import scorers
from scoring.settings import Settings
from scoring.pipeline import Pipeline
result = Pipeline(Settings(), scorers()).score(Path(sys.argv[1]))
assert result.error is None, result.error
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
"""Prints the most memory it ever had, in kB. Not getrusage: that counts what the process that started it had."""


def run() -> None:
    """Print what was measured."""
    clips = sorted(REAL_CLIPS.glob("*.mp4"))
    if not clips:
        print(f"scoring: not measured, no clips in {REAL_CLIPS}")
        return
    print(f"scoring: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    _time(clips[::3])
    _throughput(clips)
    _memory()
    _distributions(clips)


def _verdict(value: float, bound: float, *, at_most: bool) -> str:
    held = value <= bound if at_most else value >= bound
    return f"{'held' if held else 'MISSED'}: bound {'<=' if at_most else '>='} {bound:g}"


def _decode(clip: Path) -> int:
    """The floor: PyAV alone, one thread."""
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        video.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video))


def _time(clips: Sequence[Path]) -> None:
    """Processor time per clip of all scorers and of each one alone, decoding included, against decoding alone."""
    cv2.setNumThreads(1)
    skipping = Settings(skip_nonreference=True)
    ways: dict[str, Callable[[Path], object]] = {
        "decoding alone": _decode,
        "all scorers": Pipeline(Settings(), scorers()).score,
        "all, frames skipped": Pipeline(skipping, scorers(skipping)).score,
    }
    for scorer in scorers():
        ways[f"{scorer.name} alone"] = Pipeline(Settings(), [scorer]).score
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            began = time.process_time()
            for clip in clips:
                way(clip)
            took[name].append((time.process_time() - began) / len(clips))
    for name, seconds in took.items():
        print(f"  {name}: {statistics.median(seconds) * 1000:.0f} ms a clip, {_ratio(seconds, took):.2f}x decoding")
    ratio = _ratio(took["all scorers"], took)
    print(f"  all scorers take {ratio:.2f}x decoding; {_verdict(ratio, MOST_TIME, at_most=True)}")


def _ratio(seconds: list[float], took: dict[str, list[float]]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(seconds, took["decoding alone"], strict=True))


def _throughput(clips: Sequence[Path]) -> None:
    """Clips and seconds of video per second, with one process and with two, the start of both included.

    Every clip twice: starting takes two seconds, which a real pool of thousands of clips does not notice.
    """
    clips = [*clips, *clips]
    took: dict[int, list[float]] = {1: [], 2: []}
    length = 0.0
    for _ in range(REPEATS):
        for jobs, seconds in took.items():
            began = time.perf_counter()
            facts = [result.facts for result in score_files(clips, jobs=jobs)]
            seconds.append(time.perf_counter() - began)
            length = sum(known.duration for known in facts if known)
    for jobs, seconds in took.items():
        median = statistics.median(seconds)
        print(f"  {jobs} at a time: {len(clips) / median:.2f} clips/s, {length / median:.1f}x real time")
    gain = statistics.median(one / two for one, two in zip(took[1], took[2], strict=True))
    print(f"  two processes are {gain:.2f}x as fast as one; {_verdict(gain, LEAST_GAIN, at_most=False)}")


def _memory() -> None:
    """The most memory that one process takes for a minute of 4K, in a process of its own."""
    if not Path("/proc/self/status").exists():
        print("  60 s of 4K: not measured, only Linux tells a process its own peak")
        return
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as folder:
        clip = _minute_of_4k(Path(folder))
        run = subprocess.run(
            [sys.executable, "-c", SCORES_ONE, str(clip)], capture_output=True, text=True, check=True, timeout=1800
        )
    peak = int(run.stdout.split()[-1]) / 1024
    print(f"  60 s of 4K: {peak:.0f} MB at the most; {_verdict(peak, MOST_MEMORY, at_most=True)}")


def _minute_of_4k(folder: Path) -> Path:
    """Two seconds of 3840x2160, encoded once and put thirty times one after the other."""
    fps, frames = 25, 50
    large = np.asarray(cv2.resize(texture(960, 540), (3840, 2160)), np.uint8)
    pictures = (np.roll(large, 4 * number, axis=1) for number in range(frames))
    two_seconds = write_video(folder / "two.mp4", pictures, fps, options={"preset": "veryfast", "crf": "23"})
    minute = folder / "minute.mp4"
    with av.open(str(minute), "w") as made:
        stream = None
        for number in range(30):
            with av.open(str(two_seconds)) as given:
                stream = stream or made.add_stream_from_template(given.streams.video[0])
                for packet in given.demux(video=0):
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    later = int(Fraction(number * frames, fps) / packet.time_base)
                    packet.dts, packet.pts, packet.stream = packet.dts + later, packet.pts + later, stream
                    made.mux(packet)
    return minute


def _distributions(clips: Sequence[Path]) -> None:
    """Print how many clips pass the thresholds of TalkVid, and the head scores, by five points and by the mesh."""
    settings = [Settings()] + [Settings(pose="mesh")] * (best_pose() == "mesh")
    for chosen in settings:
        pipeline = Pipeline(chosen, [head(chosen)])
        scores = [pipeline.score(clip).scores for clip in clips]
        held = sum(
            all((value := one[name]) is not None and value >= least for name, least in THRESHOLDS.items())
            for one in scores
        )
        print(f"  pose by {chosen.pose}: {held} of {len(clips)} clips pass all of TalkVid's thresholds for the head")
        for name, mean in PUBLISHED.items():
            found = [value for one in scores if (value := one[f"avg_{name}"]) is not None]
            low, middle, high = np.percentile(found, [5, 50, 95])
            print(
                f"    {name}: mean {statistics.fmean(found):.1f} (TalkVid: {mean}), "
                f"p5 {low:.1f}, median {middle:.1f}, p95 {high:.1f}"
            )
