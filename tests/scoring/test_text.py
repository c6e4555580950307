"""The text scorer: it finds text, works offline, and says if its extra is not installed."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.images import Image
from scoring.picture.text import Boxes, TextWatch, covered_share, text
from scoring.registry import scorers
from scoring.runners.score_files import score_files
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts
from tests.helpers.real_videos import texture, write_video
from tests.helpers.watching import frames_of, measured

needs_rapidocr = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import rapidocr"], capture_output=True, check=False).returncode != 0,
    reason="RapidOCR is not installed (extra: text)",
)


def subtitled(words: str) -> Image:
    """A soft picture with white words low in it: (360, 640, 3)."""
    picture = np.asarray(texture(640, 360) // 2, np.uint8)
    cv2.putText(picture, words, (60, 330), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3, cv2.LINE_AA)
    return picture


def offline(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh Python that stops at the first attempt to use the network."""
    guard = (
        "import sys\n"
        "def stop(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        raise SystemExit(f'network: {event} {args}')\n"
        "sys.addaudithook(stop)\n"
    )
    return subprocess.run([sys.executable, "-c", guard + program], capture_output=True, text=True, check=False)


def facts_of_any_clip() -> Facts:
    return Facts(1, 320, 180, 25, "h264", 25)


def test_text_is_looked_for_only_on_request(tmp_path: Path) -> None:
    """Without `text` in the settings no text scorer runs and no column appears."""
    assert "text" not in [scorer.name for scorer in scorers(Settings())]
    assert "text" in [scorer.name for scorer in scorers(Settings(text=True))]
    clip = write_video(tmp_path / "a.mp4", [texture()] * 4)
    assert "text_share" not in next(score_files([clip])).scores


@needs_rapidocr
def test_a_subtitle_is_found() -> None:
    """A line of words covers a few percent of the picture, more words cover more, none cover nothing."""
    shares = [
        measured(text(Settings(text=True)), [picture], fps=1).scores["text_share"]
        for picture in (texture(640, 360), subtitled("GOOD"), subtitled("GOOD MORNING ALL"))
    ]
    assert shares[0] == 0
    assert shares[1] is not None
    assert shares[2] is not None
    assert 0.01 < shares[1] < 0.06
    assert 1.8 * shares[1] < shares[2] < 0.15


@needs_rapidocr
def test_unusual_pictures_have_no_text() -> None:
    """Tiny, narrow and black pictures have no text and cause no error."""
    for height, width in ((10, 10), (700, 20), (20, 700), (1080, 1920)):
        result = measured(text(Settings(text=True)), [np.zeros((height, width, 3), np.uint8)], fps=1)
        assert result.scores == {"text_share": 0}


@needs_rapidocr
def test_the_model_comes_with_the_package() -> None:
    """Loading and using the detector opens no connection and writes nothing to the terminal."""
    program = (
        "import numpy as np\n"
        "from scoring.picture.text import text_finder\n"
        "find = text_finder()\n"
        "print(find(np.zeros((90, 160, 3), np.uint8)).shape)\n"
    )
    run = offline(program)
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "(0, 4, 2)", "")


def test_a_missing_extra_is_a_reason_and_no_failure() -> None:
    """If RapidOCR cannot be imported, there is no detector, and the score is null with the reason."""
    run = offline("sys.modules['rapidocr'] = None\nfrom scoring.picture.text import text_finder\nprint(text_finder())")
    assert (run.returncode, run.stdout.strip()) == (0, "None")
    watch = TextWatch(None, ClipHeader(Path("a.mp4")))
    for frame in frames_of([texture()]):
        watch.see(frame)
    result = watch.result(facts_of_any_clip())
    assert result.scores == {"text_share": None}
    assert result.reasons == {"text_share": "The extra `text` is not installed."}


def test_two_pictures_of_a_clip_are_used() -> None:
    """Of eight seconds those of second 2 and 6 are used; the score is their mean."""
    seen: list[int] = []

    def find(bgr: Image) -> Boxes:
        seen.append(round(float(bgr.mean())))
        return np.array([[[0, 0], [bgr.shape[1], 0], [bgr.shape[1], 89], [0, 89]]], np.float64)[: len(seen) - 1]

    pictures = [np.full((180, 320, 3), 20 * number, np.uint8) for number in range(8)]
    watch = TextWatch(find, ClipHeader(Path("a.mp4"), fps=1, frames=8))
    for frame in frames_of(pictures, fps=1):
        watch.see(frame)
    assert seen == pytest.approx([40, 120], abs=2)
    assert watch.result(facts_of_any_clip()).scores["text_share"] == pytest.approx((0 + 0.5) / 2)


def test_a_clip_shorter_than_it_states_has_no_share() -> None:
    """If none of the two pictures exists, the score is null with the reason."""
    watch = TextWatch(lambda _: np.zeros((0, 4, 2)), ClipHeader(Path("a.mp4"), fps=1, frames=100))
    for frame in frames_of([texture()] * 2, fps=1):
        watch.see(frame)
    assert watch.result(facts_of_any_clip()).reasons == {"text_share": "The clip is shorter than its file states."}


@given(st.lists(st.tuples(*[st.integers(-50, 150)] * 8), max_size=5))
def test_the_share_is_a_share_and_never_counts_twice(corners: list[tuple[int, ...]]) -> None:
    """For any boxes it is between 0 and 1, and repeated boxes change nothing."""
    boxes = np.array(corners, np.float64).reshape(-1, 4, 2)
    share = covered_share(boxes, 100, 80)
    assert 0 <= share <= 1
    assert covered_share(np.concatenate([boxes, boxes]), 100, 80) == share
