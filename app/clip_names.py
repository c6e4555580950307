"""Clips get their names from their files: short, each its own, and kept once given."""

from collections import Counter
from collections.abc import Mapping, Sequence

from scoring.locations import Place, is_folder, name_of, plain


def clip_names(
    videos: Sequence[Place], paths: Sequence[Place], known: Mapping[int, str] | None = None, taken: Sequence[str] = ()
) -> list[str]:
    """A name of its own for each video: its path below the scored folder it was found in, or its file name.

    The suffix is left out unless two would be alike; a number is added if they still are. `known` are names that
    videos (by their place in the list) have already; `taken` are names of others.

    >>> clip_names(["a.mp4", "a.mov", "b.mp4"], ["a.mp4", "a.mov", "b.mp4"])
    ['a.mp4', 'a.mov', 'b']
    >>> clip_names(["day/a.mp4", "day/b.mp4"], ["day/a.mp4"], known={1: "old"}, taken=["a"])
    ['a-2', 'old']
    """
    folders = [_inside(plain(path)) for path in paths if is_folder(path)]
    full = [_below(video, folders) for video in videos]
    short = [_stem(name) for name in full]
    alike = Counter(short)
    known = known or {}
    used = {*taken, *known.values()}
    names = []
    for place, (brief, name) in enumerate(zip(short, full, strict=True)):
        if place in known:
            names.append(known[place])
            continue
        wanted, number = brief if alike[brief] == 1 else name, 1
        while (free := wanted if number == 1 else f"{wanted}-{number}") in used:
            number += 1
        used.add(free)
        names.append(free)
    return names


def _inside(folder: str) -> str:
    """What the paths of files in a folder begin with."""
    return "" if folder == "." else folder.rstrip("/") + "/"


def _below(place: Place, folders: Sequence[str]) -> str:
    video = place if isinstance(place, str) else str(place)
    home = next((folder for folder in folders if video.startswith(folder)), None)
    return name_of(video) if home is None else video[len(home) :]


def _stem(name: str) -> str:
    head, dot, _ = name.rpartition(".")
    return head if dot and head and not head.endswith("/") else name
