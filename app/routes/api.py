"""The interface for programs under /api/v1: JSON, bearer tokens with scopes, and a description at openapi.json."""

from collections.abc import Iterator
from io import BytesIO
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app import __version__, api_tokens
from app.api_tokens import Scope
from app.cache import Cache
from app.db import Database
from app.errors import AppError
from app.models import Study, now
from app.monitoring import answer_counts, skipped_clips
from app.rating import external_ratings
from app.report import exports
from app.results import model_agreement
from app.results.study_results import cached, kind_of
from app.settings import Settings
from app.studies import lifecycle, overview
from app.web.pages import Reader, Writer, database, problem

Slug = Annotated[str, Path(max_length=80, examples=["clipjury-demo"])]
Format = Literal["ndjson", "csv", "parquet"]
MEDIA_TYPES = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
CHUNK = 1 << 16
"""Bytes of a Parquet file that are sent at a time."""


BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    bearerFormat="clipjury_...",
    description="Make a token with: clipjury token create NAME --scope read (or judgments, or write).",
)
"""The security scheme that openapi.json declares; `api_tokens` reads the header."""


def needs(scope: Scope) -> Any:
    """A dependency that refuses requests without a token of this scope."""

    def check(request: Request, db: Reader, _declared: Annotated[object, Security(BEARER)]) -> None:
        api_tokens.check(db, request.headers.get("authorization"), scope)

    return Depends(check)


class Problem(BaseModel):
    """Why a request was refused, and what to do about it."""

    error: str = Field(examples=["There is no study 'demo'."])
    remedy: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request was refused; a 429 has the header Retry-After."},
    "503": {"model": Problem, "description": "The server cannot answer at the moment; nothing was stored."},
}
FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One line or row for each answer to a question.",
        "content": {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()},
    }
}


class StudyOut(BaseModel):
    """A study with its counts. Answers are those of people."""

    slug: str = Field(examples=["clipjury-demo"])
    name: str
    state: str = Field(examples=["open"])
    raters_per_clip: int
    score_visibility: str
    clips: int
    people: int
    answers: int
    places: int
    places_done: int


class RatingIn(BaseModel):
    """One rating by a model."""

    model_config = ConfigDict(extra="forbid")
    clip: str = Field(max_length=500, examples=["good-01.mp4"])
    criterion: str = Field(max_length=40, examples=["verdict"])
    value: str = Field(max_length=2000, examples=["accept"])


class RatingsIn(BaseModel):
    """Ratings by one model or outside team. They are compared with people's answers and never enter a consensus."""

    model_config = ConfigDict(extra="forbid")
    rater: str = Field(min_length=1, max_length=40, examples=["my-vlm-v2"])
    ratings: list[RatingIn] = Field(min_length=1, max_length=external_ratings.MOST)


def create_api(settings: Settings, db: Database, cache: Cache) -> FastAPI:
    """Make the interface: a separate application on the same database."""
    api = FastAPI(
        title="ClipJury",
        version=__version__,
        summary="Studies, progress, judgments and estimates for programs.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=REFUSALS,
    )
    api.state.settings, api.state.database, api.state.cache = settings, db, cache
    _add_reading(api)
    _add_data(api)
    for kind, answer in ((AppError, _refused), (HTTPException, _unknown_address), (RequestValidationError, _malformed)):
        api.add_exception_handler(kind, answer)
    return api


def _add_reading(api: FastAPI) -> None:
    @api.get("/studies", dependencies=[needs("read")])
    def all_studies(db: Reader) -> list[StudyOut]:
        """List every study, newest first."""
        return [_out(line) for line in overview.overview(db)]

    @api.get("/studies/{slug}", dependencies=[needs("read")])
    def one_study(slug: Slug, db: Reader) -> StudyOut:
        """Return one study."""
        return _out(overview.line_of(db, lifecycle.by_slug(db, slug)))

    @api.get("/studies/{slug}/progress", dependencies=[needs("read")])
    def study_progress(slug: Slug, db: Reader) -> dict[str, Any]:
        """Return the progress by rater and by stratum, and the reasons why clips were skipped."""
        study = lifecycle.by_slug(db, slug)
        return {
            "raters": [vars(line) for line in answer_counts.by_rater(db, study)],
            "strata": [vars(line) for line in answer_counts.by_stratum(db, study)],
            "skips": skipped_clips.by_reason(db, study),
        }

    @api.get("/studies/{slug}/estimates", dependencies=[needs("read")])
    def estimates(request: Request, slug: Slug, db: Reader) -> Response:
        """Return every estimate with interval, counts, method and signature."""
        study = lifecycle.by_slug(db, slug)
        found = cached(request.app.state.cache, db, study, kind_of(study))
        text = exports.estimates_json(db, study, found)
        return Response(text, media_type="application/json")

    @api.get("/studies/{slug}/clips", dependencies=[needs("read")])
    def clips(slug: Slug, db: Reader) -> list[dict[str, Any]]:
        """Return the drawn clips with stratum, inclusion probability, weight and scores."""
        return exports.clip_rows(db, lifecycle.by_slug(db, slug))

    @api.get("/studies/{slug}/comparison", dependencies=[needs("read")])
    def comparison(slug: Slug, db: Reader) -> list[dict[str, Any]]:
        """Compare every model with the majority of people, by criterion."""
        found = model_agreement.of_study(db, lifecycle.by_slug(db, slug))
        return [{"rater": one.rater, "criterion": one.criterion, "agreement": one.agreement.to_dict()} for one in found]


def _add_data(api: FastAPI) -> None:
    @api.get("/studies/{slug}/judgments", dependencies=[needs("judgments")], response_class=Response, responses=FILES)
    def judgments(request: Request, slug: Slug, db: Reader, format: Format = "ndjson") -> Response:
        """Stream every revision of every answer, in the order in which they were stored, as NDJSON, CSV or Parquet."""
        study = lifecycle.by_slug(db, slug)
        headers = {"Content-Disposition": f'attachment; filename="{study.slug}-judgments.{format}"'}
        return StreamingResponse(
            _encoded(database(request), study, format), media_type=MEDIA_TYPES[format], headers=headers
        )

    @api.post("/studies/{slug}/ratings", dependencies=[needs("write")])
    def ratings(slug: Slug, given: RatingsIn, db: Writer) -> dict[str, Any]:
        """Store ratings by a model. Ratings that are sent again change nothing."""
        study = lifecycle.by_slug(db, slug)
        rows = [external_ratings.ExternalRating(one.clip, one.criterion, one.value) for one in given.ratings]
        return vars(external_ratings.take(db, study, given.rater, rows, now=now()))


def _encoded(db: Database, study: Study, format: Format) -> Iterator[bytes]:
    with db.reader() as session:
        if format == "parquet":
            yield from _parquet(exports.judgment_rows(session, study))
            return
        if format == "csv":
            yield from (line.encode() for line in exports.judgments_csv(session, study))
            return
        for row in exports.judgment_rows(session, study):
            yield exports.json_line(row)


def _parquet(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    import polars as pl

    target = BytesIO()
    pl.DataFrame(list(rows), infer_schema_length=None).write_parquet(target)
    content = target.getvalue()
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


def _out(line: overview.StudyLine) -> StudyOut:
    study = line.study
    return StudyOut(
        slug=study.slug,
        name=study.name,
        state=study.state,
        raters_per_clip=study.raters_per_clip,
        score_visibility=study.score_visibility,
        clips=line.clips,
        people=line.people,
        answers=line.answers,
        places=line.places,
        places_done=line.places_done,
    )


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    return problem(error)


async def _unknown_address(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "There is no such address.", 405: "This address takes no such request."}
    message = words.get(error.status_code, str(error.detail))
    answer = problem(AppError(message, "See /api/v1/openapi.json.", status=error.status_code))
    answer.headers.update(error.headers or {})  # a 405 names the methods that are allowed
    return answer


async def _malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = "; ".join(
        f"{'.'.join(str(part) for part in item['loc'][1:])}: {item['msg']}" for item in error.errors()[:5]
    )
    return problem(AppError(f"The request is not understood: {faults}.", "See /api/v1/openapi.json.", status=422))
