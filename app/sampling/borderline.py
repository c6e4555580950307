"""Borderline samples: the clips nearest to each filter's threshold, and a random sample of the other rejected clips."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from analysis.estimate import Bools, Ints
from analysis.sampling import borderline, rejects
from analysis.sampling.borderline import BorderlineSide
from analysis.sampling.selection import DrawPlan, drawn_clips
from analysis.sampling.strata import OUTSIDE, Division
from app.errors import AppError
from app.sampling.designs import Borderline
from app.sampling.frame import SamplingFrame
from app.sampling.probability import INCLUDED
from scoring.filters import Filter


@dataclass(frozen=True, eq=False)
class Side:
    """The clips drawn on one side of a filter's threshold: `clips` are positions in the frame, nearest first."""

    filter: Filter
    near: BorderlineSide
    clips: Ints

    @property
    def words(self) -> str:
        """The filter and the side, in words."""
        return f"{self.filter.name} {self.near.label}"


@dataclass(frozen=True, eq=False)
class BorderlineDraw:
    """A borderline sample: its sides, the random sample of rejects (`slice`, positions in the frame), and the notes.

    `included` are the positions of clips that are always taken.
    """

    frame: SamplingFrame
    sides: tuple[Side, ...]
    slice: Ints
    slice_population: int
    included: Ints
    notes: tuple[str, ...]

    @property
    def slice_chance(self) -> float:
        """Inclusion probability of each clip in `slice`."""
        return len(self.slice) / max(1, self.slice_population)

    def strata(self, criterion_of: Callable[[Filter], str] | None = None) -> list[dict[str, Any]]:
        """The strata as JSON: each side of each threshold with its population, the clips drawn and their distance."""
        found = []
        for side in self.sides:
            row = {
                "label": side.words if criterion_of is None else side.near.label,
                "low": side.filter.minimum,
                "high": side.filter.maximum,
                "population": side.near.population,
                "drawn": len(side.clips),
                "filter": side.filter.name,
                "farthest": side.near.farthest,
            }
            found.append(row if criterion_of is None else row | {"criterion": criterion_of(side.filter)})
        for label, count, population in (
            (rejects.SLICE, len(self.slice), self.slice_population),
            (INCLUDED, len(self.included), len(self.included)),
        ):
            if count:
                found.append({"label": label, "low": None, "high": None, "population": population, "drawn": count})
        return found

    def chances(self, sides: tuple[Side, ...]) -> dict[int, float]:
        """The probability that at least one of these sides draws a clip, for each clip that one of them can draw."""
        clips, chance = borderline.joint_probabilities([side.near for side in sides])
        return dict(zip(clips.tolist(), chance.tolist(), strict=True))

    @cached_property
    def table(self) -> pl.DataFrame:
        """One row per clip: `stratum` names every side that drew it, `drawn_for` the filters of these sides."""
        drawn_for: dict[int, list[Side]] = {}
        for side in self.sides:
            for clip in side.clips.tolist():
                drawn_for.setdefault(clip, []).append(side)
        chance = self.chances(self.sides) if self.sides else {}
        near = [
            (clip, "; ".join(side.words for side in sides), chance[clip], [side.filter.name for side in sides])
            for clip, sides in drawn_for.items()
        ]
        near += [(clip, rejects.SLICE, self.slice_chance, []) for clip in self.slice.tolist()]
        near += [(clip, INCLUDED, 1.0, []) for clip in self.included.tolist()]
        places, strata, chances, names = zip(*near, strict=True) if near else ((), (), (), ())
        return pl.DataFrame(
            {
                "clip": self.frame.table["clip"].gather(list(places)),
                "stratum": pl.Series(strata, dtype=pl.String),
                "inclusion_probability": pl.Series(chances, dtype=pl.Float64),
                "drawn_for": pl.Series(names, dtype=pl.List(pl.String)),
            }
        )


def draw(frame: SamplingFrame, plan: Borderline, seed: int) -> BorderlineDraw:
    """Draw near the thresholds of the plan's filters (all, if it names none). Raises AppError if that is impossible."""
    wanted = plan.filters or tuple(rule.name for rule in frame.filters)
    source = None if plan.per_source is None else frame.sources()
    sides: list[Side] = []
    said: dict[str, list[str]] = {}
    for number, rule in enumerate(frame.filters):
        if rule.name not in wanted:
            continue
        scores = frame.scores(rule.score)
        both = borderline.near_threshold(
            scores,
            low=rule.minimum,
            high=rule.maximum,
            n=plan.each,
            eligible=frame.inside & _others_pass(frame, rule) if plan.others == "passed" else frame.inside,
            source=source,
            most=plan.per_source,
        )
        for place, near in enumerate(both):
            taken = near.drawn(frame.digest, seed, 2 * number + place)
            sides.append(Side(rule, near, near.clips[taken]))
        for note in borderline.remarks(both, plan.each, int(np.isnan(scores).sum())):
            said.setdefault(note, []).append(rule.name)
    if not sides:
        raise AppError(
            "None of the design's filters can be used: no clip has a score of theirs.",
            "Name filters whose scores the pool has, or score the clips again.",
        )
    notes = [f"{', '.join(names)}: {note}" for note, names in said.items()]
    notes += [_nearness(side) for side in sides if side.near.farthest is not None]
    if plan.others == "passed":
        notes.append("Only clips that pass all other filters were drawn next to a filter's threshold.")
    slice_, population, words = _slice(frame, plan, sides, seed)
    return BorderlineDraw(frame, tuple(sides), slice_, population, frame.included, (*notes, *words))


def _others_pass(frame: SamplingFrame, rule: Filter) -> Bools:
    """Whether all other filters accept each clip, shape (clips,); a missing score counts as rejected."""
    others = [other.passes().fill_null(value=False) for other in frame.filters if other.name != rule.name]
    if not others:
        return np.ones(len(frame.inside), dtype=np.bool_)
    found: Bools = frame.table.select(pl.all_horizontal(others)).to_series().to_numpy()
    return found


def _nearness(side: Side) -> str:
    verb = "pass" if side.near.label == borderline.PASSES else "fail"
    return f"{side.filter.name}: clips that just {verb} lie within {side.near.farthest:.4g} of the threshold."


def _slice(frame: SamplingFrame, plan: Borderline, sides: list[Side], seed: int) -> tuple[Ints, int, tuple[str, ...]]:
    """Draw rejected clips at random from those that no side can draw, so that each clip has one way into the sample."""
    none = np.empty(0, dtype=np.int64)
    if plan.waive_rejects:
        return none, 0, (f"No slice of rejects is drawn: {plan.waive_rejects}",)
    of = np.full(len(frame.inside), OUTSIDE, dtype=np.int32)
    far = frame.rejected.copy()
    for side in sides:
        far[side.near.clips] = False
    sliced = rejects.with_reject_stratum(Division(of, (), ()), none, far, plan.rejects or rejects.DEFAULT_REJECTS)
    if not len(sliced.shares):
        return none, 0, sliced.notes
    taken = drawn_clips(DrawPlan(frame.digest, sliced.division, sliced.shares), seed)
    return taken, int(sliced.division.sizes[0]), sliced.notes
