"""Tests of figures: bins that respect thresholds, tables that match, constant colours, charts that render."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.agreement.statistics import STATISTICS
from analysis.consensus.majority import Verdict
from analysis.estimate import Estimate, absent
from analysis.figures import (
    Level,
    Line,
    PairAgreement,
    agreement_forest,
    agreement_forest_table,
    interval_plot,
    interval_plot_table,
    pair_heat_map,
    pair_heat_map_table,
    retention_cascade,
    roc_curve,
    roc_curve_table,
    score_histogram,
    score_histogram_table,
    spec,
    svg,
)
from analysis.figures.rendering import Chart
from analysis.filters.roc import roc
from analysis.ratings import VERDICT, Ratings

SCORES = [0.80, 0.84, 0.85, 0.86, 0.9, 0.95, 0.999, 1.0]
VERDICTS: list[Verdict | None] = ["reject", "reject", "accept", None, "accept", "accept", "reject", None]


def compared() -> list[PairAgreement]:
    """Three raters: two pairs with a kappa and one without."""
    kappas = (
        kappa(0.8, 0.5, 1.0),
        kappa(-0.1, -0.4, 0.2),
        absent("cohen_kappa", "one answer", signature="", confidence=0.95, clips=4),
    )
    names = (("R1", "R2"), ("R1", "R3"), ("R2", "R3"))
    return [PairAgreement(*pair, one, same) for pair, one, same in zip(names, kappas, (0.9, 0.5, 1.0), strict=True)]


FORMS = ("interval_plot", "pair_heat_map", "score_histogram", "roc_curve", "agreement_forest", "retention_cascade")


def kappa(value: float, low: float, high: float) -> Estimate:
    return Estimate("cohen_kappa", value, low, high, 0.95, 12, 2, 24, "t", "")


def charts() -> dict[str, Chart]:
    curve = roc([0.1, 0.4, 0.35, 0.8, 0.7], [False, False, True, True, True])
    votes = Ratings.from_votes(list("aabb"), list("xyxy"), ["accept", "accept", "accept", "reject"], VERDICT)
    single = Ratings.from_votes(["a"], ["x"], ["accept"], VERDICT)
    estimates = {
        name: [statistic(ratings, resamples=50) for statistic in STATISTICS.values()]
        for name, ratings in (("motion", votes), ("sharpness", single))
    }
    pool = np.linspace(0.2, 1, 500)
    lines = [Line(name, "people", one) for name, group in estimates.items() for one in group[:1]]
    return {
        "interval_plot": interval_plot(
            lines, finding="Alpha", caption="n = 2 clips", axis="alpha, 1 = complete", at=0.0
        ),
        "pair_heat_map": pair_heat_map(compared(), name="Cohen's kappa"),
        "score_histogram": score_histogram(SCORES, VERDICTS, name="ratio", low=0.85, high=0.999, pool=pool),
        "roc_curve": roc_curve(curve, thresholds={"now": 0.4, "best F1": 0.35}),
        "agreement_forest": agreement_forest(estimates),
        "retention_cascade": retention_cascade([Level("raw", 10, 2.0), Level("quality", 6, 1.5, unknown=1)]),
    }


def words(node: Any) -> list[str]:
    """All axis titles of a specification."""
    if isinstance(node, list):
        return [title for part in node for title in words(part)]
    if not isinstance(node, dict):
        return []
    own = [
        part["title"]
        for key, part in node.items()
        if key in ("x", "y") and isinstance(part, dict) and part.get("title")
    ]
    return own + [title for part in node.values() for title in words(part)]


def test_pairs_are_cells_and_the_title_names_least_and_most() -> None:
    """Each pair is one cell; an undefined pair is a cross and is counted; the table has every pair."""
    drawn = json.dumps(spec(pair_heat_map(compared(), name="kappa"), "light"), ensure_ascii=False)
    assert "R1 and R3 agree least: −0.10" in drawn
    assert "R1 and R2 most: 0.80" in drawn
    assert "3 pairs, 1 without a value" in drawn
    table = pair_heat_map_table(compared(), name="kappa")
    assert table.rows[2][2:] == ("undefined: one answer", 4, "1.00")
    with pytest.raises(ValueError, match="no two raters"):
        pair_heat_map([], name="kappa")


def test_lines_without_interval_or_value_say_so() -> None:
    """Without an interval there is a point alone, without a value words; shares stay within their axis."""
    lines = [
        Line("a", "this group", kappa(0.5, 0.2, 1.0), "too few"),
        Line("a", "the others", Estimate("x", 0.25, None, None, 0.95, 3, None, None, "counted", "")),
        Line("b", "this group", absent("x", "nobody", signature="", confidence=0.95, clips=0)),
    ]
    words_ = {"finding": "f", "caption": "n = 3", "axis": "share", "share": True}
    content = json.dumps(spec(interval_plot(lines, **words_), "light"))  # type: ignore[arg-type]  # words of a test
    assert "not defined" in content
    assert "a (too few)" in content
    assert '"domain": [0.0, 1.0]' in content
    assert '"low": 0.25, "high": 0.25' in content
    with pytest.raises(ValueError, match="no estimate"):
        interval_plot([], finding="", caption="", axis="")


def test_tables_of_figures_write_estimates_as_pages_do() -> None:
    """Value and interval are one cell; plain counts are percentages; means in other units have more decimals."""
    small = Estimate("mean", 0.00123, 0.00121, 0.00125, 0.95, 3, None, None, "t", "")
    lines = [Line("a", "group", kappa(0.5, 0.2, 1.0)), Line("b", "group", small)]
    asked = {"finding": "f", "caption": "n = 3", "axis": "share"}
    for more, cells in (
        ({}, ["0.50 [0.20, 1.00]", "0.00 [0.00, 0.00]"]),
        ({"digits": 5}, ["0.50000 [0.20000, 1.00000]", "0.00123 [0.00121, 0.00125]"]),
        ({"counted": True}, ["50.0 %", "0.1 %"]),
    ):
        table = interval_plot_table(lines, axis="share", **more)
        assert [row[2] for row in table.rows] == cells
        drawn = json.dumps(spec(interval_plot(lines, **asked, **more), "light"))  # type: ignore[arg-type]  # words of a test
        assert all(f'"estimate": "{cell}"' in drawn for cell in cells)


def test_the_axes_of_a_roc_curve_are_decimals() -> None:
    """Shares of good and of bad clips are estimates, so no axis is written in percent."""
    assert '"format": "%"' not in json.dumps(spec(charts()["roc_curve"], "light"))


@pytest.mark.parametrize("name", FORMS)
def test_every_figure_renders_in_both_themes(name: str) -> None:
    """Every figure has a finding, a count and axis titles, and becomes a valid SVG on a transparent background."""
    chart = charts()[name]
    for theme, ink in (("light", "#1b1c1e"), ("dark", "#ececea")):
        content = spec(chart, theme)  # type: ignore[arg-type]  # a loop over both themes
        assert content["background"] == "transparent"
        assert "n = " in str(content["title"]["subtitle"])
        assert content["title"]["text"]
        assert words(content)
        assert "NaN" not in json.dumps(content)
        drawn = svg(chart, theme)  # type: ignore[arg-type]  # a loop over both themes
        assert ET.fromstring(drawn).tag.endswith("svg")
        assert ink in drawn


def test_verdicts_have_the_same_colours_in_both_themes() -> None:
    """Accept, reject and undecided have the same three colours in light and in dark."""
    chart = charts()["score_histogram"]
    for drawn in (svg(chart, "light"), svg(chart, "dark")):
        assert all(colour in drawn for colour in ("#1b7f5c", "#b3403a", "#8a6d1f"))


def totals(low: float | None, high: float | None) -> list[int]:
    """Clips in the bins inside the thresholds, outside them, and across one."""
    table = score_histogram_table(SCORES, VERDICTS, name="ratio", low=low, high=high)
    floor, ceiling = -np.inf if low is None else low, np.inf if high is None else high
    counts = [0, 0, 0]
    for row in table.rows:
        start, end, *clips = (float(cell or 0) for cell in row)
        side = 0 if floor <= start and end <= ceiling else 1 if end <= floor or start >= ceiling else 2
        counts[side] += int(sum(clips))
    return counts


@pytest.mark.parametrize(
    ("low", "high", "passing"), [(0.85, None, 6), (None, 0.95, 6), (0.85, 0.999, 5), (0.85, 0.95, 4)]
)
def test_bins_divide_clips_as_the_filter_does(low: float | None, high: float | None, passing: int) -> None:
    """A threshold is a bin edge: clips on it are on the accepted side, and no bin spans it."""
    assert totals(low, high) == [passing, len(SCORES) - passing, 0]


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.floats(-1e3, 1e3).map(lambda score: round(score, 3)), min_size=1, max_size=40),
    threshold=st.floats(-900, 900).map(lambda score: round(score, 2)),
    upper=st.booleans(),
)
def test_no_clip_is_lost_or_misplaced_by_the_bins(scores: list[float], threshold: float, upper: bool) -> None:
    """For all scores and thresholds every clip is in one bin, and accepted clips are on the accepted side."""
    verdicts: list[Verdict | None] = [
        "accept" if (score <= threshold if upper else score >= threshold) else None for score in scores
    ]
    low, high = (None, threshold) if upper else (threshold, None)
    table = score_histogram_table(scores, verdicts, name="s", low=low, high=high, pool=np.array(scores))
    column = {heading: [row[k] for row in table.rows] for k, heading in enumerate(table.headings)}
    assert sum(int(n or 0) for n in column["accept"]) == sum(verdict == "accept" for verdict in verdicts)
    assert sum(int(n or 0) for n in column["undecided"]) == sum(verdict is None for verdict in verdicts)
    assert sum(int(n or 0) for n in column["in the pool"]) == len(scores)
    for accepts, others in zip(column["accept"], column["undecided"], strict=True):
        assert not (accepts and others), "a bin holds clips of one side only"


def test_the_histograms_title_counts_both_sides() -> None:
    """The title says how many clips the raters accepted among those that pass and those that fail."""
    title = spec(score_histogram(SCORES, VERDICTS, name="ratio", low=0.85), "light")["title"]
    assert title["text"] == "Raters accepted 3 of 6 clips that pass, 0 of 2 that fail"
    assert title["subtitle"] == "n = 8 rated clips, 2 undecided"


def test_the_curve_s_table_lists_and_names_thresholds() -> None:
    """The table of the curve has every threshold once, with the names of those that are marked."""
    curve = roc([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
    table = roc_curve_table(curve, thresholds={"now": 0.38})
    assert [row[0] for row in table.rows] == [None, 0.8, 0.4, 0.35, 0.1]
    assert [row[3] for row in table.rows] == [None, None, "now", None, None]


def test_two_thresholds_at_one_point_are_both_named() -> None:
    """If the threshold in use and the best one accept the same clips, the table names both."""
    curve = roc([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
    table = roc_curve_table(curve, thresholds={"now": 0.38, "best F1": 0.4})
    assert [row[3] for row in table.rows] == [None, None, "now, best F1", None, None]


def test_thresholds_are_labelled_with_numbers_that_accept_the_same_clips() -> None:
    """A label is short unless rounding would move the threshold past a clip."""
    curve = roc([0.1, 0.919962, 0.91997, 0.95], [False, False, True, True])
    labels = json.dumps(spec(roc_curve(curve, thresholds={"now": 0.5, "best F1": 0.91997}), "light"))
    assert "now: 0.5" in labels
    assert "best F1: 0.91997" in labels


def test_the_curve_s_words_name_special_cases() -> None:
    """Equal scores, a missing interval and a one-sided bound are each named as such."""
    good = [False, False, True, True]
    equal = spec(roc_curve(roc([3, 3, 3, 3], good)), "light")["title"]
    assert equal["text"].startswith("All scores are equal")
    assert equal["subtitle"] == ["AUC 0.50 (no interval); n = 4 clips (2 good, 2 bad)"]
    apart = spec(roc_curve(roc([1, 2, 3, 4], good)), "light")["title"]
    assert "A good clip outscores a bad one: AUC 1.00 [" in apart["text"]
    assert "95 % one-sided bound" in apart["subtitle"][0]
    mixed = spec(roc_curve(roc([1, 3, 2, 4], good)), "light")["title"]
    assert "95 % interval" in mixed["subtitle"][0]


def test_an_undefined_curve_is_not_drawn() -> None:
    """Without bad clips there is no curve, and the error gives the reason."""
    with pytest.raises(ValueError, match="no rated clip is bad"):
        roc_curve(roc([1, 2], [True, True]))


def test_undefined_agreement_is_shown_as_such() -> None:
    """An estimate without a value stays in the figure and in the table, with its reason."""
    single = Ratings.from_votes(["a"], ["x"], ["accept"], VERDICT)
    estimates = {"sharpness": [STATISTICS["krippendorff_alpha"](single, resamples=10)]}
    assert "not defined" in svg(agreement_forest(estimates), "light")
    row = agreement_forest_table(estimates).rows[0]
    assert str(row[2]).startswith("undefined: no clip has two ratings")
