"""Make .venv, or say in one sentence what the machine lacks."""

import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Refuse an old Python by name; explain the package that Debian leaves out."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is started by whatever python3 is
        sys.exit(f"ClipJury needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. Use PYTHON=...")
    made = subprocess.run([sys.executable, "-m", "venv", ".venv"], capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(
            "Python could not make a virtual environment here. On Debian or Ubuntu: apt install python3-venv\n"
            + made.stdout[-300:]
        )
    Path(".venv/.gitignore").write_text("*\n")


if __name__ == "__main__":
    main()
