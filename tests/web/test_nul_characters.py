"""The character NUL, which PostgreSQL stores in no text, in addresses, forms and JSON."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.testclient import TestClient

from app import api_tokens
from app.db import Database
from app.raters import raters
from app.settings import Settings
from tests.helpers.address_table import TABLE
from tests.helpers.factories import StudyMaker

Visitor = Callable[[], TestClient]
OTHER_KEYS = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID", "workerId", "assignmentId", "hitId", "cut_movement", "cut_\0")
"""Keys that handlers read beside those of their signature."""
OTHER_FIELDS = ("answer-quality", "tag-quality", "submission", "facts", "text", "limits", "objective", "hypotheses")
TEXT = "a\0b"


def parts_of(operation: dict[str, Any], app: FastAPI) -> tuple[list[str], list[str]]:
    """The query keys and the form fields that a route names."""
    keys = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    fields: list[str] = []
    for content in operation.get("requestBody", {}).get("content", {}).values():
        name = content["schema"].get("$ref", "").rsplit("/", 1)[-1]
        fields += app.openapi()["components"]["schemas"].get(name, {}).get("properties", {})
    return keys, fields


def requests(app: FastAPI, values: dict[str, str]) -> Iterator[tuple[str, str, dict[str, str] | None]]:
    """Method, address and form of every request of the table, with the NUL in one place at a time."""
    for method, path, sent, _answers in TABLE:
        operation = app.openapi()["paths"].get(path, {}).get(method.lower(), {})
        keys, fields = parts_of(operation, app)
        form = sent if method == "POST" else None
        for name in re.findall(r"{(\w+)}", path):
            yield method, path.format(**values | {name: "%00"}), form
            yield method, path.format(**values | {name: f"{values[name]}%00"}), form
        address = path.format(**values)
        for key in {*keys, *OTHER_KEYS}:
            yield method, f"{address}?{urlencode({key: TEXT})}", form
        if form is not None:
            for field in {*fields, *sent, *OTHER_FIELDS}:
                yield method, address, sent | {field: TEXT}


def test_no_request_fails(
    app: FastAPI,
    study_maker: StudyMaker,
    researcher: TestClient,
    settings: Settings,
    database: Database,
) -> None:
    """Whatever part of a request holds it, the request is answered: understood, not found, or refused in words."""
    study = study_maker(clips=2)
    link = raters.open_link(settings, study)
    researcher.post(link, data={"name": "Ada"})
    researcher.post("/rate/start")
    researcher.follow_redirects = False
    values = {"slug": study.slug, "name": "movement", "figure": "rates", "pseudonym": "R1", "form": "huggingface"}
    values |= {"rate": "f1", "key": "abc", "token": link.removeprefix("/join/"), "row": "0", "number": "1"}
    values |= {"assignment_id": "1"}
    failed = []
    for method, address, form in requests(app, values):
        status = researcher.request(method, address, data=form).status_code
        if status >= 500:
            failed.append((status, method, address, form))
    assert failed == []
    with database.writer() as db:
        secret = api_tokens.create(db, "program", ["read", "judgments", "write"])
    researcher.headers["Authorization"] = f"Bearer {secret}"
    here = "/api/v1/studies"
    for place in (f"{here}/%00", f"{here}/{study.slug}%00/clips", f"{here}/{study.slug}/judgments?format=%00"):
        assert researcher.get(place).status_code in (404, 422), place
    rating = {"clip": "secret-name-0", "criterion": "verdict", "value": "accept"}
    for field in ("rater", *rating):
        model = TEXT if field == "rater" else "a-model"
        given = {"rater": model, "ratings": [rating | ({field: TEXT} if field in rating else {})]}
        assert researcher.post(f"{here}/{study.slug}/ratings", json=given).status_code < 500, field


def test_the_refusal_says_what_to_do(study_maker: StudyMaker, researcher: TestClient, database: Database) -> None:
    """PostgreSQL refuses such a name on a page with words; SQLite finds nobody of that name."""
    study = study_maker(clips=1)
    page = researcher.get(f"/studies/{study.slug}/raters", params={"name": TEXT})
    assert page.status_code == (200 if database.is_sqlite else 422)
    assert ("The text holds a character that is no text." in page.text) != database.is_sqlite
