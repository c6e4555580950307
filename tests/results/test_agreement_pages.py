"""The agreement pages: the library's numbers under pseudonyms, disputed clips, the researcher's verdicts."""

import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from analysis.agreement.kappas import pair_estimate, pairs
from analysis.agreement.pairwise import clip_disagreement
from analysis.agreement.statistics import krippendorff_alpha, percent_agreement
from analysis.ratings import ACR5, VERDICT, Ratings
from app.cache import EXPENSIVE_SECONDS, Cache
from app.db import Database
from app.errors import AppError
from app.models import Event, Study, StudyClip
from app.results import adjudications, answer_table, disputed_clips, rater_profile, study_results, votes
from app.results import agreement as study_agreement
from app.results.agreement import Agreement
from app.results.disputed_clips import Asked, Wall
from app.studies import lifecycle, whole_study
from tests.helpers.factories import StudyMaker
from tests.helpers.factories import answers as said
from tests.helpers.rated_studies import A, R, U, computed, nine_clips, verdicts, vote
from tests.helpers.visitors import on_sqlite
from tests.helpers.waiting import wait_until

PLANS = {
    "Ada": [A, R, A, A, R, A, U, A, None],
    "Ben": [A, R, A, A, R, R, U, A, None],
    "Cyd": [A, A, A, R, R, R, A, None, None],
}


@pytest.fixture
def disputed(study_maker: StudyMaker) -> Study:
    """Nine clips, three raters who differ on some."""
    study = study_maker(clips=9, raters_per_clip=3, with_media=False)
    for number, (name, values) in enumerate(PLANS.items()):
        plan = {place: one | said(quality=1 + (place + number) % 5) | one for place, one in verdicts(values).items()}
        vote(study_maker, study, name, plan)
    return study


def found(database: Database, study: Study) -> Agreement:
    """The study's agreement as it is now."""
    with database.reader() as db:
        return study_agreement.compute(db, lifecycle.by_slug(db, study.slug), "person")


def wall(database: Database, study: Study, **asked: object) -> Wall:
    """The clips that are asked for."""
    with database.reader() as db:
        whole = whole_study.parts(db, study.id)
        agreement = study_agreement.compute(db, whole.study, "person")
        shown = disputed_clips.wall(db, whole.study, agreement, whole.criteria, Asked("verdict", **asked))  # type: ignore[arg-type]  # a test's words
    assert shown is not None
    return shown


def test_answers_are_the_votes_under_pseudonyms(disputed: Study, study_maker: StudyMaker, database: Database) -> None:
    """The same answers as every other figure reads, names in the order of coming; models and the panel stay out."""
    vote(study_maker, disputed, "Robot", verdicts([R] * 9), kind="simulated")
    with database.reader() as db:
        study = lifecycle.by_slug(db, disputed.slug)
        table = answer_table.read(db, study, "person")
        given = votes.current(db, study, kind="person")
    names = dict(zip(PLANS, ("R1", "R2", "R3"), strict=True))
    rows = table.frame.select("clip", "criterion", "rater", "value").rows()
    assert rows == sorted((one.clip, one.criterion, names[one.rater], one.value) for one in given)
    assert table.raters == ("R1", "R2", "R3")
    assert table.frame["occasion"].unique().to_list() == [0]


def test_agreement_is_what_the_library_says(disputed: Study, database: Database) -> None:
    """Alpha, same answers and every pair's kappa equal those of a call with the same votes."""
    one = found(database, disputed).about("verdict")
    assert one is not None
    with database.reader() as db:
        given = [vote for vote in votes.current(db, disputed, kind="person") if vote.criterion == "verdict"]
    own = Ratings.from_votes([str(v.clip) for v in given], [v.rater for v in given], [v.value for v in given], VERDICT)
    alpha = krippendorff_alpha(own, resamples=study_results.RESAMPLES, seed=disputed.seed)
    assert (one.alpha.value, one.alpha.low) == (alpha.value, alpha.low)
    assert list(one.estimates) == ["krippendorff_alpha", "gwet_ac1", "percent_agreement"]
    kappas = [pair_estimate("cohen_kappa", pair, own).value for pair in pairs(own)]
    assert [pair.kappa.value for pair in one.pairs] == kappas
    assert [(pair.first, pair.second) for pair in one.pairs] == [("R1", "R2"), ("R1", "R3"), ("R2", "R3")]


@on_sqlite
def test_no_page_names_a_rater(disputed: Study, researcher: TestClient) -> None:
    """Agreement, a rater's page and the wall speak of R1, R2, R3; the numbers shown are the computed ones."""
    here = f"/studies/{disputed.slug}/agreement"
    for path in ("", "?criterion=quality", "/raters/R2", "/clips", "/clips?criterion=verdict&rater=R3"):
        page = researcher.get(here + path)
        assert page.status_code == 200, path
        assert "R2" in page.text
        assert not re.search(r"\b(Ada|Ben|Cyd)\b", page.text), path


@on_sqlite
def test_the_page_shows_the_computed_numbers(disputed: Study, researcher: TestClient, database: Database) -> None:
    """Alpha and its interval stand in the table with two digits."""
    page = " ".join(researcher.get(f"/studies/{disputed.slug}/agreement?criterion=verdict").text.split())
    one = found(database, disputed).about("verdict")
    assert one is not None
    alpha = one.alpha
    assert alpha.value is not None
    assert alpha.low is not None
    assert alpha.high is not None
    assert re.search(rf"{alpha.value:.2f} <small[^>]*>\[{alpha.low:.2f}, {alpha.high:.2f}\]", page.replace("−", "-"))
    assert "more clips with two raters give alpha an interval under .2." in page


def test_the_most_disputed_clips_come_first(disputed: Study, database: Database) -> None:
    """By disagreement, then by number of votes; filters leave out what is not asked for."""
    shown = wall(database, disputed)
    assert [one.dispute for one in shown.clips] == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert (shown.total, shown.compared) == (3, 7)
    assert [one.clip for one in wall(database, disputed, order="study", show="all").clips] == [
        f"secret-name-{number}" for number in (0, 1, 2, 3, 4, 5, 7)
    ]
    assert wall(database, disputed, show="tied").clips == ()
    mine = wall(database, disputed, rater="R3")
    assert [one.apart for one in mine.clips] == pytest.approx([1.0, 1.0, 0.5])
    last = wall(database, disputed, page=99)
    assert (last.page, last.pages) == (1, 1)
    assert [(one.rater, one.values[2][1]) for one in shown.clips[0].answers] == [
        ("R1", "Reject"),
        ("R2", "Reject"),
        ("R3", "Accept"),
    ]


def test_a_ruling_keeps_its_reason_and_every_revision(disputed: Study, database: Database) -> None:
    """The last one is in force, an empty one takes it back; all stay in the trail, and no result changes."""
    before = computed(database, disputed).filter_named("movement").verdicts
    number = wall(database, disputed).clips[0].number
    with database.writer() as db:
        for value, reason in (("accept", "a cut is in it"), ("reject", "looked again"), ("", "not mine to say")):
            adjudications.record(db, disputed, number, "verdict", value, reason)
            standing = adjudications.standing(adjudications.trails(db, disputed))
            assert standing == ({(number, "verdict"): value} if value else {})
    with database.reader() as db:
        trail = adjudications.trails(db, disputed)[number, "verdict"]
        assert [(one.value, one.reason) for one in trail] == [
            ("accept", "a cut is in it"),
            ("reject", "looked again"),
            ("", "not mine to say"),
        ]
        assert [event.kind for event in db.scalars(select(Event)).all()].count("adjudicated") == 3
    assert computed(database, disputed).filter_named("movement").verdicts == before


@pytest.mark.parametrize(
    ("clip", "key", "value", "reason", "words"),
    [
        (0, "verdict", "accept", "  ", "Say in a few words why"),
        (0, "verdict", "accept", "x" * 1001, "1000 letters"),
        (0, "verdict", "unsure", "why", "no answer to Verdict"),
        (0, "quality", "6", "why", "no answer to Quality"),
        (0, "verdict", "", "why", "no verdict of yours"),
        (0, "nothing", "accept", "why", "no such clip"),
        (999_999, "verdict", "accept", "why", "no such clip"),
    ],
)
@on_sqlite
def test_a_wrong_ruling_is_refused(
    disputed: Study, database: Database, clip: int, key: str, value: str, reason: str, words: str
) -> None:
    """Without a reason, off the scale, on what is not there: refused in words, nothing kept."""
    with database.writer() as db:
        number = clip or db.scalars(select(col(StudyClip.id)).where(col(StudyClip.study_id) == disputed.id)).all()[0]
        with pytest.raises(AppError, match=words):
            adjudications.record(db, disputed, number, key, value, reason)
        assert adjudications.trails(db, disputed) == {}


@on_sqlite
def test_a_ruling_is_made_on_the_wall(disputed: Study, researcher: TestClient, database: Database) -> None:
    """The form keeps it and comes back to the clip; the wall shows it, and `open` leaves the clip out."""
    here = f"/studies/{disputed.slug}/agreement/clips"
    number = wall(database, disputed).clips[0].number
    sent = {
        "criterion": "verdict",
        "value": "accept",
        "reason": "the cut is <b>real</b>",
        "back": f"{here}?criterion=verdict",
    }
    researcher.follow_redirects = False
    answer = researcher.post(f"{here}/{number}", data=sent)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{here}?criterion=verdict#clip-{number}")
    elsewhere = researcher.post(f"{here}/{number}", data=sent | {"back": "https://elsewhere.example/"})
    assert elsewhere.headers["location"] == f"{here}?criterion=verdict#clip-{number}"
    page = researcher.get(f"{here}?criterion=verdict&show=ruled").text
    assert "Your verdict: Accept" in page
    assert "the cut is &lt;b&gt;real&lt;/b&gt;" in page
    assert f'id="clip-{number}"' not in researcher.get(f"{here}?criterion=verdict&show=open").text
    researcher.post(f"{here}/{number}", data=sent | {"withdraw": "true"})
    assert f'id="clip-{number}"' in researcher.get(f"{here}?criterion=verdict&show=open").text
    assert researcher.post(f"{here}/{number}", data=sent | {"value": ""}).status_code == 400


@on_sqlite
def test_a_block_of_the_wall_is_what_the_page_shows(disputed: Study, researcher: TestClient) -> None:
    """htmx gets the wall alone, everybody else the whole page with the same wall."""
    here = f"/studies/{disputed.slug}/agreement/clips?criterion=verdict"
    whole, block = researcher.get(here).text, researcher.get(here, headers={"HX-Request": "true"}).text
    assert "<html" not in block
    assert block.strip() in whole


@on_sqlite
def test_a_rater_is_set_beside_the_others_and_themselves(disputed: Study, database: Database) -> None:
    """Counts add up, verdicts have shares, points have a bias; alpha without the rater is that of the others."""
    agreement = found(database, disputed)
    page = rater_profile.rater_page(agreement, "R3", disputed.seed)
    assert (page.before, page.after) == ("R2", None)
    of = {one.key: one for one in page.criteria}
    assert of["verdict"].ratings == 7
    assert sum(times for _, times in of["verdict"].said) == 7
    assert of["verdict"].ways is None
    assert of["verdict"].accepts == pytest.approx((3 / 6, 3.5 / 6))
    assert of["quality"].ways is not None
    assert set(of["quality"].rest) >= {"rest_bias", "rest_agreement"}
    kept = [
        (str(place), name, value)
        for name in ("Ada", "Ben")
        for place, value in enumerate(PLANS[name])
        if value is not None
    ]
    clips, names, values = (list(part) for part in zip(*kept, strict=True))
    alone = krippendorff_alpha(Ratings.from_votes(clips, names, values, VERDICT), resamples=10)
    assert of["verdict"].alpha_without.value == pytest.approx(alone.value)
    with pytest.raises(AppError, match="no rater 'R9'"):
        rater_profile.rater_page(agreement, "R9", 0)


@on_sqlite
def test_a_clip_with_one_vote_keeps_its_source(study_maker: StudyMaker, database: Database) -> None:
    """Where sources are resampled, clips that only one person saw enter AC too: no error, and a number."""
    study = study_maker(clips=26, raters_per_clip=2, sources=13, with_media=False)
    vote(study_maker, study, "Ada", verdicts([A, R] * 13))
    vote(study_maker, study, "Ben", verdicts([A, R, R, A] * 6))
    one = found(database, study).about("verdict")
    assert one is not None
    assert "source videos" in one.note
    assert all(each.value is not None for each in one.estimates.values())
    assert computed(database, study).criteria[2].estimates["gwet_ac"].value is not None


@on_sqlite
def test_figures_are_drawn_and_unknown_things_are_404(disputed: Study, researcher: TestClient) -> None:
    """Forest, pairs, raters and a rater's bias in both themes; a wrong name is told in words."""
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
    """Before any answer: how many clips it takes; with one rater: what agreement needs. Never a 0."""
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


def test_what_was_made_is_kept_until_its_data_change() -> None:
    """One making for one mark; an older value does for figures; a failed making is not kept."""
    cache = Cache(max_entries=2)
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    assert [
        cache.get("a", 1, make),
        cache.get("a", 1, make),
        cache.get("a", 2, make, allow_stale=True),
        cache.get("a", 2, make),
    ] == [
        0,
        0,
        0,
        1,
    ]
    with pytest.raises(ZeroDivisionError):
        cache.get("b", 1, lambda: 1 // 0)
    assert cache.get("b", 1, make) == 2
    cache.get("c", 1, make)
    assert cache.get("a", 2, make) == 4


def test_what_takes_long_may_be_some_seconds_old_on_a_page() -> None:
    """A patient visitor sees the last state of a costly value for a while, all others the newest."""
    cache = Cache()

    def slow() -> str:
        time.sleep(EXPENSIVE_SECONDS + 0.05)
        return "slow"

    assert cache.get("a", 1, slow) == "slow"
    assert cache.get("a", 2, lambda: "new", allow_recent=True) == "slow"
    assert cache.get("a", 2, lambda: "new") == "new"
    assert cache.get("a", 3, lambda: "newer", allow_recent=True) == "newer"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.sampled_from(ACR5.levels)), min_size=1, max_size=30))
def test_disagreement_of_clips_lies_between_0_and_1(rows: list[tuple[int, int, str]]) -> None:
    """0 exactly where all said the same, NaN exactly under two votes; on names its mean is what agreement leaves."""
    last = {(clip, rater): value for clip, rater, value in rows}
    clips, raters = zip(*last, strict=True)
    votes_ = Ratings.from_votes([str(c) for c in clips], [str(r) for r in raters], list(last.values()), ACR5)
    found_ = clip_disagreement(votes_)
    paired = votes_.votes >= 2
    assert (np.isnan(found_) == ~paired).all()
    assert ((found_[paired] >= 0) & (found_[paired] <= 1)).all()
    assert ((found_[paired] == 0) == (np.count_nonzero(votes_.counts[paired], axis=1) == 1)).all()


def test_disagreement_and_agreement_add_up() -> None:
    """On a scale of names the clips' disagreements average to 1 less the percent agreement."""
    given_ = Ratings.from_votes(list("aaabbcc"), list("xyzxyxy"), [A, R, A, A, A, R, A], VERDICT)
    share = percent_agreement(given_, resamples=10).value
    assert share is not None
    assert 1 - float(np.mean(clip_disagreement(given_))) == pytest.approx(share)


@on_sqlite
def test_pages_follow_new_answers(study_maker: StudyMaker, researcher: TestClient) -> None:
    """A judgment more and the page shows it: what is kept is kept by the data's fingerprint."""
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
