"""All measurements in turn: `make bench`, or `python -m tests.bench load` for one."""

import sys

from tests.bench import (
    load,
    pages,
    pools,
    researcher,
    restarts,
    results,
    resume,
    sampling,
    scoring,
    statistics,
    statistics_agreement,
    statistics_coverage,
    statistics_coverage_association,
    statistics_guarantees,
    statistics_raters,
    statistics_thresholds,
)

BENCHES = {
    "load": load.run,
    "pages": pages.run,
    "pools": pools.run,
    "researcher": researcher.run,
    "results": results.run,
    "restarts": restarts.run,
    "resume": resume.run,
    "statistics": statistics.run,
    "agreement": statistics_agreement.run,
    "coverage": statistics_coverage.run,
    "association": statistics_coverage_association.run,
    "guarantees": statistics_guarantees.run,
    "raters": statistics_raters.run,
    "thresholds": statistics_thresholds.run,
    "sampling": sampling.run,
    "scoring": scoring.run,
}


def main(names: list[str]) -> None:
    """Run those named, or all."""
    for name in names or BENCHES:
        BENCHES[name]()


main(sys.argv[1:])
