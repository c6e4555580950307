"""The agreement page and the raters' pages: the library's numbers, under pseudonyms, with what is missing."""

import re

import pytest
from starlette.testclient import TestClient

from analysis.agreement.kappas import pair_estimate, pairs
from analysis.agreement.statistics import krippendorff_alpha
from analysis.ratings import VERDICT, Ratings
from app.db import Database
from app.errors import AppError
from app.models import Study
from app.results import agreement as study_agreement
from app.results import answer_table, rater_profile, study_results, votes
from app.results.agreement import Agreement
from app.studies import lifecycle
from tests.helpers.factories import StudyMaker
from tests.helpers.factories import answers as said
from tests.helpers.rated_studies import DISPUTED_VERDICTS, A, R, computed, nine_clips, verdicts, vote
from tests.helpers.visitors import on_sqlite
from tests.helpers.waiting import wait_until


def agreement_of(database: Database, study: Study) -> Agreement:
    """Return the study's agreement as it is now."""
    with database.reader() as db:
        return study_agreement.compute(db, lifecycle.by_slug(db, study.slug), "person")


def test_the_answer_table_holds_the_votes_under_pseudonyms(
    disputed: Study, study_maker: StudyMaker, database: Database
) -> None:
    """The table has the answers that every other figure reads, raters named R1, R2, ...; the panel is left out."""
    vote(study_maker, disputed, "Robot", verdicts([R] * 9), kind="simulated")
    with database.reader() as db:
        study = lifecycle.by_slug(db, disputed.slug)
        table = answer_table.read(db, study, "person")
        given = votes.read(db, study, kind="person")
    names = dict(zip(DISPUTED_VERDICTS, ("R1", "R2", "R3"), strict=True))
    rows = table.frame.select("clip", "criterion", "rater", "value").rows()
    assert rows == sorted((one.clip, one.criterion, names[one.rater], one.value) for one in given)
    assert table.raters == ("R1", "R2", "R3")
    assert table.frame["occasion"].unique().to_list() == [0]


def test_the_agreement_equals_the_librarys(disputed: Study, database: Database) -> None:
    """Alpha, the statistics shown and the kappa of every pair equal those of a library call with the same votes."""
    one = agreement_of(database, disputed).criterion("verdict")
    assert one is not None
    with database.reader() as db:
        given = [vote for vote in votes.read(db, disputed, kind="person") if vote.criterion == "verdict"]
    own = Ratings.from_votes([str(v.clip) for v in given], [v.rater for v in given], [v.value for v in given], VERDICT)
    alpha = krippendorff_alpha(own, resamples=study_results.RESAMPLES, seed=disputed.seed)
    assert (one.alpha.value, one.alpha.low) == (alpha.value, alpha.low)
    assert list(one.estimates) == ["krippendorff_alpha", "gwet_ac1", "percent_agreement"]
    kappas = [pair_estimate("cohen_kappa", pair, own).value for pair in pairs(own)]
    assert [pair.kappa.value for pair in one.pairs] == kappas
    assert [(pair.first, pair.second) for pair in one.pairs] == [("R1", "R2"), ("R1", "R3"), ("R2", "R3")]


@on_sqlite
def test_no_page_names_a_rater(disputed: Study, researcher: TestClient) -> None:
    """The agreement page, a rater's page and the disputed clips show R1, R2, R3, never a rater's name."""
    here = f"/studies/{disputed.slug}/agreement"
    for path in ("", "?criterion=quality", "/raters/R2", "/clips", "/clips?criterion=verdict&rater=R3"):
        page = researcher.get(here + path)
        assert page.status_code == 200, path
        assert "R2" in page.text
        assert not re.search(r"\b(Ada|Ben|Cyd)\b", page.text), path


@on_sqlite
def test_the_agreement_page_shows_alpha_with_its_interval(
    disputed: Study, researcher: TestClient, database: Database
) -> None:
    """The table shows the computed alpha and its interval with two digits, and how many more clips are needed."""
    page = " ".join(researcher.get(f"/studies/{disputed.slug}/agreement?criterion=verdict").text.split())
    one = agreement_of(database, disputed).criterion("verdict")
    assert one is not None
    alpha = one.alpha
    assert alpha.value is not None
    assert alpha.low is not None
    assert alpha.high is not None
    assert re.search(rf"{alpha.value:.2f} <small[^>]*>\[{alpha.low:.2f}, {alpha.high:.2f}\]", page.replace("−", "-"))
    assert "more clips with two raters give alpha an interval under .2." in page


@on_sqlite
def test_a_rater_profile_compares_the_rater_with_the_others(disputed: Study, database: Database) -> None:
    """Counts add up, verdicts have shares, points have a bias; alpha without the rater is that of the others."""
    agreement = agreement_of(database, disputed)
    profile = rater_profile.rater_profile(agreement, "R3", disputed.seed)
    assert (profile.before, profile.after) == ("R2", None)
    of = {one.key: one for one in profile.criteria}
    assert of["verdict"].ratings == 7
    assert sum(times for _, times in of["verdict"].answer_counts) == 7
    assert of["verdict"].subject_model is None
    assert of["verdict"].accept_shares == pytest.approx((3 / 6, 3.5 / 6))
    assert of["quality"].subject_model is not None
    assert set(of["quality"].against_others) >= {"rest_bias", "rest_agreement"}
    kept = [
        (str(place), name, value)
        for name in ("Ada", "Ben")
        for place, value in enumerate(DISPUTED_VERDICTS[name])
        if value is not None
    ]
    clips, names, values = (list(part) for part in zip(*kept, strict=True))
    alone = krippendorff_alpha(Ratings.from_votes(clips, names, values, VERDICT), resamples=10)
    assert of["verdict"].alpha_without.value == pytest.approx(alone.value)
    with pytest.raises(AppError, match="no rater 'R9'"):
        rater_profile.rater_profile(agreement, "R9", 0)


@on_sqlite
def test_a_clip_with_one_vote_keeps_its_source(study_maker: StudyMaker, database: Database) -> None:
    """If sources are resampled, clips with a single vote enter AC with their source, and the coefficient exists."""
    study = study_maker(clips=26, raters_per_clip=2, sources=13, with_media=False)
    vote(study_maker, study, "Ada", verdicts([A, R] * 13))
    vote(study_maker, study, "Ben", verdicts([A, R, R, A] * 6))
    one = agreement_of(database, study).criterion("verdict")
    assert one is not None
    assert "source videos" in one.note
    assert all(each.value is not None for each in one.estimates.values())
    assert computed(database, study).criteria[2].estimates["gwet_ac"].value is not None


@on_sqlite
def test_figures_are_drawn_and_unknown_names_are_404(disputed: Study, researcher: TestClient) -> None:
    """The forest, pairs, raters and a rater's bias are drawn in both themes; an unknown name answers 404."""
    here = f"/studies/{disputed.slug}/agreement"
    for name, asked in (
        ("forest", ""),
        ("pairs", "criterion=verdict"),
        ("raters", "criterion=quality"),
        ("bias", "rater=R1"),
    ):
        light, dark = (
            researcher.get(f"{here}/figures/{name}.json?{asked}&theme={theme}").json() for theme in ("light", "dark")
        )
        assert light != dark
        assert "n = " in str(light["title"]["subtitle"])
        assert researcher.get(f"{here}/figures/{name}.svg?{asked}").text.startswith("<svg")
    for path in (
        "?criterion=none",
        "/raters/R9",
        "/figures/none.json",
        "/figures/bias.json?rater=R9",
        "/clips?criterion=none",
    ):
        assert researcher.get(here + path).status_code == 404, path
    assert researcher.get(f"{here}/clips?show=nonsense").status_code == 422


@on_sqlite
def test_empty_pages_say_what_is_missing(study_maker: StudyMaker, researcher: TestClient) -> None:
    """Before any answer the page says how many clips are needed; with one rater it says so and shows no 0."""
    study = study_maker(clips=3, with_media=False)
    here = f"/studies/{study.slug}/agreement"
    text = researcher.get(here).text
    assert "No answers yet" in text
    assert re.search(r"About \d+ more clips with two raters give alpha an interval under \.2, if raters agree", text)
    assert "No clip has two answers yet" in researcher.get(f"{here}/clips").text
    assert researcher.get(f"{here}/figures/forest.json").status_code == 404
    vote(study_maker, study, "Ada", verdicts([A, R, A]))
    text = researcher.get(here).text
    assert "no clip has two ratings" in text
    assert "No two raters have answered the same clip" in text
    assert "0.00" not in text


@on_sqlite
def test_the_agreement_page_shows_a_new_answer(study_maker: StudyMaker, researcher: TestClient) -> None:
    """After a further judgment the page shows the new rater, because the fingerprint of the data has changed."""
    study = nine_clips(study_maker)
    here = f"/studies/{study.slug}/agreement"
    assert "R3" not in researcher.get(here).text
    with study_maker.database.writer() as db:
        study.raters_per_clip = 3
        db.merge(study)
    rater = study_maker.rater(study, "Cyd")
    assert study_maker.rate(study, rater, said()) is not None
    # Where it takes long to compute, the page may be some seconds old.
    wait_until(lambda: 'raters/R3"' in researcher.get(f"{here}?criterion=quality").text, "the new rater")
