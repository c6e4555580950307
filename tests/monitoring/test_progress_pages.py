"""The progress page and what it counts: flow, strata, raters, who is stuck; the list of studies and copies of them."""

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.cli import cli
from app.db import Database
from app.models import Assignment, Rater, Study
from app.monitoring import answer_counts, clip_flow, consensus_flow
from app.monitoring.clip_flow import ClipCounts
from app.raters import invite_list
from app.rating import assignments
from app.rating.judgments import Answer, record
from app.results import filter_results, study_results
from app.settings import Settings
from app.studies import lifecycle
from app.studies.overview import line_of
from app.studies.whole_study import parts
from tests.helpers import pool_studies
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers
from tests.helpers.rated_studies import A, R, U, computed, in_strata, nine_clips, verdicts, vote
from tests.helpers.visitors import on_sqlite


def whole(database: Database, study: Study) -> ClipCounts:
    """The study's flow, people alone."""
    with database.reader() as db:
        return clip_flow.total(clip_flow.by_stratum(db, study, kind="person"))


def test_every_clip_is_lost_at_exactly_one_step(study_maker: StudyMaker, database: Database) -> None:
    """Answered, before a rater now, skipped, left behind, waiting: the parts add up to the sample."""
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
        assignments.expire(db, study, now=NOON)
    counts = whole(database, study)
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


def test_a_simulated_panel_is_not_counted_among_people(study_maker: StudyMaker, database: Database) -> None:
    """People's flow is empty while only the panel has answered, and the panel's is its own."""
    study = study_maker(clips=3, with_media=False)
    vote(study_maker, study, "Robot", verdicts([A, R, A]), kind="simulated")
    assert whole(database, study).shown == 0
    with database.reader() as db:
        assert clip_flow.total(clip_flow.by_stratum(db, study, kind="simulated")).rated == 3
        assert consensus_flow.of_study(db, study, kind="person").decided == 0
        assert consensus_flow.of_study(db, study, kind="simulated").decided == 3


def compared(database: Database, study: Study) -> tuple[consensus_flow.ConsensusFlow, filter_results.VerdictCounts]:
    """The first question's counts by SQL, and the first filter's as the results have them."""
    with database.reader() as db:
        (question,) = consensus_flow.of_study(db, study, kind="person").questions
    return question, computed(database, study).filters[0].verdicts


def test_the_consensus_equals_that_of_the_results(study_maker: StudyMaker, database: Database) -> None:
    """Accepted, rejected, tied and blind agree with the results pages, but for clips without a score."""
    study = nine_clips(study_maker)
    question, counts = compared(database, study)
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
def test_revisions_and_arms_are_read_as_the_results_read_them(
    study_maker: StudyMaker, database: Database, visibility: str
) -> None:
    """The last revision counts; answers with scores in view decide only where there are no others."""
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
    question, counts = compared(database, study)
    got = (question.accepted, question.rejected, question.tied, question.blind)
    assert got == (counts.accepted, counts.rejected, counts.tied, counts.blind)
    assert question.unsure + question.without + question.in_view == counts.without_votes
    with database.reader() as db:
        assert consensus_flow.of_study(db, study, kind="person").decided == question.decided


def test_strata_carry_their_own_flow_in_the_order_of_the_design(study_maker: StudyMaker, database: Database) -> None:
    """Each stratum counts its clips alone; together they are the study."""
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


def test_pace_and_time_left_come_from_the_raters_own_answers(study_maker: StudyMaker, database: Database) -> None:
    """The middle gap counts and a pause does not; time left is that pace over the clips still open and unknown."""
    study = study_maker(clips=12, raters_per_clip=2, with_media=False)
    ada, ben = study_maker.rater(study, "Ada"), study_maker.rater(study, "Ben")
    at = NOON
    for gap in (0, 10, 10, 3000, 14, 10):
        at += timedelta(seconds=gap)
        study_maker.rate(study, ada, answers(), at=at)
    study_maker.rate(study, ben, answers(), at=at)
    with database.reader() as db:
        found = {one.name: one for one in clip_flow.by_rater(db, study, kind="person")}
        remaining = clip_flow.remaining(db, study, list(found.values()), now=at)
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


def test_who_is_stuck_is_named(study_maker: StudyMaker, database: Database) -> None:
    """A clip past its time with its name and holder; a rater silent for more than a day; nobody who is done."""
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
            overdue = clip_flow.overdue(db, study, kind="person", now=moment)
            silent = clip_flow.silent(clip_flow.by_rater(db, study, kind="person"), now=moment)
        return [(one.rater, one.clip) for one in overdue], [one.rater for one in silent]

    assert stuck(0.1) == ([], [])
    names = [f"secret-name-{one.clip.position}" for one in held]
    assert (sorted(stuck(2)[0]), stuck(2)[1]) == (sorted(("Ben", name) for name in names), [])
    assert stuck(25)[1] == ["Ben"]


def test_skips_and_clips_that_do_not_play_are_counted_by_the_database(
    study_maker: StudyMaker, database: Database
) -> None:
    """By reason, and each clip with the number of raters for whom it failed."""
    study = study_maker(clips=1, raters_per_clip=3, with_media=False)
    for name, reason in (("Ada", "cannot_play"), ("Ben", "cannot_play"), ("Cleo", "distressing")):
        rater = study_maker.rater(study, name)
        with database.writer() as db:
            (one,) = assignments.top_up(db, study, rater, [], now=NOON, lease=LEASE)
            assignments.skip(db, study, one.assignment, reason=reason)
    with database.reader() as db:
        assert answer_counts.skips(db, study) == {"cannot_play": 2, "distressing": 1}
        assert answer_counts.unplayable(db, study) == [answer_counts.Unplayable("secret-name-0", 2)]


def test_a_withdrawn_rater_has_nothing_left(study_maker: StudyMaker, database: Database) -> None:
    """Neither clips nor time, whatever is open; a quota bounds what is left for the others."""
    study = study_maker(clips=9, with_media=False)
    ada, ben = study_maker.rater(study, "Ada"), study_maker.rater(study, "Ben")
    with database.writer() as db:
        kept = lifecycle.by_slug(db, study.slug)
        kept.rules = {"recruitment": {"clips_per_rater": 4}}
        db.add(kept)
        invite_list.withdraw_rater(db, kept, ada.id, now=NOON)
    with database.reader() as db:
        study = lifecycle.by_slug(db, study.slug)
        found = {one.name: (one.clips_left, one.state(NOON)) for one in clip_flow.by_rater(db, study, kind="person")}
    assert found == {"Ada": (0, "withdrawn"), "Ben": (4, "away")}
    assert ben.name == "Ben"


@on_sqlite
def test_the_page_shows_flow_raters_and_failures(study_maker: StudyMaker, researcher: TestClient) -> None:
    """Whole without script; htmx gets the changing part alone; it can be held still; names stay text."""
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
    """Nobody invited, nobody come, closed: each in words with a way on."""
    study = study_maker(clips=2, with_media=False)
    address = f"/studies/{study.slug}/progress"
    assert "Nobody has come yet" in researcher.get(address).text
    with database.writer() as db:
        invite_list.invite_all(db, study, [("Ada", None)])
    assert "1 rater is invited" in researcher.get(address).text
    researcher.post(f"/studies/{study.slug}/state", data={"state": "closed"})
    assert "This study is closed: raters get no clips." in researcher.get(address).text


@on_sqlite
def test_looking_writes_nothing(study_maker: StudyMaker, researcher: TestClient, database: Database) -> None:
    """Not even a clip past its time is given away by looking: the page never takes the place of a writer."""
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
def test_large_studies_are_counted_once_for_many_looks(
    study_maker: StudyMaker, researcher: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit the numbers are kept some seconds; below it every look is fresh."""
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
    monkeypatch.setattr(route, "SMALL", 0)
    monkeypatch.setattr(route, "KEPT_SECONDS", 10**9)
    assert [answered(), answered()] == ["3", "3"]


def test_an_archived_study_leaves_the_list_and_stays_open_to_read(
    study_maker: StudyMaker, researcher: TestClient
) -> None:
    """Out of the list's first table, under the archived ones, its pages as before; opened again it is back."""
    study, other = study_maker(clips=1, with_media=False), study_maker(clips=1, with_media=False)
    place = f"/studies/{study.slug}"
    page = researcher.post(f"{place}/state", data={"state": "archived", "back": "list"})
    assert page.url.path == "/studies"
    shown, _, archived = page.text.partition("1 archived")
    assert (f'href="{place}"' in shown, f'href="{place}"' in archived) == (False, True)
    assert f'href="/studies/{other.slug}"' in shown
    assert all(researcher.get(place + end).status_code == 200 for end in ("", "/progress", "/raters", "/results"))
    again = researcher.post(f"{place}/state", data={"state": "open", "back": "list"}).text
    assert f'href="{place}"' in again
    assert "1 archived" not in again


@on_sqlite
def test_a_study_is_archived_on_the_command_line(
    study_maker: StudyMaker, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as the button; twice says so."""
    study = study_maker(clips=1, with_media=False)
    monkeypatch.setenv("CLIPJURY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPJURY_DATABASE_URL", settings.database_url)
    runner = CliRunner()
    assert "is archived." in runner.invoke(cli, ["study", "archive", study.slug]).output
    assert "is archived already." in runner.invoke(cli, ["study", "archive", study.slug]).output
    with database.reader() as db:
        assert lifecycle.by_slug(db, study.slug).state == "archived"


@on_sqlite
def test_a_copy_is_a_draft_with_the_same_file(
    researcher: TestClient, database: Database, settings: Settings, tmp_path: Path
) -> None:
    """The wizard opens with the study's filters; the copy can be made as it is, and the first study is untouched."""
    study = pool_studies.make(database, settings, tmp_path)
    page = researcher.post(f"/studies/{study.slug}/clone")
    assert re.fullmatch(r"/studies/new/[0-9a-f]{16}/filters", page.url.path)
    assert 'value="50"' in page.text
    key = page.url.path.split("/")[3]
    assert 'value="Copy of Judged pool"' in researcher.get(f"/studies/new/{key}/questions").text
    assert "Make the study" in researcher.get(f"/studies/new/{key}/review").text
    with database.reader() as db:
        assert [one.name for one in db.scalars(select(Study))] == ["Judged pool"]


@on_sqlite
def test_a_copy_without_its_pool_is_refused_in_words(study_maker: StudyMaker, researcher: TestClient) -> None:
    """The page names the pool that is gone and another way."""
    refused = researcher.post(f"/studies/{study_maker(clips=1, with_media=False).slug}/clone")
    assert refused.status_code == 409
    assert "pool.parquet, is not there any more" in refused.text


def test_the_list_counts_as_the_progress_page_does(study_maker: StudyMaker, database: Database) -> None:
    """Answers of places in the list are the complete and begun ones of the flow."""
    study = study_maker(clips=4, raters_per_clip=2, with_media=False)
    vote(study_maker, study, "Ada", verdicts([A, A, R, None]))
    with database.reader() as db:
        line = line_of(db, study)
        remaining = clip_flow.remaining(db, study, [], now=NOON)
    assert line.places_done == whole(database, study).rated == 3
    assert remaining.places == line.places - line.places_done
    assert study_results.kind_of(study) == "person"


@on_sqlite
def test_signs_about_raters_are_shown_in_words(study_maker: StudyMaker, researcher: TestClient) -> None:
    """A rater for whom clip after clip does not play is pointed out; one without signs is not."""
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
    """Where two people give the same answers to every clip there is no drift to speak of, and the page says so."""
    study = study_maker(clips=12, raters_per_clip=2, with_media=False)
    for name in ("Ada", "Ben"):
        vote(study_maker, study, name, verdicts([A] * 12))
    page = researcher.get(f"/studies/{study.slug}/progress")
    assert page.status_code == 200
    assert "the difference from the others is the same on every clip" in page.text
