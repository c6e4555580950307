"""Head scores of real talking heads: they pass TalkVid's thresholds with both pose methods; both detectors agree."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from scoring.faces.centerface import CenterFace
from scoring.faces.face import Face
from scoring.head.head import head
from scoring.head.pose_methods import best_pose
from scoring.pipeline import Pipeline
from scoring.scorer import Column, Measurement, Scorer, Watch
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts, Frame
from scoring.weights import CENTERFACE, state
from tests.helpers.real_videos import REAL_CLIPS, THRESHOLDS
from tests.helpers.shared_fixtures import once

CLIPS = 12
MEANS = {"movement": 98, "rotation": 92, "orientation": 94}
"""Means over TalkVid's released data. The clips of the tests are no sample of it, but their means must be near."""

pytestmark = pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason=f"the real clips are not here: {REAL_CLIPS}")


class Again(Watch):
    """The head scorer under other settings in the same pass, with a prefix before its columns."""

    def __init__(self, inner: Watch, prefix: str, other: CenterFace | None) -> None:
        self._inner, self._prefix, self._other = inner, prefix, other

    def see(self, frame: Frame) -> None:
        """Let the inner watch see the frame, with the faces of another detector if there is one."""
        if self._other is None or frame.second is None:
            self._inner.see(frame)
            return
        # A frame keeps the faces that were found first; for this watch the other detector's take their place.
        kept: tuple[Face, ...] = frame.faces
        frame.__dict__["faces"] = self._other.faces(frame.bgr)
        self._inner.see(frame)
        frame.__dict__["faces"] = kept

    def result(self, facts: Facts) -> Measurement:
        """The inner watch's scores, renamed."""
        found = self._inner.result(facts)
        return Measurement({f"{self._prefix}{name}": value for name, value in found.scores.items()})


def beside(settings: Settings, prefix: str, other: CenterFace | None = None) -> Scorer:
    """The head scorer under these settings, to run in the same pass as another."""
    inner = head(settings)

    def begin(state_of: object, header: ClipHeader) -> Watch:
        return Again(inner.watch(state_of, header), prefix, other)

    columns = tuple(Column(f"{prefix}{column.name}", "", "none") for column in inner.columns)
    return Scorer(f"{prefix}head", "1", "", columns, inner.setup, begin)


_pipeline: list[Pipeline] = []
"""In a worker process: the pipeline."""


def get_ready() -> None:
    """Load once per process: five points and, if available, the mesh and CenterFace, all in one pass."""
    made = [head(Settings())]
    if best_pose() == "mesh":
        made.append(beside(Settings(pose="mesh"), "mesh_"))
    if state(CENTERFACE) == "right":
        made.append(beside(Settings(), "other_", CenterFace(CENTERFACE)))
    _pipeline.append(Pipeline(Settings(), made))


def scored(path: Path) -> dict[str, float | None]:
    """The scores of a clip."""
    return _pipeline[0].score(path).scores


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float | None]]:
    """Twelve clips, scored in two processes."""
    return once(tmp_path_factory, "head-scores", lambda _: _scored())


def _scored() -> list[dict[str, float | None]]:
    paths: list[Path] = sorted(REAL_CLIPS.glob("*.mp4"))[::2][:CLIPS]
    assert len(paths) == CLIPS
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=get_ready) as pool:
        return list(pool.map(scored, paths))


def of(scores: list[dict[str, float | None]], name: str) -> list[float]:
    """One score of all clips; the test is skipped if this machine cannot compute it."""
    if name not in scores[0]:
        pytest.skip(f"{name.split('_')[0]}: not installed here")
    found = [score[name] for score in scores]
    return [value for value in found if value is not None]


@pytest.mark.parametrize("prefix", ["", "mesh_", "other_"])
def test_clips_that_passed_talkvids_filters_pass_its_thresholds(
    scores: list[dict[str, float | None]], prefix: str
) -> None:
    """Every clip has every score and passes every threshold, with five points, with the mesh, and with CenterFace."""
    for name, threshold in THRESHOLDS.items():
        values = of(scores, prefix + name)
        assert len(values) == CLIPS, name
        assert min(values) >= threshold, name


@pytest.mark.parametrize("prefix", ["", "mesh_"])
def test_means_are_near_the_published_ones(scores: list[dict[str, float | None]], prefix: str) -> None:
    """The means of movement, rotation and orientation are within 1, 3 and 3 of the published 98, 92 and 94."""
    for (name, mean), within in zip(MEANS.items(), (1, 3, 3), strict=True):
        assert sum(of(scores, f"{prefix}avg_{name}")) / CLIPS == pytest.approx(mean, abs=within), name


def test_both_detectors_order_clips_alike(scores: list[dict[str, float | None]]) -> None:
    """Spearman's correlation of YuNet and CenterFace over clips is above 0.8 for movement and resolution."""
    for name in ("avg_movement", "min_movement", "avg_resolution", "min_resolution"):
        assert spearmanr(of(scores, name), of(scores, f"other_{name}")).statistic > 0.8, name
