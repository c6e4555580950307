"""The results page and the filter pages: the computed numbers, whose answers they use, and what is missing."""

import json
import re

import pytest
from sqlalchemy import select

from app import auth
from app.db import Database
from app.models import Event, Filter, Study
from app.results import misclassified_clips
from app.settings import Settings
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import A, R, computed, verdicts, vote
from tests.helpers.visitors import Visitor, on_sqlite


@on_sqlite
def test_the_switch_decides_whose_answers_every_page_shows(
    study_maker: StudyMaker, visitor: Visitor, settings: Settings, database: Database
) -> None:
    """Off: people; on: the simulated panel, marked on each page and in the export; each change is an event."""
    study = study_maker(clips=4, raters_per_clip=3, scores=[90, 85, 70, 60], with_media=False)
    with database.writer() as db:
        kept = db.get_one(Study, study.id)
        kept.has_simulated = True
        db.add(kept)
    vote(study_maker, study, "Ada", verdicts([A, A, R, R]))
    for name in ("Robot 1", "Robot 2"):
        vote(study_maker, study, name, verdicts([R, R, A, A]), kind="simulated")
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    here = f"/studies/{study.slug}"
    for on, whose, raters_seen, precision in (("false", "people", 1, 1.0), ("true", "simulated", 2, 0.0)) * 2:
        page = browser.post(f"{here}/simulated", data={"on": on})
        assert ("Simulated raters." in page.text) is (on == "true")
        assert ("These figures come from people only." in page.text) is (on == "false")
        marked = browser.get(f"{here}/filters/movement").text.count('class="tag simulated"')
        assert (marked > 0) is (on == "true")
        sent = browser.get(f"{here}/estimates.json").json()
        assert sent["raters"] == whose
        assert sent["filters"][0]["truth"]["raters"] == raters_seen
        assert sent["filters"][0]["current"]["precision"]["value"] == precision
    with database.reader() as db:
        turns = [event.kind for event in db.scalars(select(Event)).all() if event.kind.startswith("simulated")]
    assert turns == ["simulated_on", "simulated_off", "simulated_on"]


@on_sqlite
def test_misclassified_clips_are_sorted_by_distance_from_the_threshold(judged: Study, database: Database) -> None:
    """They are the clips on which filter and majority disagree, the furthest first; tied clips are not among them."""
    result = computed(database, judged).filter_named("movement")
    with database.reader() as db:
        found = misclassified_clips.misclassified(db, result)
    assert found.total == 2
    assert [(one.score, one.filter_accepts, one.distance) for one in found.shown] == [
        (70, False, 10),
        (85, True, 5),
    ]


@on_sqlite
def test_a_filter_page_shows_the_computed_rates_with_intervals(
    judged: Study, database: Database, visitor: Visitor, settings: Settings
) -> None:
    """Counts, rates and intervals on the filter's page are the computed ones, with two digits."""
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    page = " ".join(browser.get(f"/studies/{judged.slug}/filters/movement").text.split())
    found = computed(database, judged).filter_named("movement")
    assert found.current is not None
    for name in ("precision", "recall", "specificity", "f1"):
        one = getattr(found.current, name)
        shown = rf"{one.value:.2f} <small title=\"95 % interval[^>]*>\[{one.low:.2f}, {one.high:.2f}\]</small>"
        assert re.search(shown, page), name
    assert "<dt>Tied, left out</dt><dd>1 <small" in page
    assert "<dt>Without this score</dt><dd>1 <small" in page
    assert "From answers given while the scores were hidden." in page
    assert browser.get(f"/studies/{judged.slug}/filters/none").status_code == 404


@on_sqlite
def test_empty_results_pages_say_what_is_missing(study_maker: StudyMaker, visitor: Visitor, settings: Settings) -> None:
    """They show a sentence and a way to invite raters instead of zeros; figures without data answer 404."""
    study = study_maker(clips=2, with_media=False)
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    assert "No answers yet" in browser.get(f"/studies/{study.slug}/results").text
    assert "Nothing to compare yet" in browser.get(f"/studies/{study.slug}/filters/movement").text
    for name in ("histogram-movement", "roc-movement", "nonsense", "roc-none"):
        assert browser.get(f"/studies/{study.slug}/figures/{name}.json").status_code == 404
    assert json.loads(browser.get(f"/studies/{study.slug}/estimates.json").text)["filters"][0]["current"] is None


@on_sqlite
def test_figures_are_drawn_in_both_themes(judged: Study, visitor: Visitor, settings: Settings) -> None:
    """Each figure has a specification and a picture; an unknown theme is refused."""
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    here = f"/studies/{judged.slug}/figures"
    for name in ("agreement", "histogram-movement", "roc-movement"):
        specs = [browser.get(f"{here}/{name}.json?theme={theme}").json() for theme in ("light", "dark")]
        assert all("vega-lite" in one["$schema"] for one in specs)
        assert specs[0] != specs[1]
    picture = browser.get(f"{here}/roc-movement.svg?theme=dark")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert picture.text.startswith("<svg")
    assert browser.get(f"{here}/agreement.json?theme=pink").status_code == 422


@on_sqlite
@pytest.mark.parametrize(
    ("minimum", "said"), [(80.0, "rejects only 2 of the 5 judged clips"), (65.0, "only 1 of the 5")]
)
def test_a_filter_that_rejects_few_judged_clips_says_so(
    judged: Study, database: Database, visitor: Visitor, settings: Settings, minimum: float, said: str
) -> None:
    """The page says on how many clips recall rests, and nothing of the kind where no clip is rejected."""
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    page = f"/studies/{judged.slug}/filters/movement"
    for threshold, expected in ((minimum, True), (10.0, False)):
        with database.writer() as db:
            rule = db.scalars(select(Filter)).one()
            rule.minimum = threshold
            db.add(rule)
            study = db.scalars(select(Study)).one()
            study.version += 1
            db.add(study)
        assert (said in browser.get(page).text) is expected
    assert "no clip that the filter rejects was rated" in browser.get(page).text
