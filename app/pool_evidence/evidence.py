"""What the pool, fairness and anchoring pages show, cached until judgments, rulings or the pool change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from sqlmodel import Session

from app.cache import Cache
from app.errors import AppError
from app.models import Study
from app.pool_evidence import anchoring, consequences, good_share, study_pool, subgroups
from app.pool_evidence.anchoring import Influence
from app.pool_evidence.consequences import Consequences
from app.pool_evidence.good_share import GoodShare
from app.pool_evidence.study_pool import PoolColumns
from app.pool_evidence.subgroups import FilterErrors, SubgroupMeans
from app.results import adjudications, answer_table, consensus, votes
from app.results.consensus import Consensus, VerdictSource
from app.results.filter_results import FilterResult
from app.results.study_results import Results, cached, kind_of
from app.thresholds import adopted as adopted_thresholds
from scoring.filters import Filter

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of a study, for the choices of a page: whose verdict counts, and which thresholds are requested.

    `requested_thresholds` has the names of filters as keys. With `allow_stale`, values computed from earlier judgments
    are accepted: a figure then shows the same numbers as the page around it.
    """

    db: Session
    study: Study
    cache: Cache
    verdict_source: VerdictSource = "raters"
    requested_thresholds: Mapping[str, float] = field(default_factory=dict)
    allow_stale: bool = False

    @cached_property
    def results(self) -> Results:
        """The study's results."""
        return cached(self.cache, self.db, self.study, kind_of(self.study))

    @property
    def simulated(self) -> bool:
        """Whether the answers are those of the simulated panel."""
        return kind_of(self.study) == "simulated"

    def from_cache(self, name: tuple[object, ...], compute: Callable[[], Value]) -> Value:
        """The value of this name from the same judgments, rulings and pool; computed if the cache lacks it."""
        version = (self._answers_version, study_pool.version_or_none(self.study))
        key = (self.study.id, kind_of(self.study), self.verdict_source, *name)
        return self.cache.get(key, version, compute, allow_stale=self.allow_stale, allow_recent=True)

    @cached_property
    def _answers_version(self) -> tuple[object, object]:
        """A value that differs after every judgment and ruling; it is read once per request."""
        return votes.fingerprint(self.db, self.study), adjudications.fingerprint(self.db, self.study)

    def refuse_changed_pool(self) -> None:
        """Raise AppError if the pool is missing or has changed since the study was made."""
        version = study_pool.version(self.study)
        self.cache.get(("pool", self.study.id), version, lambda: study_pool.refuse_changed(self.study))

    def columns(self) -> PoolColumns:
        """The pool's columns for subgroups and for means."""
        version = study_pool.version(self.study)
        return self.cache.get(("columns", self.study.id), version, lambda: study_pool.columns(self.study))

    def filter(self, name: str) -> FilterResult:
        """The results of the filter with this name; those of the first filter if the name is empty."""
        return self.results.filter_named(name) if name else self.results.filters[0]

    def consensus_of(self, result: FilterResult) -> Consensus:
        """The clips that a filter is judged on, with verdicts from the chosen source."""
        return consensus.of_filter(self.db, self.study, result, self.verdict_source)

    def consequences(self, by: str) -> Consequences:
        """What the filters keep of the pool at the current and at the proposed thresholds, by the column `by`."""
        adopted = adopted_thresholds.ranges(self.db, self.study)

        def compute() -> Consequences:
            proposals = consequences.proposals(self.results, self.requested_thresholds, adopted)
            return consequences.consequences(study_pool.rows(self.study), proposals, by)

        choices = (tuple(sorted(self.requested_thresholds.items())), tuple(sorted(adopted.items())))
        return self.from_cache(("consequences", by, choices), compute)

    def good_shares(self) -> tuple[tuple[GoodShare, ...], str]:
        """The share of good clips in the pool by each filter's score; if there are none, the reason in words."""

        def compute() -> tuple[tuple[GoodShare, ...], str]:
            try:
                version = (study_pool.version(self.study), self.study.version)
                pool = self.cache.get(
                    ("strata", self.study.id), version, lambda: good_share.stratified_pool(self.db, self.study)
                )
            except AppError as error:
                return (), str(error)
            each = (
                good_share.good_share(pool, result, self.consensus_of(result), self.study.seed)
                for result in self.results.filters
            )
            return tuple(each), ""

        return self.from_cache(("shares",), compute)

    def errors(self, filter_name: str, by: Sequence[str]) -> FilterErrors:
        """One filter's errors by subgroup."""

        def compute() -> FilterErrors:
            result, names = self.filter(filter_name), consensus.names_of(self.db, self.study)
            group_of = subgroups.groups_of(study_pool.rows(self.study), list(names.values()), by)
            return subgroups.errors(result, self.consensus_of(result), group_of, names, " × ".join(by))

        return self.from_cache(("errors", filter_name, tuple(by)), compute)

    def means(self, column: str, by: Sequence[str], *, kept: bool) -> SubgroupMeans:
        """The mean of a column by subgroup, of the whole pool or of the clips that the filters keep."""
        filters = [
            Filter(one.rule.name, one.rule.score, one.rule.minimum, one.rule.maximum) for one in self.results.filters
        ]
        rows = study_pool.rows(self.study)
        return self.from_cache(
            ("means", column, tuple(by), kept), lambda: subgroups.means(rows, by, column, filters, kept=kept)
        )

    def influence(self) -> Influence:
        """The effect of showing scores, and the human ceiling."""

        def compute() -> Influence:
            return anchoring.influence(self.db, self.study, answer_table.read(self.db, self.study, kind_of(self.study)))

        return self.from_cache(("influence",), compute)
