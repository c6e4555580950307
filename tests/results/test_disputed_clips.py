"""The page of disputed clips: which clips it shows in which order, and the researcher's rulings on them."""

import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app.db import Database
from app.errors import AppError
from app.models import Event, Study, StudyClip
from app.results import adjudications, agreement, disputed_clips
from app.results.disputed_clips import ClipSelection, DisputedClipsPage
from app.studies import whole_study
from tests.helpers.factories import StudyMaker, answers
from tests.helpers.rated_studies import A, R, computed, vote
from tests.helpers.visitors import on_sqlite


def selected_clips(
    database: Database, study: Study, criterion: str = "verdict", **selection: object
) -> DisputedClipsPage:
    """Return the selected clips of a question."""
    chosen = ClipSelection(criterion, **selection)  # type: ignore[arg-type]  # a test's words
    with database.reader() as db:
        whole = whole_study.parts(db, study.id)
        found = agreement.compute(db, whole.study, "person")
        page = disputed_clips.select_clips(db, whole.study, found, whole.criteria, chosen)
    assert page is not None
    return page


def test_the_most_disputed_clips_come_first(disputed: Study, database: Database) -> None:
    """Clips are sorted by disagreement, then by votes; a selection of kind, order, rater or page is followed."""
    shown = selected_clips(database, disputed)
    assert [one.disagreement for one in shown.clips] == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert (shown.total, shown.compared) == (3, 7)
    assert [one.clip for one in selected_clips(database, disputed, order="study", show="all").clips] == [
        f"secret-name-{number}" for number in (0, 1, 2, 3, 4, 5, 7)
    ]
    assert selected_clips(database, disputed, show="tied").clips == ()
    mine = selected_clips(database, disputed, rater="R3")
    assert [one.distance for one in mine.clips] == pytest.approx([1.0, 1.0, 0.5])
    last = selected_clips(database, disputed, page=99)
    assert (last.page, last.pages) == (1, 1)
    assert [(one.rater, one.values[2][1]) for one in shown.clips[0].answers] == [
        ("R1", "Reject"),
        ("R2", "Reject"),
        ("R3", "Accept"),
    ]


def test_a_difference_of_one_step_is_no_dispute(study_maker: StudyMaker, database: Database) -> None:
    """On points answers must be further apart than the scale's tolerance; verdicts are disputed when they differ."""
    study = study_maker(clips=4, raters_per_clip=2, with_media=False)
    for name, points, verdict in (("Ada", [3, 2, 4, 5], [A, A, R, A]), ("Ben", [4, 4, 4, 2], [A, R, R, A])):
        plan = {place: answers(quality=points[place], verdict=verdict[place]) for place in range(4)}
        vote(study_maker, study, name, plan)
    quality = selected_clips(database, study, "quality")
    assert [one.clip for one in quality.clips] == ["secret-name-3", "secret-name-1"]
    assert (quality.total, quality.compared) == (2, 4)
    assert quality.rule == "A clip is disputed when two of its answers are more than one step apart."
    assert selected_clips(database, study, "quality", show="all").total == 4
    accepted = selected_clips(database, study)
    assert [one.clip for one in accepted.clips] == ["secret-name-1"]
    assert accepted.rule == "A clip is disputed when two raters give different answers."


def test_clips_can_be_sorted_by_agreement_and_by_votes(disputed: Study, database: Database) -> None:
    """`agreed` shows the least disputed clips first, `votes` those with the most answers."""
    agreed = selected_clips(database, disputed, order="agreed", show="all").clips
    assert agreed == tuple(sorted(agreed, key=lambda clip: (clip.disagreement, -clip.votes, clip.number)))
    by_votes = selected_clips(database, disputed, order="votes", show="all").clips
    assert by_votes == tuple(sorted(by_votes, key=lambda clip: (-clip.votes, -clip.disagreement, clip.number)))
    assert len(agreed) == len(by_votes) == 7
    assert agreed != by_votes


def test_a_ruling_keeps_its_reason_and_every_revision(disputed: Study, database: Database) -> None:
    """The last revision is in force, an empty one withdraws the ruling, all are kept, and no result changes."""
    before = computed(database, disputed).filter_named("movement").verdicts
    number = selected_clips(database, disputed).clips[0].number
    with database.writer() as db:
        for value, reason in (("accept", "a cut is in it"), ("reject", "looked again"), ("", "not mine to say")):
            adjudications.record(db, disputed, number, "verdict", value, reason)
            in_force = adjudications.in_force(adjudications.histories(db, disputed))
            assert in_force == ({(number, "verdict"): value} if value else {})
    with database.reader() as db:
        history = adjudications.histories(db, disputed)[number, "verdict"]
        assert [(one.value, one.reason) for one in history] == [
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
def test_an_invalid_ruling_is_refused(
    disputed: Study, database: Database, clip: int, key: str, value: str, reason: str, words: str
) -> None:
    """A ruling without a reason, off the scale, or on an unknown clip or question is refused and not stored."""
    with database.writer() as db:
        number = clip or db.scalars(select(col(StudyClip.id)).where(col(StudyClip.study_id) == disputed.id)).all()[0]
        with pytest.raises(AppError, match=words):
            adjudications.record(db, disputed, number, key, value, reason)
        assert adjudications.histories(db, disputed) == {}


@on_sqlite
def test_a_researcher_rules_on_the_page_of_disputed_clips(
    disputed: Study, researcher: TestClient, database: Database
) -> None:
    """The form stores the ruling and returns to the clip; the page shows it, and `open` leaves the clip out."""
    here = f"/studies/{disputed.slug}/agreement/clips"
    number = selected_clips(database, disputed).clips[0].number
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
def test_htmx_receives_the_disputed_clips_as_the_page_shows_them(disputed: Study, researcher: TestClient) -> None:
    """htmx receives the list of clips only; it is the same as in the whole page."""
    here = f"/studies/{disputed.slug}/agreement/clips?criterion=verdict"
    whole, block = researcher.get(here).text, researcher.get(here, headers={"HX-Request": "true"}).text
    assert "<html" not in block
    assert block.strip() in whole
