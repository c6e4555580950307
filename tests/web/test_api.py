"""/api/v1: tokens with scopes, studies, data in three formats, and ratings by models, which enter no consensus."""

import json
from collections.abc import Callable
from io import BytesIO

import polars as pl
import pytest

from app import api_tokens
from app.db import Database
from app.errors import AppError
from app.models import now
from app.results import study_results
from app.studies import lifecycle, overview
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import nine_clips
from tests.helpers.visitors import Visitor

Program = Callable[..., dict[str, str]]


@pytest.fixture
def token(database: Database) -> Program:
    """A function that makes a token with some scopes and returns the HTTP header that carries it."""

    def make(*scopes: str) -> dict[str, str]:
        with database.writer() as db:
            return {"Authorization": f"Bearer {api_tokens.create(db, '-'.join(scopes), list(scopes))}"}

    return make


def test_a_request_needs_a_token_with_the_scope(study_maker: StudyMaker, visitor: Visitor, token: Program) -> None:
    """Without a valid token the answer is 401, with another scope 403; both have a remedy as JSON."""
    study = study_maker(clips=2, with_media=False)
    program, read = visitor(), token("read")
    for header in ({}, {"Authorization": "Bearer clipjury_wrong"}, {"Authorization": "Basic x"}):
        refused = program.get("/api/v1/studies", headers=header)
        assert refused.status_code == 401
        assert refused.json()["remedy"]
    assert program.get("/api/v1/studies", headers=read).status_code == 200
    forbidden = program.get(f"/api/v1/studies/{study.slug}/judgments", headers=read)
    assert forbidden.status_code == 403
    assert "--scope judgments" in forbidden.json()["remedy"]
    with study_maker.database.writer() as db:
        api_tokens.revoke(db, "read", now=now())
    assert program.get("/api/v1/studies", headers=read).status_code == 401


def test_a_researchers_cookie_does_not_replace_a_token(study_maker: StudyMaker, visitor: Visitor) -> None:
    """A signed-in browser gets 401, so that no other website can use its session."""
    from app import auth

    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(study_maker.settings)}")
    assert browser.get("/api/v1/studies").status_code == 401


def test_studies_and_progress(study_maker: StudyMaker, visitor: Visitor, token: Program) -> None:
    """Counts are those of the pages; an unknown study and an unknown address are errors as JSON."""
    study = nine_clips(study_maker)
    program, read = visitor(), token("read")
    (line,) = program.get("/api/v1/studies", headers=read).json()
    assert (line["slug"], line["clips"], line["answers"], line["state"]) == (study.slug, 9, 16, "open")
    assert program.get(f"/api/v1/studies/{study.slug}", headers=read).json() == line
    far = program.get(f"/api/v1/studies/{study.slug}/progress", headers=read).json()
    assert {one["name"] for one in far["raters"]} == {"Ada", "Ben"}
    assert sum(one["drawn"] for one in far["strata"]) == 9
    clips = program.get(f"/api/v1/studies/{study.slug}/clips", headers=read).json()
    assert len(clips) == 9
    assert all(one["weight"] > 0 for one in clips)
    estimates = program.get(f"/api/v1/studies/{study.slug}/estimates", headers=read).json()
    assert estimates["answers"] == 16
    assert program.get("/api/v1/studies/none", headers=read).json()["error"] == "There is no study 'none'."
    assert program.get("/api/v1/nothing", headers=read).status_code == 404


def test_judgments_are_the_same_in_three_formats(study_maker: StudyMaker, visitor: Visitor, token: Program) -> None:
    """NDJSON, CSV and Parquet have the same rows and columns; another format is refused."""
    study = nine_clips(study_maker)
    program, header = visitor(), token("judgments")
    answers = {
        kind: program.get(f"/api/v1/studies/{study.slug}/judgments?format={kind}", headers=header)
        for kind in ("ndjson", "csv", "parquet")
    }
    lines = [json.loads(line) for line in answers["ndjson"].text.splitlines()]
    table = pl.read_csv(BytesIO(answers["csv"].content))
    packed = pl.read_parquet(BytesIO(answers["parquet"].content))
    assert len(lines) == table.height == packed.height == 48
    assert list(lines[0]) == table.columns == packed.columns
    assert [line["value"] for line in lines] == packed["value"].to_list()
    wrong = program.get(f"/api/v1/studies/{study.slug}/judgments?format=xml", headers=header)
    assert wrong.status_code == 422
    assert "format" in wrong.json()["error"]


def test_a_models_ratings_are_compared_and_never_merged(
    study_maker: StudyMaker, visitor: Visitor, token: Program, database: Database
) -> None:
    """The same rating again changes nothing, another value is a revision, and people's results do not change."""
    study = nine_clips(study_maker)
    program, header = visitor(), token("write", "read")
    address = f"/api/v1/studies/{study.slug}"

    def figures() -> tuple[object, ...]:
        with database.reader() as db:
            found = lifecycle.by_slug(db, study.slug)
            counted = study_results.compute(db, found, "person")
            line = overview.line_of(db, found)
            return counted.answers, [one.to_dict() for one in counted.filters], line.answers, line.people, line.places

    before = figures()
    said = [{"clip": f"secret-name-{n}", "criterion": "verdict", "value": "accept"} for n in range(6)]
    sent = {"rater": "vlm-2", "ratings": said}
    assert program.post(f"{address}/ratings", json=sent, headers=header).json() == {
        "rater": "vlm-2",
        "stored": 6,
        "unchanged": 0,
    }
    assert program.post(f"{address}/ratings", json=sent, headers=header).json()["stored"] == 0
    said[1]["value"] = "reject"
    assert program.post(f"{address}/ratings", json=sent, headers=header).json()["stored"] == 1
    assert figures() == before
    (found,) = program.get(f"{address}/comparison", headers=header).json()
    # Five of the six have a majority of people: accept, reject, accept, accept, reject.
    assert found["rater"] == "vlm-2"
    assert found["agreement"]["clips"] == 5
    assert found["agreement"]["value"] == pytest.approx(4 / 5)
    assert found["agreement"]["low"] < 0.8 < found["agreement"]["high"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"rater": "m", "ratings": [{"clip": "none", "criterion": "verdict", "value": "accept"}]}, "'none'"),
        ({"rater": "m", "ratings": [{"clip": "secret-name-0", "criterion": "mood", "value": "1"}]}, "'mood'"),
        ({"rater": "m", "ratings": [{"clip": "secret-name-0", "criterion": "verdict", "value": "5"}]}, "no value '5'"),
        ({"rater": "Ada", "ratings": [{"clip": "secret-name-0", "criterion": "verdict", "value": "accept"}]}, "person"),
        ({"rater": "m", "ratings": []}, "ratings"),
        ({"rater": "m", "ratings": [{"clip": "secret-name-0"}]}, "criterion"),
    ],
)
def test_a_request_with_one_wrong_rating_is_refused(
    sent: dict[str, object], words: str, study_maker: StudyMaker, visitor: Visitor, token: Program
) -> None:
    """The error names the wrong clip, criterion, value or rater, and nothing is stored."""
    study = study_maker(clips=2, with_media=False)
    study_maker.rater(study, "Ada")
    header = token("write", "read")
    answer = visitor().post(f"/api/v1/studies/{study.slug}/ratings", json=sent, headers=header)
    assert answer.status_code in (400, 422)
    assert words in answer.json()["error"]
    assert visitor().get(f"/api/v1/studies/{study.slug}/comparison", headers=header).json() == []


def test_posts_from_another_site_are_refused(study_maker: StudyMaker, visitor: Visitor, token: Program) -> None:
    """A request with the Origin of another website gets 403, even with a token."""
    study = study_maker(clips=1, with_media=False)
    header = token("write") | {"Origin": "https://elsewhere.example"}
    answer = visitor().post(f"/api/v1/studies/{study.slug}/ratings", json={}, headers=header)
    assert answer.status_code == 403


SCOPE_NEEDED = {
    ("GET", "/studies"): "read",
    ("GET", "/studies/{slug}"): "read",
    ("GET", "/studies/{slug}/progress"): "read",
    ("GET", "/studies/{slug}/estimates"): "read",
    ("GET", "/studies/{slug}/clips"): "read",
    ("GET", "/studies/{slug}/comparison"): "read",
    ("GET", "/studies/{slug}/judgments"): "judgments",
    ("POST", "/studies/{slug}/ratings"): "write",
}


def test_every_address_needs_its_scope(study_maker: StudyMaker, visitor: Visitor, token: Program) -> None:
    """Without a token 401, with each other scope 403; an address without a line in SCOPE_NEEDED fails here."""
    study = nine_clips(study_maker)
    program, scopes = visitor(), ("read", "judgments", "write")
    headers = {scope: token(scope) for scope in scopes}
    described = program.get("/api/v1/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in described.items() for method in methods} == set(SCOPE_NEEDED)
    for (method, path), needed in SCOPE_NEEDED.items():
        address = f"/api/v1{path.format(slug=study.slug)}"
        rating = {"rater": "vlm", "ratings": [{"clip": "none.mp4", "criterion": "verdict", "value": "accept"}]}
        sent = rating if method == "POST" else None

        def asked(given: dict[str, str], method: str = method, address: str = address, sent: object = sent) -> int:
            return program.request(method, address, headers=given, json=sent).status_code

        assert asked({}) == 401, path
        got = {scope: asked(header) for scope, header in headers.items()}
        assert got.pop(needed) not in (401, 403, 405), path
        assert set(got.values()) == {403}, path


def test_no_answer_to_a_program_is_stored_on_the_way(study_maker: StudyMaker, visitor: Visitor, token: Program) -> None:
    """Data, streams, refusals and the description carry Cache-Control: no-store."""
    study = study_maker(clips=2, with_media=False)
    program, header = visitor(), token("read", "judgments", "write")
    here = f"/api/v1/studies/{study.slug}"
    answers = [
        *(program.get(f"{here}{place}", headers=header) for place in ("", "/progress", "/judgments", "/none")),
        program.get(f"{here}/estimates", headers=header),
        program.get(here),
        program.post(f"{here}/ratings", headers=header, json={}),
        program.get("/api/v1/openapi.json"),
    ]
    assert [one.status_code for one in answers] == [200, 200, 200, 404, 200, 401, 422, 200]
    assert {one.headers["cache-control"] for one in answers} == {"no-store"}


def test_the_interface_describes_itself(visitor: Visitor) -> None:
    """openapi.json has every address and examples, and no page loads a viewer for it from another website."""
    told = visitor().get("/api/v1/openapi.json").json()
    assert set(told["paths"]) == {
        "/studies",
        "/studies/{slug}",
        "/studies/{slug}/progress",
        "/studies/{slug}/estimates",
        "/studies/{slug}/clips",
        "/studies/{slug}/comparison",
        "/studies/{slug}/judgments",
        "/studies/{slug}/ratings",
    }
    assert told["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    operations = [one for path in told["paths"].values() for one in path.values()]
    assert all(one["security"] == [{"token": []}] for one in operations)
    assert told["components"]["schemas"]["RatingIn"]["properties"]["value"]["examples"] == ["accept"]
    assert visitor().get("/api/v1/docs").status_code == 404


def test_only_the_hash_of_a_token_is_stored(database: Database) -> None:
    """The database has no token in plain text; a name that is taken and an unknown scope are errors."""
    with database.writer() as db:
        secret = api_tokens.create(db, "script", ["read"])
    with database.reader() as db:
        (kept,) = api_tokens.listed(db)
    assert secret not in str(vars(kept))
    with database.writer() as db:
        with pytest.raises(AppError, match="a token 'script' already"):
            api_tokens.create(db, "script", ["read"])
        with pytest.raises(AppError, match="no scope 'admin'"):
            api_tokens.create(db, "other", ["admin"])
