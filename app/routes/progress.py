"""The progress page: a study while it runs, renewed by itself without ever keeping raters waiting."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlmodel import Session

from app.auth import require_researcher
from app.cache import Cache
from app.models import Study, now
from app.monitoring import answer_counts, clip_flow, consensus_flow, rater_quality
from app.monitoring.clip_flow import ClipCounts, RaterFlow, RemainingWork, StratumFlow, StuckRater
from app.monitoring.consensus_flow import StudyConsensus
from app.monitoring.rater_quality import RaterQuality
from app.raters import invite_list
from app.raters.invite_list import LinkState
from app.results import study_results, votes
from app.results.counted_answers import Kind
from app.settings import Settings
from app.studies import lifecycle
from app.web.pages import Reader, page

router = APIRouter(dependencies=[Depends(require_researcher)])
EVERY = 5
"""Seconds between two looks of the page."""
SMALL = 5_000
"""Answers below which everything is counted anew at each look: it takes a few milliseconds."""
KEPT_SECONDS = 10
CONSENSUS_KEPT_SECONDS = 30
QUALITY_KEPT_SECONDS = 300
"""The signs about raters read every answer of a large study."""


@dataclass(frozen=True)
class ProgressView:
    """What the page shows, as of one moment."""

    at: datetime
    strata: list[StratumFlow]
    counts: ClipCounts
    raters: list[RaterFlow]
    remaining: RemainingWork
    overdue: list[StuckRater]
    silent: list[StuckRater]
    skips: dict[str, int]
    unplayable: list[answer_counts.Unplayable]
    links: dict[LinkState, int]


@router.get("/studies/{slug}/progress")
def shown(
    request: Request, slug: str, db: Reader, live: Annotated[str, Query(pattern="^(on|off)$")] = "on"
) -> Response:
    """Flow, strata, raters, who is stuck; htmx gets the part that changes."""
    study = lifecycle.by_slug(db, slug)
    kind = study_results.kind_of(study)
    cache: Cache = request.app.state.cache
    fingerprint = votes.fingerprint(db, study)
    tick = None if fingerprint[0] < SMALL else monotonic()
    mark: object = object() if tick is None else tick // KEPT_SECONDS
    consensus_mark: object = fingerprint if tick is None else tick // CONSENSUS_KEPT_SECONDS
    settings = request.app.state.settings
    seen: ProgressView = cache.get(("progress", study.id, kind), mark, lambda: look(db, settings, study, kind))
    consensus: StudyConsensus = cache.get(
        ("progress consensus", study.id, kind), consensus_mark, lambda: consensus_flow.of_study(db, study, kind=kind)
    )
    quality_mark: object = consensus_mark if tick is None else tick // QUALITY_KEPT_SECONDS
    quality: list[RaterQuality] = cache.get(
        ("progress quality", study.id, kind), quality_mark, lambda: rater_quality.of_study(db, study, kind)
    )
    context = {
        "study_name": study.name,
        "study": study,
        "simulated": kind == "simulated",
        "seen": seen,
        "quality": quality,
        "consensus": consensus,
        "live": live == "on",
        "every": EVERY,
        "now": now(),
    }
    return page(request, "monitoring/progress.html", context, block="live")


def look(db: Session, settings: Settings, study: Study, kind: Kind) -> ProgressView:
    """Count everything but the verdicts."""
    moment = now()
    strata = clip_flow.by_stratum(db, study, kind=kind)
    raters = clip_flow.by_rater(db, study, kind=kind)
    open_states = Counter(one.state for one in invite_list.open_links(db, settings, study, now=moment))
    links = Counter(invite_list.counts(db, study, now=moment)) + open_states
    return ProgressView(
        at=moment,
        strata=strata,
        counts=clip_flow.total(strata),
        raters=raters,
        remaining=clip_flow.remaining(db, study, raters, now=moment),
        overdue=clip_flow.overdue(db, study, kind=kind, now=moment),
        silent=clip_flow.silent(raters, now=moment),
        skips=answer_counts.skips(db, study),
        unplayable=answer_counts.unplayable(db, study),
        links=dict(links),
    )
