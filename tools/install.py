"""Install a lock file into this environment: uv where it works, pip otherwise; then remember what was installed.

Usage: python tools/install.py LOCK STAMP [STAMP...]
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

# Without compiled bytecode the science imports take 14-18 s at the first start instead of 1.6 s.
UV = ["-m", "uv", "pip", "install", "--compile-bytecode", "--quiet"]
PIP = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]


def run(*arguments: str, quiet: bool = False) -> bool:
    """Run this environment's Python; True when it ended well."""
    environment = os.environ | {"UV_SYSTEM_CERTS": "1", "VIRTUAL_ENV": sys.prefix}
    hush = subprocess.DEVNULL if quiet else None
    return subprocess.run([sys.executable, *arguments], env=environment, stderr=hush).returncode == 0


def install(*what: str) -> None:
    """Install with uv, with pip where uv is not to be had or fails; stop with a plain sentence when both fail."""
    if run(*UV, *what, quiet=True) or run(*PIP, *what):
        return
    sys.exit(f"Could not install {' '.join(what)}. Is there a connection to a Python package index? Then try again.")


def fingerprint(lock: Path) -> str:
    """What the environment was made from: a changed lock or project file means installing again."""
    return hashlib.sha256(lock.read_bytes() + Path("pyproject.toml").read_bytes()).hexdigest()


def main(lock: Path, stamps: list[Path]) -> None:
    """Install `lock` and the project itself, unless the stamp says that it is there already."""
    wanted = fingerprint(lock)
    if not (stamps[0].is_file() and stamps[0].read_text() == wanted):
        began = time.monotonic()
        print(f"Installing from {lock} ...", flush=True)
        run("-m", "pip", "install", "--disable-pip-version-check", "--quiet", "uv", quiet=True)
        install("--no-deps", "--require-hashes", "-r", str(lock))  # a lock is whole: nothing is left to resolve
        install("--no-deps", "-e", ".")
        print(f"Installed in {time.monotonic() - began:.0f} s.", flush=True)
    stamps[0].write_text(wanted)
    for stamp in stamps[1:]:
        stamp.write_text(fingerprint(Path(stamp.name.replace("installed", "requirements") + ".lock")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
