"""Borderline draws: the clips next to every filter's cut, and a random slice of the rejects beside them."""

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
from app.sampling.frame import Frame
from app.sampling.probability import INCLUDED
from scoring.filters import Filter


@dataclass(frozen=True, eq=False)
class Side:
    """The clips drawn on one side of a filter's cut: `clips` are positions in the pool, nearest first."""

    filter: Filter
    near: BorderlineSide
    clips: Ints

    @property
    def words(self) -> str:
        """Filter and side."""
        return f"{self.filter.name} {self.near.label}"


@dataclass(frozen=True, eq=False)
class BorderlineDraw:
    """All sides of a borderline draw, the slice of rejects (positions and their common probability), and the notes.

    `included` are the positions of clips taken whatever the lot.
    """

    rows: Frame
    sides: tuple[Side, ...]
    slice: Ints
    slice_population: int
    included: Ints
    notes: tuple[str, ...]

    @property
    def slice_chance(self) -> float:
        """Inclusion probability of a clip of the slice."""
        return len(self.slice) / max(1, self.slice_population)

    def strata(self, criterion_of: Callable[[Filter], str] | None = None) -> list[dict[str, Any]]:
        """The strata for storing (JSON): what lies on each side of each cut, how many were drawn and how near."""
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
        """For each clip that any of these sides can draw, the probability that one of them does."""
        clips, chance = borderline.joint_probabilities([side.near for side in sides])
        return dict(zip(clips.tolist(), chance.tolist(), strict=True))

    @cached_property
    def table(self) -> pl.DataFrame:
        """One row per clip: `stratum` names every side it was drawn for, `drawn_for` their filters."""
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
                "clip": self.rows.table["clip"].gather(list(places)),
                "stratum": pl.Series(strata, dtype=pl.String),
                "inclusion_probability": pl.Series(chances, dtype=pl.Float64),
                "drawn_for": pl.Series(names, dtype=pl.List(pl.String)),
            }
        )


def draw(rows: Frame, plan: Borderline, seed: int) -> BorderlineDraw:
    """Draw next to the cuts of the plan's filters (all, if it names none). Raises AppError where that cannot be."""
    wanted = plan.filters or tuple(rule.name for rule in rows.filters)
    source = None if plan.per_source is None else rows.sources()
    sides: list[Side] = []
    said: dict[str, list[str]] = {}
    for number, rule in enumerate(rows.filters):
        if rule.name not in wanted:
            continue
        scores = rows.scores(rule.score)
        both = borderline.near_threshold(
            scores,
            low=rule.minimum,
            high=rule.maximum,
            n=plan.each,
            eligible=rows.inside & _others_pass(rows, rule) if plan.others == "passed" else rows.inside,
            source=source,
            most=plan.per_source,
        )
        for place, near in enumerate(both):
            taken = near.drawn(rows.digest, seed, 2 * number + place)
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
        notes.append("Only clips that pass all other filters were drawn next to a filter's cut.")
    slice_, population, words = _slice(rows, plan, sides, seed)
    return BorderlineDraw(rows, tuple(sides), slice_, population, rows.included, (*notes, *words))


def _others_pass(rows: Frame, rule: Filter) -> Bools:
    """Whether each clip passes all other filters; an unknown score counts as failed."""
    others = [other.passes().fill_null(value=False) for other in rows.filters if other.name != rule.name]
    if not others:
        return np.ones(len(rows.inside), dtype=np.bool_)
    found: Bools = rows.table.select(pl.all_horizontal(others)).to_series().to_numpy()
    return found


def _nearness(side: Side) -> str:
    verb = "pass" if side.near.label == borderline.PASSES else "fail"
    return f"{side.filter.name}: clips that just {verb} lie within {side.near.farthest:.4g} of the cut."


def _slice(rows: Frame, plan: Borderline, sides: list[Side], seed: int) -> tuple[Ints, int, tuple[str, ...]]:
    """Rejected clips drawn at random among those that no side could have drawn, so that none comes in by two ways."""
    none = np.empty(0, dtype=np.int64)
    if plan.waive_rejects:
        return none, 0, (f"No slice of rejects is drawn: {plan.waive_rejects}",)
    of = np.full(len(rows.inside), OUTSIDE, dtype=np.int32)
    far = rows.rejected.copy()
    for side in sides:
        far[side.near.clips] = False
    sliced = rejects.with_reject_stratum(Division(of, (), ()), none, far, plan.rejects or rejects.DEFAULT_REJECTS)
    if not len(sliced.shares):
        return none, 0, sliced.notes
    taken = drawn_clips(DrawPlan(rows.digest, sliced.division, sliced.shares), seed)
    return taken, int(sliced.division.sizes[0]), sliced.notes
