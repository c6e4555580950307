"""The fairness page: errors by subgroup, the source of verdicts, and means by subgroup."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from analysis.consensus.mean_opinion import mean_opinion
from analysis.filters.fairness import group_errors
from app.cache import Cache
from app.db import Database
from app.errors import AppError
from app.models import Study, StudyClip
from app.pool_evidence import study_pool, subgroups
from app.pool_evidence.evidence import Evidence
from app.results import adjudications
from app.results.consensus import VerdictSource
from scoring.filters import Filter
from tests.helpers import pool_studies
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite


def by_hand(study: Study, clips: list[StudyClip], columns: tuple[str, ...]) -> tuple[list[str], list[bool], list[bool]]:
    """Subgroup, verdict of the filter and of the raters for each clip with a majority, in the order of names."""
    table = {row["clip"]: row for row in pl.read_parquet(study.pool).iter_rows(named=True)}
    decided = sorted((clip for clip in clips if clip.position % 7), key=lambda clip: clip.clip)
    groups = [" × ".join(str(table[clip.clip][name]) for name in columns) for clip in decided]
    return groups, [clip.scores["movement"] >= 50 for clip in decided], [pool_studies.good(clip) for clip in decided]


def evidence(db: object, study: Study, verdict_source: VerdictSource = "raters") -> Evidence:
    """The evidence that a request computes."""
    return Evidence(db, study, Cache(), verdict_source)  # type: ignore[arg-type]  # a session


@pytest.mark.parametrize("columns", [("language",), ("gender", "language")])
def test_errors_by_subgroup_are_the_librarys(study: Study, database: Database, columns: tuple[str, ...]) -> None:
    """For one attribute and for two, every rate, interval and p equals that of `group_errors` for the same clips."""
    groups, accepted, good = by_hand(study, pool_studies.clips_of(database, study), columns)
    with database.reader() as db:
        found = evidence(db, study).errors("still", columns)
    assert found.consensus.sample is not None
    weights = found.consensus.sample.weights
    assert weights is not None
    assert weights.sum() == pytest.approx(pool_studies.CLIPS)
    assert found.clips == len(groups) < pool_studies.SAMPLED
    for kind, rows in found.rows.items():
        assert list(rows) == group_errors(groups, accepted, good, weights, kind=kind)
    assert all(row.too_few for row in found.rows["false_rejection"])


@on_sqlite
def test_the_page_marks_groups_that_are_too_small(study: Study, researcher: TestClient) -> None:
    """Small groups are marked and support no finding; the page has figures and tables with adjusted p-values."""
    here = f"/studies/{study.slug}"
    page = " ".join(researcher.get(f"{here}/fairness?by=gender&also=language&number=sync").text.split())
    for words in ("p, Holm", "p, BH", "too few", "f × en", "m × fr", "Rates are weighted to the pool.", "by subgroup"):
        assert words in page, words
    for name in ("false_rejection", "false_acceptance", "mean", "mean_kept"):
        drawn = researcher.get(
            f"{here}/consequences/figures/{name}.json?by=gender&also=language&filter=still&number=sync"
        )
        assert drawn.status_code == 200, name
        assert "n = " in str(drawn.json()["title"]["subtitle"])
    title = researcher.get(f"{here}/consequences/figures/false_rejection.json?by=gender").json()["title"]["text"]
    assert title == "Every group has fewer than 30 judged good clips: too few to compare"
    assert researcher.get(f"{here}/consequences/figures/false_rejection.svg?by=gender").text.startswith("<svg")
    assert researcher.get(f"{here}/consequences/figures/nothing.json").status_code == 404
    assert researcher.get(f"{here}/fairness?filter=none").status_code == 404


def test_the_researchers_verdicts_count_only_on_request(
    study: Study, database: Database, researcher: TestClient
) -> None:
    """With `truth=ruled`, a tie that the researcher decided counts, and the page says how many verdicts are theirs."""
    tied = next(clip for clip in pool_studies.clips_of(database, study) if clip.position % 7 == 0)
    with database.writer() as db:
        adjudications.record(db, study, tied.id, "verdict", "accept", "a good clip")
    with database.reader() as db:
        plain, ruled = (evidence(db, study, source).errors("still", ("gender",)) for source in ("raters", "ruled"))
    assert (ruled.clips, ruled.consensus.rulings, ruled.consensus.changed) == (plain.clips + 1, 1, 1)
    assert (plain.consensus.verdict_source, ruled.consensus.verdict_source) == ("raters", "ruled")
    here = f"/studies/{study.slug}/fairness?by=gender"
    assert "Your own verdicts count here." not in researcher.get(here).text
    page = " ".join(researcher.get(f"{here}&truth=ruled").text.split())
    assert "Your own verdicts count here.</strong> 1 of the judged clips carry one; 1 of them differs" in page
    assert researcher.get(f"{here}&truth=mine").status_code == 422


@on_sqlite
def test_means_by_subgroup_are_those_of_the_pool(study: Study) -> None:
    """Means, standard deviations and intervals are those of all clips or of those kept; other columns are refused."""
    table = pl.read_parquet(study.pool).drop_nulls("sync")
    rows, filters = study_pool.rows(study), [Filter("still", "movement", 50)]
    found = subgroups.means(rows, ("language",), "sync", filters, kept=False)
    assert found.without == 6
    for name, one, spread in found.groups:
        own = table.filter(pl.col("language") == name)["sync"].to_numpy()
        made = mean_opinion(np.zeros(len(own), dtype=np.int64), own)
        assert one.value == pytest.approx(own.mean())
        assert one.clips == len(own)
        assert one.low == pytest.approx(own.mean() - made.t_half[0])
        assert spread == pytest.approx(own.std(ddof=1))
    kept = subgroups.means(rows, ("language",), "sync", filters, kept=True)
    assert sum(one.clips for _, one, _ in kept.groups) == table.filter(pl.col("movement") >= 50).height
    for column in ("language", "none"):
        with pytest.raises(AppError, match="no column of numbers"):
            subgroups.means(rows, ("language",), column, filters, kept=False)


@on_sqlite
def test_the_smallest_of_many_groups_are_merged(study: Study) -> None:
    """Of more groups than a table shows, the smallest are merged into `others`, and no clip is lost."""
    found = subgroups.means(study_pool.rows(study), ("source",), "movement", [], kept=False)
    assert len(found.groups) == subgroups.MOST_GROUPS + 1
    assert sum(one.clips for _, one, _ in found.groups) == pool_studies.CLIPS


@on_sqlite
def test_a_page_without_judgments_or_subgroups_says_what_is_missing(
    study_maker: StudyMaker, tmp_path: Path, researcher: TestClient
) -> None:
    """Without attributes the page says how to add them; if the pool changed or is missing, the page says so."""
    bare = pool_studies.make(study_maker.database, study_maker.settings, tmp_path, without=("language", "gender"))
    assert "clipjury pool join" in researcher.get(f"/studies/{bare.slug}/fairness").text
    pl.read_parquet(bare.pool).with_columns(more=pl.lit(1)).write_parquet(bare.pool)
    assert "has changed since the study was made" in researcher.get(f"/studies/{bare.slug}/fairness").text
    Path(bare.pool).unlink()
    assert "is not there any more" in researcher.get(f"/studies/{bare.slug}/fairness").text


@on_sqlite
def test_without_judgments_there_are_no_errors(study_maker: StudyMaker, tmp_path: Path, researcher: TestClient) -> None:
    """Means by subgroup are shown, because they need no judgments; instead of errors the page says what is missing."""
    study = pool_studies.make(study_maker.database, study_maker.settings, tmp_path)
    page = researcher.get(f"/studies/{study.slug}/fairness?number=sync").text
    assert "no clip has an accept or reject yet" in page
    assert "sync by subgroup, whole pool" in page
