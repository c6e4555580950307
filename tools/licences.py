"""Write docs/licences.md: the licence of every package that ClipJury needs to run, for those who pass it on.

Usage: python tools/licences.py (`make licences`), in an environment that has the packages of requirements.lock.
"""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PAGE = ROOT / "docs" / "licences.md"
COPYLEFT = re.compile(r"GPL|GNU|MPL|Mozilla|EPL|Eclipse|CDDL|EUPL|CC-BY-SA|SSPL", re.IGNORECASE)
"""Words of licences that demand something of programs that contain the package."""
SHORT = 60
"""Characters of a licence's name; some packages give the whole text instead of a name."""

ELSEWHERE = {"colorama": "BSD-3-Clause", "httpx2-jsfetch": "BSD-3-Clause", "tzdata": "Apache-2.0"}
"""Packages of other systems (Windows, the browser) or Pythons, which may not be installed here."""

NOTES = {
    "av": "Its wheels contain FFmpeg and the encoders x264 and x265, under the GPL; they are loaded as libraries.",
    "krippendorff": "Imported by `analysis/agreement/statistics.py`. ClipJury's own code stays under Apache-2.0, which "
    "the GPL 3 permits; a copy that is passed on together with this package is, as a whole, under the GPL 3.",
    "opencv-python-headless": "Its wheels contain FFmpeg, under the LGPL 2.1; it is loaded as a library.",
    "psycopg": "Used unchanged as a library that can be replaced, which the LGPL permits; needed for PostgreSQL only.",
    "psycopg-binary": "As psycopg; its wheels contain libpq (PostgreSQL licence) and OpenSSL (Apache-2.0).",
    "tqdm": "The MPL covers changes of its own files; it is used unchanged.",
}
"""What was found for packages that need a look: each package with a copyleft licence must have a note."""

HEAD = """# Licences of the packages that ClipJury needs

ClipJury itself is under Apache-2.0 (`LICENSE`). It contains no code of other packages: `pip` installs them. `make
licences` writes this table from `requirements.lock` and from what each package says of itself. The last column says
what was found where a licence is copyleft, or where a package contains libraries under other licences. Packages of
the optional extras (`pose`, `dover`, `cotracker`, `text`, `dask`, `ffmpeg`) and of development are not in it.

"""


@dataclass(frozen=True)
class Licence:
    """A package with the licence that it names."""

    package: str
    licence: str

    @property
    def note(self) -> str:
        """What was found when somebody looked; empty if nobody needed to."""
        return NOTES.get(self.package, "")

    @property
    def is_unexamined(self) -> bool:
        """True if the licence is unknown, or is copyleft and has no note."""
        return not self.licence or (bool(COPYLEFT.search(self.licence)) and not self.note)


def packages() -> list[str]:
    """The names in requirements.lock, each once."""
    return sorted(set(re.findall(r"^([A-Za-z0-9][\w.-]*)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)))


def licence_of(package: str) -> str:
    """The licence that a package names: as an expression, in a word or as a classifier; empty if it names none."""
    try:
        about = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return ELSEWHERE.get(package, "")
    if expression := about.get("License-Expression"):
        return expression
    word = (about.get("License") or "").strip()
    if word and "\n" not in word and len(word) <= SHORT and not word.lower().startswith("copyright"):
        return word
    classifiers = [one for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    return ", ".join(one.rpartition(" :: ")[2] for one in classifiers)


def licences() -> list[Licence]:
    """The licence of every package of requirements.lock."""
    return [Licence(name, licence_of(name)) for name in packages()]


def main() -> None:
    """Write the page, and say which packages need a look."""
    found = licences()
    rows = [f"| {one.package} | {one.licence} | {one.note} |" for one in found]
    PAGE.write_text(HEAD + "\n".join(["| package | licence | what was found |", "|---|---|---|", *rows]) + "\n")
    print(f"{PAGE.relative_to(ROOT)}: {len(found)} packages")
    for one in found:
        if one.is_unexamined:
            print(f"{one.package} ({one.licence or 'no licence named'}) needs a note in NOTES of tools/licences.py.")


if __name__ == "__main__":
    main()
