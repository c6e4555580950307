"""Pairs of thresholds on an average and its worst moment: the library's rates, the partner of a filter, the map."""

import numpy as np
import pytest
from sqlalchemy import select
from sqlmodel import col

from analysis.design import Design
from analysis.figures.threshold_pairs import threshold_pair_map, threshold_pair_table
from analysis.filters.rates import confusion
from analysis.number_format import estimate_text
from analysis.thresholds.threshold_pairs import threshold_pairs, thresholds_between
from app import auth
from app.db import Database
from app.errors import NotFound
from app.models import Filter, Study
from app.settings import Settings
from app.studies import lifecycle
from app.thresholds import threshold_pairs as filter_pairs
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import CLIPS_OF_BOTH, average_and_worst, computed
from tests.helpers.visitors import Visitor, on_sqlite


@pytest.fixture
def judged(study_maker: StudyMaker) -> Study:
    """Thirty clips with both scores of movement, and a rater who likes those whose worst moment is good."""
    return average_and_worst(study_maker)


def test_every_pair_has_the_rates_of_the_clips_that_reach_both_thresholds() -> None:
    """Counts and rates of each pair are those of the clips that reach both thresholds, with the design's weights."""
    chance = np.random.default_rng(3)
    first, second, good = chance.normal(size=60), chance.normal(size=60), chance.random(60) < 0.6
    weights = chance.uniform(1, 4, 60)
    design = Design.build(60, weights, None)
    firsts, seconds = thresholds_between(first, 0.0, 5), thresholds_between(second, -0.5, 4)
    pairs = threshold_pairs(first, second, good, design, firsts=firsts, seconds=seconds)
    assert [(pair.first, pair.second) for pair in pairs] == [(a, b) for a in firsts for b in seconds]
    for pair in pairs:
        kept = (first >= pair.first) & (second >= pair.second)
        expected = confusion(kept, good, weights)
        assert (pair.table.tp, pair.table.fp) == (int((kept & good).sum()), int((kept & ~good).sum()))
        for rate in ("precision", "recall", "f1"):
            assert getattr(pair.table, rate).value == getattr(expected, rate).value


def test_the_thresholds_include_the_preset_and_the_extreme_scores() -> None:
    """The thresholds to try include the preset, and the lowest and highest score, even if scores repeat."""
    assert thresholds_between(np.array([1.0, 1, 1, 2]), 9.0, 4) == [1.0, 2.0, 9.0]
    assert len(thresholds_between(np.arange(1000.0), 500.5, 8)) == 9


@on_sqlite
def test_filters_on_an_average_and_its_worst_moment_make_a_pair(judged: Study, database: Database) -> None:
    """Both filters lead to the same pair, with the average first, and its counts are those of the clips themselves."""
    found = computed(database, judged)
    with database.reader() as db:
        study = lifecycle.by_slug(db, judged.slug)
        pair = filter_pairs.build(db, study, found, "worst")
        assert filter_pairs.build(db, study, found, "movement").table == pair.table
    assert (pair.first.score, pair.second.score) == ("avg_movement", "min_movement")
    [preset] = [one for one in pair.pairs if (one.first, one.second) == (80.0, 60.0)]
    assert sum(preset.table.counts) == CLIPS_OF_BOTH
    sample = found.filter_named("movement").sample
    worst = found.filter_named("worst").sample
    assert sample is not None and worst is not None  # noqa: PT018 - both are needed for the types
    both = (sample.scores >= 80) & (worst.scores >= 60)
    assert preset.table.tp + preset.table.fp == int(both.sum())


@on_sqlite
def test_a_filter_without_a_partner_is_refused_with_an_explanation(judged: Study, database: Database) -> None:
    """If the other filter is a band, the error explains which filters make a pair."""
    with database.writer() as db:
        rule = db.scalars(select(Filter).where(col(Filter.name) == "worst")).one()
        rule.maximum = 99
        db.add(rule)
    found = computed(database, judged)
    with database.reader() as db, pytest.raises(NotFound, match=r"no partner.*whole clip.*worst second"):
        filter_pairs.build(db, lifecycle.by_slug(db, judged.slug), found, "movement")


@on_sqlite
def test_the_page_shows_the_map_and_its_table(judged: Study, visitor: Visitor, settings: Settings) -> None:
    """The workbench links to the pair's page, which has the map, its file, and the table of all pairs."""
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    here = f"/studies/{judged.slug}/filters/movement"
    assert f'href="{here}/pair"' in browser.get(f"{here}/workbench").text
    page = browser.get(f"{here}/pair?rate=recall")
    assert page.status_code == 200
    assert "both cuts together" in page.text
    assert page.text.count("<tr>") > 50
    assert browser.get(f"{here}/pair/recall.svg").text.startswith("<svg")
    assert browser.get(f"{here}/pair/none.svg").status_code == 404


def test_the_map_outlines_the_preset_and_marks_undefined_rates() -> None:
    """Every pair is drawn once, the preset pair is marked, and an undefined rate is a dash and never 0."""
    scores = np.array([1.0, 2, 3, 4])
    pairs = threshold_pairs(scores, scores, scores > 2, Design.build(4, None, None), firsts=[1.0, 5.0], seconds=[1.0])
    drawn = threshold_pair_map(pairs, "precision", first="avg_a", second="min_a", preset=(1.0, 1.0)).to_dict()
    [cells] = drawn["datasets"].values()
    assert [(cell["short"], cell["preset"]) for cell in cells] == [("0.50", True), ("–", False)]
    table = threshold_pair_table(pairs, first="avg_a", second="min_a")
    assert [row[6] for row in table.rows] == [estimate_text(one.table.precision) for one in pairs]
    assert str(table.rows[1][6]).startswith("undefined: ")
    assert len(table.headings) == len(table.rows[0])
