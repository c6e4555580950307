"""The progress page and its counts: clips by step, strata, consensus, raters at work, who is stuck, skips, signs."""

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app.db import Database
from app.models import Assignment, Rater, Study
from app.monitoring import clip_flow, consensus_flow, rater_activity, skipped_clips
from app.monitoring.clip_flow import ClipCounts
from app.raters import invite_list
from app.rating import assignments
from app.rating.judgments import Answer, record
from app.results import filter_results, study_results
from app.studies import lifecycle
from app.studies.overview import line_of
from app.studies.whole_study import parts
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers
from tests.helpers.rated_studies import A, R, U, computed, in_strata, nine_clips, verdicts, vote
from tests.helpers.visitors import on_sqlite


def total_counts(database: Database, study: Study) -> ClipCounts:
    """Return the counts of the study's clips, for people's answers."""
    with database.reader() as db:
        return clip_flow.total(clip_flow.by_stratum(db, study, kind="person"))


def test_every_clip_is_counted_at_its_furthest_step(study_maker: StudyMaker, database: Database) -> None:
    """Rated, on screen, skipped, abandoned and waiting add up to the sample."""
    study = study_maker(clips=10, raters_per_clip=2, with_media=False)
    ada = study_maker.rater(study, "Ada")
    study_maker.rate(study, ada, answers())
    ben = study_maker.rater(study, "Ben")
    with database.writer() as db:
        first, *_others = assignments.top_up(db, study, ben, [], now=NOON, lease=LEASE)
        assignments.skip(db, study, first.assignment, reason="cannot_play")
    cleo = study_maker.rater(study, "Cleo")
    with database.writer() as db:
        assignments.top_up(db, study, cleo, [], now=NOON - timedelta(hours=2), lease=LEASE)
        assignments.expire(db, study, now=NOON, lease=LEASE)
    counts = total_counts(database, study)
    with database.reader() as db:
        rows = db.scalars(select(Assignment)).all()
    seen: dict[int, set[str]] = {one.study_clip_id: set() for one in rows}
    for one in rows:
        if one.rater_id is not None:
            seen[one.study_clip_id].add(one.status)
    furthest = [
        next((word for word in ("done", "held", "skipped", "expired") if word in of), "") for of in seen.values()
    ]
    assert counts.drawn == len(seen) == 10
    assert (counts.rated, counts.usable, counts.complete) == (1, 1, 0)
    lost = (counts.on_screen, counts.skipped, counts.abandoned, counts.waiting)
    assert lost == tuple(furthest.count(word) for word in ("held", "skipped", "expired", ""))
    assert counts.shown == counts.rated + counts.on_screen + counts.skipped + counts.abandoned


def test_the_simulated_panel_is_not_counted_among_people(study_maker: StudyMaker, database: Database) -> None:
    """People's counts are 0 if only the panel has answered; the panel has its own counts."""
    study = study_maker(clips=3, with_media=False)
    vote(study_maker, study, "Robot", verdicts([A, R, A]), kind="simulated")
    assert total_counts(database, study).shown == 0
    with database.reader() as db:
        assert clip_flow.total(clip_flow.by_stratum(db, study, kind="simulated")).rated == 3
        assert consensus_flow.of_study(db, study, kind="person").decided == 0
        assert consensus_flow.of_study(db, study, kind="simulated").decided == 3


def consensus_of_both(
    database: Database, study: Study
) -> tuple[consensus_flow.ConsensusFlow, filter_results.VerdictCounts]:
    """Return the first question's counts by SQL, and the first filter's counts in the results."""
    with database.reader() as db:
        (question,) = consensus_flow.of_study(db, study, kind="person").questions
    return question, computed(database, study).filters[0].verdicts


def test_the_consensus_equals_that_of_the_results(study_maker: StudyMaker, database: Database) -> None:
    """Accepted, rejected, tied and blind are the same, except for clips without a score."""
    study = nine_clips(study_maker)
    question, counts = consensus_of_both(database, study)
    assert question.asked == counts.drawn == 9
    assert question.decided + question.tied == counts.accepted + counts.rejected + counts.tied + counts.without_score
    assert question.tied == counts.tied
    assert question.unsure + question.without + question.in_view == counts.without_votes
    assert question.blind == counts.blind
    with database.reader() as db:
        found = consensus_flow.of_study(db, study, kind="person")
    assert found.decided == question.decided == sum(found.strata.values())
    assert {label for label, _criterion in found.strata} == {"high", "low", "none"}


@pytest.mark.parametrize("visibility", ["hidden", "shown", "after", "randomised"])
def test_revisions_and_arms_count_as_in_the_results(
    study_maker: StudyMaker, database: Database, visibility: str
) -> None:
    """The last revision counts; answers given while scores were visible are used only if there are no others."""
    study = study_maker(clips=12, raters_per_clip=3, score_visibility=visibility, with_media=False)
    for name, first in (("Ada", [A, R, U] * 4), ("Ben", [A, A, R] * 4), ("Cleo", [R, A, U] * 4)):
        rater = vote(study_maker, study, name, verdicts(first))
        with database.writer() as db:
            asked = parts(db, study.id)
            own = db.scalars(select(Assignment).where(col(Assignment.rater_id) == rater.id).order_by("id")).all()
            for one in own[::3]:
                held = assignments.owned(db, rater, one.id)
                answer = Answer(answers(verdict=R), f"again-{one.id}")
                record(db, held, rater, list(asked.criteria), answer, now=NOON)
    question, counts = consensus_of_both(database, study)
    got = (question.accepted, question.rejected, question.tied, question.blind)
    assert got == (counts.accepted, counts.rejected, counts.tied, counts.blind)
    assert question.unsure + question.without + question.in_view == counts.without_votes
    with database.reader() as db:
        assert consensus_flow.of_study(db, study, kind="person").decided == question.decided


def test_strata_are_counted_separately_in_the_order_of_the_design(study_maker: StudyMaker, database: Database) -> None:
    """Each stratum counts its own clips only."""
    study = study_maker(clips=6, raters_per_clip=1, scores=[90, 85, 60, 50, 40, None], with_media=False)
    in_strata(database, {"high": 2.0, "low": 4.0, "none": 1.0})
    vote(study_maker, study, "Ada", verdicts([A, None, R, R, None, None]))
    with database.reader() as db:
        study = lifecycle.by_slug(db, study.slug)
        found = clip_flow.by_stratum(db, study, kind="person")
    order = [row["label"] for row in study.design["strata"]]
    assert [one.label for one in found] == order
    counted = {
        one.label: (one.counts.drawn, one.counts.rated, one.counts.complete, one.counts.skipped) for one in found
    }
    assert counted == {"high": (2, 1, 1, 1), "low": (3, 2, 2, 1), "none": (1, 0, 0, 1)}


def test_pace_and_time_left_are_computed_from_the_raters_answers(study_maker: StudyMaker, database: Database) -> None:
    """The pace is the median gap without breaks; the time left is the pace times the open clips new to the rater."""
    study = study_maker(clips=12, raters_per_clip=2, with_media=False)
    ada, ben = study_maker.rater(study, "Ada"), study_maker.rater(study, "Ben")
    at = NOON
    for gap in (0, 10, 10, 3000, 14, 10):
        at += timedelta(seconds=gap)
        study_maker.rate(study, ada, answers(), at=at)
    study_maker.rate(study, ben, answers(), at=at)
    with database.reader() as db:
        found = {one.name: one for one in rater_activity.by_rater(db, study, kind="person")}
        remaining = rater_activity.remaining(db, study, list(found.values()), now=at)
    assert found["Ada"].seconds_per_clip == 10
    assert found["Ada"].answered == 6
    assert found["Ada"].clips_left == 12 - 6 - found["Ada"].held
    assert found["Ada"].minutes_left == found["Ada"].clips_left * 10 / 60
    assert found["Ben"].seconds_per_clip is None
    assert found["Ben"].minutes_left is None
    assert remaining.places == 24 - 7
    assert remaining.minutes == 17 * 10 / 60
    assert remaining.minutes_together == remaining.minutes / 2
    assert {one.state(at) for one in found.values()} == {"at work"}


def test_stuck_raters_are_listed(study_maker: StudyMaker, database: Database) -> None:
    """A clip held past its lease and a rater silent for over a day are listed; raters who are done are not."""
    study = study_maker(clips=3, raters_per_clip=3, with_media=False)
    ada, ben = study_maker.rater(study, "Ada"), study_maker.rater(study, "Ben")
    for _ in range(3):
        study_maker.rate(study, ada, answers(), at=NOON)
    study_maker.rate(study, ben, answers(), at=NOON)
    with database.writer() as db:
        held = assignments.top_up(db, study, ben, assignments.held(db, ben), now=NOON, lease=LEASE)
    assert held

    def stuck(hours: float) -> tuple[list[tuple[str, str]], list[str]]:
        moment = NOON + timedelta(hours=hours)
        with database.reader() as db:
            overdue = rater_activity.overdue(db, study, kind="person", now=moment)
            silent = rater_activity.silent(rater_activity.by_rater(db, study, kind="person"), now=moment)
        return [(one.rater, one.clip) for one in overdue], [one.rater for one in silent]

    assert stuck(0.1) == ([], [])
    names = [f"secret-name-{one.clip.position}" for one in held]
    assert (sorted(stuck(2)[0]), stuck(2)[1]) == (sorted(("Ben", name) for name in names), [])
    assert stuck(25)[1] == ["Ben"]


def test_skips_are_counted_by_reason_and_failures_by_clip(study_maker: StudyMaker, database: Database) -> None:
    """Skips are counted by reason, and each clip that did not play with the number of raters for whom it failed."""
    study = study_maker(clips=1, raters_per_clip=3, with_media=False)
    for name, reason in (("Ada", "cannot_play"), ("Ben", "cannot_play"), ("Cleo", "distressing")):
        rater = study_maker.rater(study, name)
        with database.writer() as db:
            (one,) = assignments.top_up(db, study, rater, [], now=NOON, lease=LEASE)
            assignments.skip(db, study, one.assignment, reason=reason)
    with database.reader() as db:
        assert skipped_clips.by_reason(db, study) == {"cannot_play": 2, "distressing": 1}
        assert skipped_clips.unplayable(db, study) == [skipped_clips.UnplayableClip("secret-name-0", 2)]


def test_a_withdrawn_rater_has_no_clips_left(study_maker: StudyMaker, database: Database) -> None:
    """Whatever is open, none are left for that rater; a quota limits what is left for the others."""
    study = study_maker(clips=9, with_media=False)
    ada, ben = study_maker.rater(study, "Ada"), study_maker.rater(study, "Ben")
    with database.writer() as db:
        kept = lifecycle.by_slug(db, study.slug)
        kept.rules = {"recruitment": {"clips_per_rater": 4}}
        db.add(kept)
        invite_list.withdraw_rater(db, kept, ada.id, now=NOON)
    with database.reader() as db:
        study = lifecycle.by_slug(db, study.slug)
        found = {
            one.name: (one.clips_left, one.state(NOON)) for one in rater_activity.by_rater(db, study, kind="person")
        }
    assert found == {"Ada": (0, "withdrawn"), "Ben": (4, "away")}
    assert ben.name == "Ben"


@on_sqlite
def test_the_progress_page_shows_counts_and_raters(study_maker: StudyMaker, researcher: TestClient) -> None:
    """It is complete without script; htmx receives the changing part only; updates can be paused; names are escaped."""
    study = study_maker(clips=4, with_media=False)
    rater = study_maker.rater(study, "Ada <b>")
    study_maker.rate(study, rater, answers())
    address = f"/studies/{study.slug}/progress"
    page = researcher.get(address)
    assert page.headers["cache-control"] == "no-store"
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
    assert "In the pool 8 Sampled 4 100 % the others were not drawn" in words
    assert "Rated 1 25 %" in words
    assert "In the truth 1 25 %" in words
    assert "Ada &lt;b&gt;" in page.text
    part = researcher.get(address, headers={"HX-Request": "true"}).text.strip()
    assert part.startswith('<div id="live"')
    assert "<html" not in part
    assert 'hx-trigger="every 5s"' in part
    assert "hx-trigger" not in researcher.get(f"{address}?live=off").text


@on_sqlite
def test_empty_states_say_what_to_do(study_maker: StudyMaker, researcher: TestClient, database: Database) -> None:
    """With nobody invited, nobody started, or the study closed, the page says so and what to do next."""
    study = study_maker(clips=2, with_media=False)
    address = f"/studies/{study.slug}/progress"
    assert "Nobody has come yet" in researcher.get(address).text
    with database.writer() as db:
        invite_list.invite_all(db, study, [("Ada", None)])
    assert "1 rater is invited" in researcher.get(address).text
    researcher.post(f"/studies/{study.slug}/state", data={"state": "closed"})
    assert "This study is closed: raters get no clips." in researcher.get(address).text


@on_sqlite
def test_opening_the_progress_page_writes_nothing(
    study_maker: StudyMaker, researcher: TestClient, database: Database
) -> None:
    """No overdue clip is released and no writing session is needed, so that the page never makes raters wait."""
    study = study_maker(clips=2, with_media=False)
    rater = study_maker.rater(study, "Ada")
    with database.writer() as db:
        assignments.top_up(db, study, rater, [], now=NOON - timedelta(days=900), lease=LEASE)

    def state() -> list[tuple[int, str]]:
        with database.reader() as db:
            return [(one.id, one.status) for one in db.scalars(select(Assignment).order_by("id"))]

    before = state()
    with database.writer() as db:  # the one place for writers is taken meanwhile
        db.add(db.get_one(Rater, rater.id))
        db.flush()
        assert "Who is stuck" in researcher.get(f"/studies/{study.slug}/progress").text
    assert state() == before


@on_sqlite
def test_large_studies_are_counted_once_in_some_seconds(
    study_maker: StudyMaker, researcher: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit the counts are reused for some seconds; below it every refresh counts anew."""
    from app.routes import progress as route

    study = study_maker(clips=6, with_media=False)
    rater = study_maker.rater(study, "Ada")

    def answered() -> str:
        study_maker.rate(study, rater, answers())
        page = researcher.get(f"/studies/{study.slug}/progress").text
        found = re.search(r'Rated</th><td class="number">(\d)', page)
        assert found
        return found.group(1)

    assert [answered(), answered()] == ["1", "2"]
    monkeypatch.setattr(route, "SMALL_STUDY", 0)
    monkeypatch.setattr(route, "COUNTS_SECONDS", 10**9)
    assert [answered(), answered()] == ["3", "3"]


def test_the_list_of_studies_counts_as_the_progress_page_does(study_maker: StudyMaker, database: Database) -> None:
    """The answers and places of the list equal the counts of rated clips and remaining work."""
    study = study_maker(clips=4, raters_per_clip=2, with_media=False)
    vote(study_maker, study, "Ada", verdicts([A, A, R, None]))
    with database.reader() as db:
        line = line_of(db, study)
        remaining = rater_activity.remaining(db, study, [], now=NOON)
    assert line.places_done == total_counts(database, study).rated == 3
    assert remaining.places == line.places - line.places_done
    assert study_results.kind_of(study) == "person"


@on_sqlite
def test_signs_about_raters_are_shown_in_words(study_maker: StudyMaker, researcher: TestClient) -> None:
    """A rater for whom many clips do not play is flagged; a rater without signs is not."""
    study = study_maker(clips=12, raters_per_clip=2, with_media=False)
    vote(study_maker, study, "Steady", verdicts([A, R] * 6))
    broken = study_maker.rater(study, "Broken")
    address = f"/studies/{study.slug}/progress"
    study_maker.rate(study, broken, answers())
    for _ in range(6):
        with study_maker.database.writer() as db:
            have = assignments.top_up(db, study, broken, assignments.held(db, broken), now=NOON, lease=LEASE)
            assignments.skip(db, study, have[0].assignment, reason="cannot_play")
    study_maker.rate(study, broken, answers())
    found = researcher.get(address).text.partition("Can their answers be trusted?")[2].partition("</table>")[0]
    signs = dict(re.findall(r'<th scope="row">(\w+)</th>\s*<td>(.*?)</td>', found))
    assert signs["Broken"] == "6 clips did not play"
    assert "did not play" not in signs["Steady"]


@on_sqlite
def test_raters_who_never_differ_do_not_break_the_page(study_maker: StudyMaker, researcher: TestClient) -> None:
    """If two raters give the same answer to every clip, drift is undefined, and the page gives the reason."""
    study = study_maker(clips=12, raters_per_clip=2, with_media=False)
    for name in ("Ada", "Ben"):
        vote(study_maker, study, name, verdicts([A] * 12))
    page = researcher.get(f"/studies/{study.slug}/progress")
    assert page.status_code == 200
    assert "the difference from the others is the same on every clip" in page.text
