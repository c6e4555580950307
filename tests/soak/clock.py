"""A wall clock that can be set for one server and its processes alone; the machine's own clock stays right."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


def missing() -> str:
    """What this machine lacks for such a clock; empty if it has everything."""
    if sys.platform != "linux":
        return "only Linux preloads libraries so"
    if not sysconfig.get_config_var("HAVE_SEM_CLOCKWAIT"):
        return "this Python's waits follow the wall clock"
    return "" if shutil.which("cc") else "there is no C compiler (apt install gcc)"


class WallClock:
    """A wall clock that is right until `set` makes it wrong. The monotonic clock is never touched."""

    def __init__(self, folder: Path) -> None:
        self._library, self._file = folder / "clock.so", folder / "seconds"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self._library, SOURCE, "-ldl"], check=True)
        self.set(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs in its environment to have this clock."""
        return {"LD_PRELOAD": str(self._library), "SOAK_CLOCK": str(self._file)}

    def set(self, hours: float) -> None:
        """Make it wrong by so many hours, at once: nobody reads a half-written file."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{hours * 3600:.0f}")
        os.replace(written, self._file)  # noqa: PTH105
