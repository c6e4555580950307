"""What the pool, fairness and anchoring pages compute, cached until judgments, rulings or the pool change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from sqlmodel import Session

from app.cache import Cache
from app.errors import AppError
from app.models import Study
from app.pool_evidence import anchoring, consequences, study_pool, subgroups
from app.pool_evidence.anchoring import Influence
from app.pool_evidence.consequences import Consequences, GoodShare
from app.pool_evidence.study_pool import Columns
from app.pool_evidence.subgroups import Errors, Means
from app.results import adjudications, answers, consensus, votes
from app.results.consensus import Consensus, VerdictSource
from app.results.filter_results import FilterResult
from app.results.study_results import Results, cached, kind_of
from app.thresholds import adopted as adopted_thresholds
from scoring.filters import Filter

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Evidence:
    """A study and what is asked of it: whose verdict counts, which cuts are proposed.

    With `older` values of earlier judgments will do, for figures inside a page.
    """

    db: Session
    study: Study
    cache: Cache
    verdict_source: VerdictSource = "raters"
    cuts: Mapping[str, float] = field(default_factory=dict)
    older: bool = False

    @cached_property
    def results(self) -> Results:
        """The results that everything here starts from."""
        return cached(self.cache, self.db, self.study, kind_of(self.study))

    @property
    def simulated(self) -> bool:
        """Whether they are the simulated panel's."""
        return kind_of(self.study) == "simulated"

    def kept(self, name: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """What was made before from the same judgments, rulings and pool; made now if need be."""
        mark = (self._answered, study_pool.state(self.study))
        key = (self.study.id, kind_of(self.study), self.verdict_source, *name)
        return self.cache.get(key, mark, make, allow_stale=self.older, allow_recent=True)

    @cached_property
    def _answered(self) -> tuple[object, object]:
        """Changes with every judgment and ruling; looked up once a request."""
        return votes.fingerprint(self.db, self.study), adjudications.fingerprint(self.db, self.study)

    def refuse_another_pool(self) -> None:
        """Raises AppError when the pool has changed since the study was made."""
        mark = study_pool.mark(self.study)
        self.cache.get(("pool", self.study.id), mark, lambda: study_pool.unchanged(self.study))

    def columns(self) -> Columns:
        """What the pool can be divided by, and what can be averaged."""
        mark = study_pool.mark(self.study)
        return self.cache.get(("columns", self.study.id), mark, lambda: study_pool.columns(self.study))

    def filter(self, name: str) -> FilterResult:
        """The filter of a name; the first without one."""
        found = self.results
        return found.filter_named(name) if name else found.filters[0]

    def consensus_of(self, result: FilterResult) -> Consensus:
        """The clips that a filter is judged on, by the chosen source of verdicts."""
        return consensus.of_filter(self.db, self.study, result, self.verdict_source)

    def consequences(self, by: str) -> Consequences:
        """The pool at the cuts now and at the proposed ones."""

        adopted = adopted_thresholds.ranges(self.db, self.study)

        def make() -> Consequences:
            cuts = consequences.proposals(self.results, self.cuts, adopted)
            return consequences.consequences(study_pool.rows(self.study), cuts, by)

        asked = (tuple(sorted(self.cuts.items())), tuple(sorted(adopted.items())))
        return self.kept(("consequences", by, asked), make)

    def shares(self) -> tuple[tuple[GoodShare, ...], str]:
        """The share of good clips in the pool by each filter's score, and why there is none at all."""

        def make() -> tuple[tuple[GoodShare, ...], str]:
            try:
                mark = (study_pool.mark(self.study), self.study.version)
                strata = self.cache.get(
                    ("strata", self.study.id), mark, lambda: consequences.strata(self.db, self.study)
                )
            except AppError as error:
                return (), str(error)
            each = (
                consequences.good_share(strata, result, self.consensus_of(result), self.study.seed)
                for result in self.results.filters
            )
            return tuple(each), ""

        return self.kept(("shares",), make)

    def errors(self, filter_name: str, by: Sequence[str]) -> Errors:
        """One filter's errors by subgroup."""

        def make() -> Errors:
            result, names = self.filter(filter_name), consensus.names_of(self.db, self.study)
            group_of = subgroups.groups_of(study_pool.rows(self.study), list(names.values()), by)
            return subgroups.errors(result, self.consensus_of(result), group_of, names, " × ".join(by))

        return self.kept(("errors", filter_name, tuple(by)), make)

    def means(self, column: str, by: Sequence[str], *, kept: bool) -> Means:
        """A number of the pool by subgroup."""
        filters = [
            Filter(one.rule.name, one.rule.score, one.rule.minimum, one.rule.maximum) for one in self.results.filters
        ]
        rows = study_pool.rows(self.study)
        return self.kept(
            ("means", column, tuple(by), kept), lambda: subgroups.means(rows, by, column, filters, kept=kept)
        )

    def influence(self) -> Influence:
        """What showing scores does, and the human ceiling."""

        def make() -> Influence:
            return anchoring.influence(self.db, self.study, answers.read(self.db, self.study, kind_of(self.study)))

        return self.kept(("influence",), make)
