"""The progress page: a study while it runs. The page refreshes itself and never makes raters wait."""

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
from app.monitoring import clip_flow, consensus_flow, rater_activity, rater_quality, skipped_clips
from app.monitoring.clip_flow import ClipCounts, StratumFlow
from app.monitoring.consensus_flow import StudyConsensus
from app.monitoring.rater_activity import RaterActivity, RemainingWork, StuckRater
from app.monitoring.rater_quality import RaterQuality
from app.monitoring.skipped_clips import UnplayableClip
from app.raters import invite_list
from app.raters.invite_list import LinkState
from app.results import study_results, votes
from app.results.counted_answers import RaterKind
from app.settings import Settings
from app.studies import lifecycle
from app.web.pages import Reader, page

router = APIRouter(dependencies=[Depends(require_researcher)])
REFRESH_SECONDS = 5
SMALL_STUDY = 5_000
"""A study with fewer judgments is counted anew for each refresh, which takes a few milliseconds."""
COUNTS_SECONDS = 10
"""The counts of a large study are computed once in this time."""
CONSENSUS_SECONDS = 30
QUALITY_SECONDS = 300
"""The signs about raters are computed less often, because they read every answer of a large study."""


@dataclass(frozen=True)
class ProgressView:
    """What the page shows besides consensus and signs about raters, as of one moment."""

    at: datetime
    strata: list[StratumFlow]
    counts: ClipCounts
    raters: list[RaterActivity]
    remaining: RemainingWork
    overdue: list[StuckRater]
    silent: list[StuckRater]
    skips: dict[str, int]
    unplayable: list[UnplayableClip]
    links: dict[LinkState, int]


@router.get("/studies/{slug}/progress")
def progress(
    request: Request, slug: str, db: Reader, live: Annotated[str, Query(pattern="^(on|off)$")] = "on"
) -> Response:
    """Show the flow of clips, strata, raters and who is stuck. htmx receives only the part that changes."""
    study = lifecycle.by_slug(db, slug)
    kind = study_results.kind_of(study)
    cache: Cache = request.app.state.cache
    settings: Settings = request.app.state.settings
    fingerprint = votes.fingerprint(db, study)
    seconds = None if fingerprint[0] < SMALL_STUDY else monotonic()
    # A small study: counts are never reused, the rest until an answer comes. A large one: all for some seconds.
    counts_mark: object = object() if seconds is None else seconds // COUNTS_SECONDS
    consensus_mark: object = fingerprint if seconds is None else seconds // CONSENSUS_SECONDS
    quality_mark: object = fingerprint if seconds is None else seconds // QUALITY_SECONDS
    view: ProgressView = cache.get(
        ("progress", study.id, kind), counts_mark, lambda: progress_view(db, settings, study, kind)
    )
    consensus: StudyConsensus = cache.get(
        ("progress consensus", study.id, kind), consensus_mark, lambda: consensus_flow.of_study(db, study, kind=kind)
    )
    quality: list[RaterQuality] = cache.get(
        ("progress quality", study.id, kind), quality_mark, lambda: rater_quality.of_study(db, study, kind)
    )
    context = {
        "study_name": study.name,
        "study": study,
        "simulated": kind == "simulated",
        "view": view,
        "quality": quality,
        "consensus": consensus,
        "live": live == "on",
        "every": REFRESH_SECONDS,
        "now": now(),
    }
    return page(request, "monitoring/progress.html", context, block="live")


def progress_view(db: Session, settings: Settings, study: Study, kind: RaterKind) -> ProgressView:
    """Count everything on the page except consensus and signs about raters."""
    moment = now()
    strata = clip_flow.by_stratum(db, study, kind=kind)
    raters = rater_activity.by_rater(db, study, kind=kind)
    open_states = Counter(one.state for one in invite_list.open_links(db, settings, study, now=moment))
    links = Counter(invite_list.counts(db, study, now=moment)) + open_states
    return ProgressView(
        at=moment,
        strata=strata,
        counts=clip_flow.total(strata),
        raters=raters,
        remaining=rater_activity.remaining(db, study, raters, now=moment),
        overdue=rater_activity.overdue(db, study, kind=kind, now=moment),
        silent=rater_activity.silent(raters, now=moment),
        skips=skipped_clips.by_reason(db, study),
        unplayable=skipped_clips.unplayable(db, study),
        links=dict(links),
    )
