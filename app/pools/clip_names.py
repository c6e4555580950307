"""Names of clips, and the names of their files: short, unique, and kept once a clip has one."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import count

from scoring.locations import Location, is_folder, name_of, plain

LONGEST = 180
"""Bytes of UTF-8 in a file name. File systems take 255; numbers and suffixes are added to the name."""
UNFIT = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
"""Path separators, control characters, and what Windows refuses in a file name."""


def clip_names(
    videos: Sequence[Location],
    paths: Sequence[Location],
    known: Mapping[int, str] | None = None,
    taken: Sequence[str] = (),
) -> list[str]:
    """A unique name for each video: its path below the scored folder it was found in, or its file name.

    The suffix is left out unless two names would be the same; a number is added if they still are. `known` has the
    names that videos (by their position in the list) have already; `taken` has the names of other clips.

    >>> clip_names(["a.mp4", "a.mov", "b.mp4"], ["a.mp4", "a.mov", "b.mp4"])
    ['a.mp4', 'a.mov', 'b']
    >>> clip_names(["day/a.mp4", "day/b.mp4"], ["day/a.mp4"], known={1: "old"}, taken=["a"])
    ['a-2', 'old']
    """
    folders = [_prefix(plain(path)) for path in paths if is_folder(path)]
    full = [_below(video, folders) for video in videos]
    stems = [_stem(name) for name in full]
    uses = Counter(stems)
    known = known or {}
    used = {*taken, *known.values()}
    names = []
    for place, (stem, name) in enumerate(zip(stems, full, strict=True)):
        if place in known:
            names.append(known[place])
            continue
        free = unique_name(stem if uses[stem] == 1 else name, used)
        used.add(free)
        names.append(free)
    return names


def file_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """A file name without suffix for each name: valid on every system, and unique even where case does not count.

    >>> file_names(["day/one", "Day_one", "../../etc", ".hidden", "“Ünïcode”", ""], taken=["hidden"])
    ['day_one', 'Day_one-2', '_.._etc', 'hidden-2', '“Ünïcode”', 'clip']
    """
    used = {name.casefold() for name in taken}
    found = []
    for name in names:
        fit = UNFIT.sub("_", name).encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore")
        free = unique_name(fit.strip(". ") or "clip", used, ignore_case=True)
        used.add(free.casefold())
        found.append(free)
    return found


def unique_name(wanted: str, taken: Container[str], *, ignore_case: bool = False) -> str:
    """The wanted name, or the first of `wanted-2`, `wanted-3`, ... that is not taken.

    With `ignore_case`, `taken` holds names in the form of `str.casefold`.

    >>> unique_name("a", {"a", "a-2"}), unique_name("A", {"a"}, ignore_case=True)
    ('a-3', 'A-2')
    """
    numbered = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
    return next(name for name in numbered if (name.casefold() if ignore_case else name) not in taken)


def _prefix(folder: str) -> str:
    """What the paths of all files in a folder begin with."""
    return "" if folder == "." else folder.rstrip("/") + "/"


def _below(place: Location, folders: Sequence[str]) -> str:
    video = place if isinstance(place, str) else str(place)
    home = next((folder for folder in folders if video.startswith(folder)), None)
    return name_of(video) if home is None else video[len(home) :]


def _stem(name: str) -> str:
    head, dot, _ = name.rpartition(".")
    return head if dot and head and not head.endswith("/") else name
