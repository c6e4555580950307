"""What scorers declare: series with the scores that summarise them, and the model files that users may give."""

from pathlib import Path

import pytest

from scoring.head.pose_methods import best_pose
from scoring.registry import SCORERS, scorers, series_by_score, worst_by_overall
from scoring.settings import Settings
from scoring.weights import OWN_FILES

SETTINGS = (
    Settings(text=True),
    Settings(talkvid_compat=True),
    Settings(pose=best_pose()),
    Settings(skip_nonreference=True),
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_series_are_summarised_by_scores_of_their_scorer(settings: Settings) -> None:
    """A declared summary is a column of the same scorer, and no score summarises two series."""
    for scorer in scorers(settings):
        columns = {column.name for column in scorer.columns}
        summaries = [name for series in scorer.series for name in series.summaries]
        assert set(summaries) <= columns
        assert len(summaries) == len(set(summaries))
        assert set(scorer.frame_scores) <= {series.name for series in scorer.series}


def test_every_series_with_a_direction_has_a_summary() -> None:
    """A threshold on a score finds the curve that it belongs to: only the count of faces is no score's series."""
    without = [series.name for one in scorers() for series in one.series if not series.summaries]
    assert without == ["faces"]
    assert set(series_by_score()) == {name for one in scorers() for series in one.series for name in series.summaries}


def test_a_worst_second_is_paired_with_its_whole_whatever_the_names() -> None:
    """Pairs of scores come from what scorers declare: names need not begin with avg_ and min_."""
    pairs = worst_by_overall()
    assert (pairs["avg_rotation"], pairs["tracked_ratio"]) == ("min_rotation", "min_tracked_ratio")
    assert pairs["face_brisque"] == "max_face_brisque"
    assert "luma" not in pairs


def test_the_models_that_users_may_give_are_declared_by_scorers() -> None:
    """Each name that --weights takes is declared by a scorer, and no scorer declares another."""
    declared = {name for make in SCORERS for name in make(Settings()).models}
    assert declared == set(OWN_FILES)


def test_a_model_file_given_is_among_those_its_scorers_load(tmp_path: Path) -> None:
    """A scorer that declares a model loads the user's file of it, and a scorer that does not never sees it."""
    file = tmp_path / "mine.onnx"
    file.write_bytes(b"mine")
    for name in OWN_FILES:
        settings = Settings(weights=((name, file),), faces="centerface", pose=best_pose())
        for make in SCORERS:
            scorer = make(settings)
            loads = file in [weight.path for weight in scorer.weights]
            assert loads == (name in scorer.models) or (name == "mesh" and best_pose() == "points")
