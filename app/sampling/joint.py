"""The joint sample of a study that was drawn by several designs, with joint inclusion probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.estimate import Floats, Ints
from analysis.sampling.selection import DrawPlan, drawn_clips
from analysis.sampling.strata import OUTSIDE
from app.errors import AppError
from app.pools.pool_files import Pool
from app.sampling import probability
from app.sampling.design_files import DesignFile
from app.sampling.designs import Borderline, Stratified
from app.sampling.frame import SamplingFrame, columns_for, no_column

NEW_STUDY = "Make a new study from a larger sample: clipjury create POOL STUDY.toml"


@dataclass(frozen=True, eq=False)
class DesignDraw:
    """The draw of one design: its sampling frame, its plan with the number of clips drawn so far, and its seed.

    A study has one such draw, and one more for each top-up by another design. `record` is its entry in the history of
    draws (JSON): the design as in its file, and the filters.
    """

    frame: SamplingFrame
    prepared: probability.PreparedDraw
    plan: DrawPlan
    seed: int
    record: dict[str, Any]

    @classmethod
    def of(cls, pool: Pool, design: DesignFile, drawn_so_far: Mapping[str, int] | None = None) -> "DesignDraw":
        """Draw by a design; `drawn_so_far` has the clips in each stratum (None: as many as in a first draw)."""
        if isinstance(design.plan, Borderline):
            raise AppError("A borderline draw is not topped up, and tops up no other.", NEW_STUDY)
        if isinstance(design.plan, Stratified) and design.plan.allocation == "neyman" and not design.plan.guess:
            raise AppError(
                "The design shared its clips out by a pilot, which the study does not keep.",
                "Top up by a design that has a guess or shares: --design FILE.toml",
            )
        for column in columns_for(design.plan, design.filters):
            if column not in pool.readable.columns:
                raise no_column(pool.path.name, column, pool.readable.columns)
        frame = SamplingFrame.build(pool.path.name, pool.readable, design.plan, design.filters)
        prepared = probability.prepare(frame, design.plan)
        plan = prepared.plan
        if drawn_so_far is not None:
            if set(drawn_so_far) != set(plan.division.labels):
                raise AppError("The strata of the study's sample cannot be found again in its pool.", NEW_STUDY)
            shares = np.array([drawn_so_far[label] for label in plan.division.labels], dtype=np.int64)
            plan = replace(plan, shares=shares)
        rules = [[rule.name, rule.score, rule.minimum, rule.maximum] for rule in design.filters]
        record = {"plan": design.plan.model_dump(mode="json", exclude_unset=True), "filters": rules}
        return cls(frame, prepared, plan, design.seed, record)

    @property
    def chance(self) -> Floats:
        """Inclusion probability of each clip of the pool in this draw, 0 outside of its strata, shape (clips,)."""
        inside = np.flatnonzero(self.plan.division.of != OUTSIDE)
        found = np.zeros(len(self.plan.division.of))
        found[inside] = self.plan.probability(inside)
        return found

    @property
    def drawn(self) -> Ints:
        """Positions of the drawn clips in the pool."""
        return drawn_clips(self.plan, self.seed)

    def shares(self) -> dict[str, int]:
        """Number of clips in each stratum, by its name."""
        return dict(zip(self.plan.division.labels, self.plan.shares.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class JointDraw:
    """The clips of several draws together. Arrays have one entry per clip of the pool, shape (clips,).

    The draws are independent (each has its own seed), so that at least one of them draws a clip with probability
    1 - (1 - p1)(1 - p2)... (Sarndal, Swensson & Wretman 1992, section 2.4). The stratum of a clip is that of the first
    draw whose strata contain it: different strata are not crossed, and weights differ within them.
    """

    draws: tuple[DesignDraw, ...]

    @property
    def chance(self) -> Floats:
        """Probability of each clip to be in the study."""
        missed = np.prod([1 - draw.chance for draw in self.draws], axis=0)
        return np.asarray(1 - missed) if len(self.draws) > 1 else self.draws[0].chance

    @property
    def drawn(self) -> Ints:
        """Positions of the drawn clips, each once."""
        return np.unique(np.concatenate([draw.drawn for draw in self.draws]))

    def strata(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The strata (JSON), and the stratum of each clip of the pool ("" for clips that no draw can take)."""
        of = np.zeros(len(self.draws[0].plan.division.of), dtype=np.int64)  # 0 stands for no stratum
        rows: list[dict[str, Any]] = []
        for number, draw in enumerate(self.draws):
            division = draw.plan.division
            free = (of == 0) & (division.of != OUTSIDE)
            of[free] = division.of[free] + 1 + len(rows)
            suffix = f" (draw {number + 1})" if number else ""
            for label, (low, high) in zip(division.labels, division.ends, strict=True):
                rows.append({"label": f"{label}{suffix}", "low": low, "high": high})
        population = np.bincount(of, minlength=len(rows) + 1)[1:].tolist()
        got = np.bincount(of[self.drawn], minlength=len(rows) + 1)[1:].tolist()
        told = [
            row | {"population": size, "drawn": have} for row, size, have in zip(rows, population, got, strict=True)
        ]
        names = ["", *(row["label"] for row in rows)]
        return [row for row in told if row["population"]], [names[number] for number in of.tolist()]
