"""What a design says, in a design file or in a study file's [sampling]: one model per design, all keys checked."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DESIGNS = ("simple", "stratified", "borderline", "two_phase")
Place = list[int | str]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Strata(_Part):
    """One way to divide the pool; several are crossed.

    By a `filter`'s score (bands around its cuts), by any `score` (edges or quantiles), by a metadata `column`, or by
    the `pattern` of passed and failed filters. `most` keeps that many of the commonest values and joins the rest.
    """

    filter: str = ""
    score: str = ""
    column: str = ""
    pattern: bool = False
    bands: int | None = Field(default=None, ge=1, le=50)
    quantiles: int | None = Field(default=None, ge=2, le=50)
    edges: tuple[float, ...] = ()
    most: int | None = Field(default=None, ge=1, le=1000)

    @model_validator(mode="after")
    def _is_one_division(self) -> Self:
        said = [name for name in ("filter", "score", "column", "pattern") if getattr(self, name)]
        cuts = [name for name in ("bands", "quantiles", "edges") if getattr(self, name)]
        if len(said) != 1:
            raise ValueError("name one of filter, score, column, pattern = true")
        if len(cuts) > 1:
            raise ValueError(f"{' and '.join(cuts)} contradict each other")
        if cuts and said[0] in ("column", "pattern"):
            raise ValueError(f"{cuts[0]} divides a score, not a {said[0]}")
        if self.most and said[0] in ("filter", "score"):
            raise ValueError("most is for a column or a pattern")
        if said[0] == "score" and cuts not in (["edges"], ["quantiles"]):
            raise ValueError("a score needs edges or quantiles; bands lie around a filter's cut: filter = ...")
        return self


class _Plan(_Part):
    """What every design may say."""

    per_source: int | None = Field(default=None, ge=1)
    """At most so many clips of one source."""
    include: tuple[str, ...] = ()
    """Clips that are taken whatever the lot: probability 1."""
    exclude: tuple[str, ...] = ()
    """Clips that are not part of the pool for this sample."""
    rejects: int | None = Field(default=None, ge=1)
    """Rejected clips to be drawn at random at least."""
    waive_rejects: str = ""
    """Why no slice of rejects is drawn, in words; kept with the sample."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.waive_rejects and len(self.waive_rejects.split()) < 2:
            raise ValueError("say in words why no rejects are drawn")
        if self.waive_rejects and self.rejects is not None:
            raise ValueError("rejects and waive_rejects contradict each other")
        if both := sorted(set(self.include) & set(self.exclude)):
            raise ValueError(f"{both[0]!r} is both included and excluded")
        return self

    def named(self) -> Iterator[tuple[Place, str]]:
        """The filters that the design names, each with the place of its name."""
        yield from ()


class _Random(_Plan):
    """A design that draws by lot."""

    clips: Count = 100
    per_source_in: Literal["sample", "stratum"] = "sample"
    """Where the limit per source counts: in the whole sample, or in each stratum (exact probabilities)."""
    only: Literal["all", "passed"] = "all"
    """Draw from the whole pool, or only from clips that pass every filter (and the slice of rejects)."""


class Simple(_Random):
    """A simple random sample."""

    design: Literal["simple"]


class Stratified(_Random):
    """Draw within strata: bands of one filter's score (`by`), or the divisions of `strata` crossed."""

    design: Literal["stratified"]
    by: str = ""
    bands: int = Field(default=4, ge=1, le=20)
    strata: tuple[Strata, ...] = ()
    allocation: Literal["equal", "proportional", "neyman", "power"] = "equal"
    guess: tuple[float, ...] = ()
    """For Neyman allocation: the share of good clips supposed in each stratum, in the strata's order."""
    power: float = Field(default=0.5, ge=0, le=1)
    shares: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """The clips of each stratum, in the strata's order, instead of `clips` and `allocation`."""

    @model_validator(mode="after")
    def _is_divided(self) -> Self:
        if bool(self.by) == bool(self.strata):
            raise ValueError("name a filter in by, or write [[strata]] tables")
        if self.strata and "bands" in self.model_fields_set:
            raise ValueError("bands goes with by; a [[strata]] table has bands of its own")
        if self.guess and self.allocation != "neyman":
            raise ValueError('guess is for allocation = "neyman"')
        if any(not 0 <= p <= 1 for p in self.guess):
            raise ValueError("a guess is a share of good clips between 0 and 1")
        if self.shares and ({"clips", "allocation"} & self.model_fields_set):
            raise ValueError("shares says it all: leave clips and allocation out")
        return self

    def divisions(self) -> tuple[Strata, ...]:
        """The divisions to cross."""
        return self.strata or (Strata(filter=self.by, bands=self.bands),)

    def named(self) -> Iterator[tuple[Place, str]]:
        """The filters by whose scores clips are divided."""
        if self.by:
            yield ["by"], self.by
        for number, one in enumerate(self.strata):
            if one.filter:
                yield ["strata", number, "filter"], one.filter


class Borderline(_Plan):
    """For each filter the clips nearest its cut: `each` that just pass, `each` that just fail (TalkVid's design)."""

    design: Literal["borderline"]
    each: Count = 50
    filters: tuple[str, ...] = ()
    """Names of the filters to draw for; empty means all."""
    others: Literal["ignored", "passed"] = "ignored"
    """Whether a clip must pass all other filters."""

    def named(self) -> Iterator[tuple[Place, str]]:
        """The filters to draw for."""
        return ((["filters"], name) for name in self.filters)


class TwoPhase(_Plan):
    """A pilot in every band of a filter's score, then most clips where P(good | score) crosses the target."""

    design: Literal["two_phase"]
    by: str
    bands: int = Field(default=8, ge=3, le=50)
    pilot: Count = 30
    """Clips of the first phase in each band."""
    clips: Count = 200
    """New clips of the second phase."""
    target: float = Field(default=0.9, gt=0, lt=1)
    floor: int = Field(default=20, ge=1)
    """Clips in each band after both phases, at least."""
    focus: float = Field(default=0.7, gt=0, le=1)
    """Share of the second phase that goes where the curve crosses the target."""

    @model_validator(mode="after")
    def _can_be_topped_up(self) -> Self:
        if self.per_source is not None:
            raise ValueError("per_source cannot be held in two phases; use a simple or stratified design")
        return self

    def named(self) -> Iterator[tuple[Place, str]]:
        """The filter whose cut is in question."""
        yield ["by"], self.by


SamplingPlan = Annotated[Simple | Stratified | Borderline | TwoPhase, Field(discriminator="design")]
