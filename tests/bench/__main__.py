"""All measurements in turn: `make bench`, or `python -m tests.bench load` for one."""

import sys

from tests.bench import load

BENCHES = {"load": load.run}


def main(names: list[str]) -> None:
    """Run those named, or all."""
    for name in names or BENCHES:
        BENCHES[name]()


main(sys.argv[1:])
