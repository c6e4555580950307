"""The clips that a filter misclassifies at its threshold: the filter and the raters' majority disagree on them."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session, col

from app.filters.threshold_text import passes
from app.models import StudyClip
from app.results.filter_results import FilterResult

MAX_SHOWN = 12


@dataclass(frozen=True)
class MisclassifiedClip:
    """A clip that the filter keeps although the raters' majority rejects it, or the reverse."""

    clip: str
    media: str
    score: float
    filter_accepts: bool
    distance: float
    """The distance of the score from the threshold, in the score's units."""


@dataclass(frozen=True)
class MisclassifiedClips:
    """The number of misclassified clips, and those furthest from the threshold: the filter's clearest errors."""

    total: int
    shown: tuple[MisclassifiedClip, ...]


def misclassified(db: Session, result: FilterResult) -> MisclassifiedClips:
    """Return the clips on which the filter at its current threshold and the raters' majority disagree.

    At most `MAX_SHOWN` clips are returned, the one furthest from the threshold first. Tied clips are not counted.
    """
    rule = result.rule
    wrong = []
    for judged in result.clips:
        accepts = passes(judged.score, rule.minimum, rule.maximum)
        if judged.verdict is not None and accepts != (judged.verdict == "accept"):
            limits = [limit for limit in (rule.minimum, rule.maximum) if limit is not None]
            wrong.append((min(abs(judged.score - limit) for limit in limits), judged, accepts))
    wrong.sort(key=lambda row: (-row[0], row[1].clip))
    numbers = [judged.clip for _distance, judged, _accepts in wrong[:MAX_SHOWN]]
    clips = {clip.id: clip for clip in db.scalars(select(StudyClip).where(col(StudyClip.id).in_(numbers)))}
    return MisclassifiedClips(
        total=len(wrong),
        shown=tuple(
            MisclassifiedClip(
                clips[judged.clip].clip, f"/media/{clips[judged.clip].media_key}.mp4", judged.score, accepts, distance
            )
            for distance, judged, accepts in wrong[:MAX_SHOWN]
        ),
    )
