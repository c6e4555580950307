"""Explain what a study will be able to say, and what not, from its drawn sample before anybody has rated it."""

from dataclasses import dataclass
from typing import Literal

from analysis.sampling.sample_size import half_width
from app.filters.threshold_text import passes
from app.pools.pool_files import Pool
from app.studies.drawing import StudySample
from app.studies.study_file import FilterSpec, StudyFile

FEW = 30
"""With fewer clips on one side of a threshold, rates are too uncertain."""


@dataclass(frozen=True)
class Claim:
    """A statement about what the study can say, cannot say, or can say only with wide intervals (`careful`)."""

    kind: Literal["can", "cannot", "careful"]
    text: str


def claims(pool: Pool, spec: StudyFile, sample: StudySample, filters: list[FilterSpec]) -> list[Claim]:
    """Statements about this sample: first what the study can say, then what it cannot, then what is uncertain."""
    if sample.design["kind"] == "borderline":
        made = [
            Claim("can", "How raters and each filter agree next to its threshold, and whether it should move."),
            Claim(
                "cannot",
                "Precision or recall in the pool: clips were chosen for lying next to the thresholds, and "
                "weighting cannot correct this.",
            ),
        ]
    else:
        made = [
            Claim(
                "can",
                f"Figures for the whole pool of {pool.readable.height} clips: each of the {len(sample.clips)} drawn "
                "clips stands for its weight in others.",
            )
        ]
        made += _sides(pool, sample, filters)
    made += _raters(spec, sample)
    return sorted(made, key=lambda claim: ("can", "cannot", "careful").index(claim.kind))


def _sides(pool: Pool, sample: StudySample, filters: list[FilterSpec]) -> list[Claim]:
    """Statements about filters of which one side of the threshold was not drawn, or hardly: recall needs clips that the
    filter rejects, precision needs clips that it accepts.
    """
    frame = pool.frame
    rows = dict(zip(frame["clip"].to_list(), range(frame.height), strict=True))
    drawn = [rows[one.clip] for one in sample.clips]
    made: list[Claim] = []
    without_rejects, without_accepts, thin = [], [], []
    for rule in filters:
        scores = [score for score in frame[rule.score].gather(drawn).to_list() if score is not None]
        accepted = sum(passes(float(score), rule.min, rule.max) for score in scores)
        rejected = len(scores) - accepted
        if not rejected:
            without_rejects.append(rule.title)
        elif not accepted:
            without_accepts.append(rule.title)
        elif min(accepted, rejected) < FEW:
            side = "rejects" if rejected < accepted else "accepts"
            thin.append(f"{rule.title} ({side} {min(accepted, rejected)})")
    if without_rejects:
        names = ", ".join(without_rejects)
        made.append(
            Claim("cannot", f"Recall of {names}: no clip that it rejects was drawn, so what it loses stays unknown.")
        )
    if without_accepts:
        made.append(Claim("cannot", f"Precision of {', '.join(without_accepts)}: no clip that it accepts was drawn."))
    if thin:
        made.append(Claim("careful", f"Few clips on one side of the threshold, so wide intervals: {', '.join(thin)}."))
    heavy = max((one.weight for one in sample.clips), default=0.0)
    light = min((one.weight for one in sample.clips), default=0.0)
    if light and heavy / light > 50:
        made.append(
            Claim(
                "careful",
                f"Weights range from {light:.3g} to {heavy:.3g}: a few clips will decide the figures of the pool.",
            )
        )
    return made


def _raters(spec: StudyFile, sample: StudySample) -> list[Claim]:
    clips = len(sample.clips)
    made = []
    if spec.raters_per_clip == 1:
        made.append(Claim("cannot", "Agreement between raters: each clip gets one rater. Two or more show it."))
    elif spec.raters_per_clip == 2:
        made.append(Claim("careful", "Two raters per clip: a split has no majority, and split clips have no truth."))
    if clips and sample.design["kind"] != "borderline":
        half = half_width(0.5, clips)
        made.append(Claim("can", f"A share of good clips to about ±{half:.2f} at worst (95 %, equal weights)."))
    if spec.score_visibility == "shown":
        made.append(
            Claim(
                "cannot", "Filters without anchoring: all raters see the scores. Hidden or randomised shows the bias."
            )
        )
    return made
