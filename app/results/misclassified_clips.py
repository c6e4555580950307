"""The clips on which a filter and the raters' majority disagree, and the reasons why estimates are undefined."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session, col

from app.filters.threshold_text import passes
from app.models import StudyClip
from app.results.filter_results import FilterResult
from app.results.study_results import Results

MOST_SHOWN = 12


@dataclass(frozen=True)
class Disputed:
    """A clip on which the filter and the raters' majority disagree."""

    clip: str
    media: str
    score: float
    filter_accepts: bool
    distance: float
    """The distance of the score from the threshold, in the score's units."""


@dataclass(frozen=True)
class DisputedClips:
    """Their number, and the clips furthest from the threshold: the filter's clearest errors."""

    total: int
    shown: tuple[Disputed, ...]


def disputed(db: Session, result: FilterResult) -> DisputedClips:
    """The clips on which the filter at its current threshold and the raters' majority differ."""
    rule = result.rule
    wrong = []
    for one in result.clips:
        accepts = passes(one.score, rule.minimum, rule.maximum)
        if one.verdict is not None and accepts != (one.verdict == "accept"):
            ends = [end for end in (rule.minimum, rule.maximum) if end is not None]
            wrong.append((min(abs(one.score - end) for end in ends), one, accepts))
    wrong.sort(key=lambda row: (-row[0], row[1].clip))
    numbers = [one.clip for _distance, one, _accepts in wrong[:MOST_SHOWN]]
    clips = {clip.id: clip for clip in db.scalars(select(StudyClip).where(col(StudyClip.id).in_(numbers)))}
    return DisputedClips(
        total=len(wrong),
        shown=tuple(
            Disputed(clips[one.clip].clip, f"/media/{clips[one.clip].media_key}.mp4", one.score, accepts, distance)
            for distance, one, accepts in wrong[:MOST_SHOWN]
        ),
    )


def undefined_agreement(results: Results) -> dict[str, list[str]]:
    """Why statistics of agreement are undefined: each reason with the questions it concerns."""
    found: dict[str, list[str]] = {}
    for one in results.criteria:
        for reason in dict.fromkeys(each.undefined for each in one.estimates.values() if each.undefined):
            found.setdefault(reason, []).append(one.label)
    return found


def reasons(results: Results) -> dict[str, list[str]]:
    """Why figures of the filter table are undefined: each reason with the filters it concerns."""
    found: dict[str, list[str]] = {}
    for one in results.filters:
        said = {text for text in (one.missing.get("best"), one.missing.get("curve")) if text and one.current}
        if one.current and one.rule.minimum is not None and one.rule.maximum is not None:
            said.add("the filter has two ends; AUC and best threshold move the lower one and leave the upper out")
        if one.current is not None:
            rates = (one.current.precision, one.current.recall, one.current.f1)
            said |= {rate.undefined for rate in rates if rate.undefined}
        if one.curve is not None and one.curve.auc.undefined:
            said.add(one.curve.auc.undefined)
        for text in sorted(said):
            found.setdefault(text, []).append(one.rule.title)
    return found
