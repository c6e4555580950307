"""A second run over a finished pool: every file, its manifest line and its row are looked at, and none is opened."""

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app.pools.scoring import score_to_pool
from scoring.pipeline import ClipScores
from scoring.runners.work import ClipFile, Work
from tests.helpers.quick_scorers import MadeUp, counting, names

CLIPS, MOST_SECONDS = 10_000, 2.0


class WithoutParts(MadeUp):
    """Parts are not what is measured."""

    def map(self, clips: Sequence[ClipFile], work: Work) -> Iterator[tuple[ClipFile, ClipScores]]:
        """Made-up results at once."""
        return super().map(clips, replace(work, parts=None))


def run() -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory(prefix="clipjury-bench-") as made:
        folder = Path(made)
        names(folder, CLIPS)
        lines = [{"id": str(n), "video-path": f"c{n:04}.mp4", "source": f"film {n % 100}"} for n in range(CLIPS)]
        (folder / "manifest.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
        output = folder / "pool.parquet"
        score_to_pool([folder], output, runner=WithoutParts(), scorers=counting)
        began = time.perf_counter()
        again = score_to_pool([folder], output, scorers=counting)
        seconds = time.perf_counter() - began
    verdict = "held" if seconds < MOST_SECONDS and again.scored == 0 else "MISSED"
    print(f"resume: {CLIPS} finished clips looked through in {seconds:.2f} s, {again.scored} scored again")
    print(f"  {verdict}: bound < {MOST_SECONDS:g} s")
