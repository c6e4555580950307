"""The sampling designs of design files and study files: a model for each design, which checks all keys."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Place = list[int | str]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Strata(_Keys):
    """One way to divide the pool into strata; several are crossed.

    By a `filter`'s score (bands around its thresholds), any `score` (edges or quantiles), a metadata `column`, or the
    `pattern` of the filters' verdicts. `most` keeps that many of the commonest values and merges the rest.
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
        ways = [name for name in ("bands", "quantiles", "edges") if getattr(self, name)]
        if len(said) != 1:
            raise ValueError("name one of filter, score, column, pattern = true")
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} contradict each other")
        if ways and said[0] in ("column", "pattern"):
            raise ValueError(f"{ways[0]} divides a score, not a {said[0]}")
        if self.most and said[0] in ("filter", "score"):
            raise ValueError("most is for a column or a pattern")
        if said[0] == "score" and ways not in (["edges"], ["quantiles"]):
            raise ValueError("a score needs edges or quantiles; bands lie around a filter's threshold: filter = ...")
        return self


class _Design(_Keys):
    """Keys that every design may have."""

    per_source: int | None = Field(default=None, ge=1)
    """The largest number of clips from one source."""
    include: tuple[str, ...] = ()
    """Clips that are always taken, with probability 1."""
    exclude: tuple[str, ...] = ()
    """Clips that are left out of the sampling frame."""
    rejects: int | None = Field(default=None, ge=1)
    """The smallest number of rejected clips that are drawn at random."""
    waive_rejects: str = ""
    """The reason why no random sample of rejects is drawn; kept with the sample."""

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
        """The filters that the design names, each with the position of its key."""
        yield from ()


class _Probability(_Design):
    """A probability sampling design."""

    clips: Count = 100
    per_source_in: Literal["sample", "stratum"] = "sample"
    """Whether the limit per source applies to the whole sample, or to each stratum (exact probabilities)."""
    only: Literal["all", "passed"] = "all"
    """Draw from the whole pool, or only from clips that every filter accepts (and the random sample of rejects)."""


class Simple(_Probability):
    """A simple random sample."""

    design: Literal["simple"]


class Stratified(_Probability):
    """A stratified sample: strata are bands of one filter's score (`by`), or the divisions of `strata` crossed."""

    design: Literal["stratified"]
    by: str = ""
    bands: int = Field(default=4, ge=1, le=20)
    strata: tuple[Strata, ...] = ()
    allocation: Literal["equal", "proportional", "neyman", "power"] = "equal"
    guess: tuple[float, ...] = ()
    """For Neyman allocation: the assumed share of good clips in each stratum, in the order of the strata."""
    power: float = Field(default=0.5, ge=0, le=1)
    shares: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """The number of clips in each stratum, in the order of the strata, instead of `clips` and `allocation`."""

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
        """The filters whose scores define strata."""
        if self.by:
            yield ["by"], self.by
        for number, one in enumerate(self.strata):
            if one.filter:
                yield ["strata", number, "filter"], one.filter


class Borderline(_Design):
    """TalkVid's design: for each filter the `each` nearest clips on either side of its threshold."""

    design: Literal["borderline"]
    each: Count = 50
    filters: tuple[str, ...] = ()
    """Names of the filters to draw for; all if empty."""
    others: Literal["ignored", "passed"] = "ignored"
    """Whether all other filters must accept a clip."""

    def named(self) -> Iterator[tuple[Place, str]]:
        """The filters to draw for."""
        return ((["filters"], name) for name in self.filters)


class TwoPhase(_Design):
    """A pilot in every band of a filter's score, then most clips where P(good | score) crosses the target."""

    design: Literal["two_phase"]
    by: str
    bands: int = Field(default=8, ge=3, le=50)
    pilot: Count = 30
    """Number of clips in each band in the first phase."""
    clips: Count = 200
    """Number of new clips in the second phase."""
    target: float = Field(default=0.9, gt=0, lt=1)
    floor: int = Field(default=20, ge=1)
    """The smallest number of clips in each band after both phases."""
    focus: float = Field(default=0.7, gt=0, le=1)
    """The share of the second phase that goes to bands near the crossing of curve and target."""

    @model_validator(mode="after")
    def _can_be_topped_up(self) -> Self:
        if self.per_source is not None:
            raise ValueError("per_source cannot be held in two phases; use a simple or stratified design")
        return self

    def named(self) -> Iterator[tuple[Place, str]]:
        """The filter whose threshold is studied."""
        yield ["by"], self.by


SamplingPlan = Annotated[Simple | Stratified | Borderline | TwoPhase, Field(discriminator="design")]
