"""Read design files: TOML that says how a sample is drawn, like [sampling] in a study file."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.errors import AppError, did_you_mean
from app.filters import filter_files
from app.sampling.designs import Borderline, Place, SamplingPlan, Simple, Stratified, TwoPhase
from app.toml_errors import REMEDY, wrong_keys
from app.toml_text import parsed, place_of, read_text
from scoring.filters import Filter

START = 'A design file begins with design = "simple", "stratified", "borderline" or "two_phase".'
OWN = ("seed", "cascade", "filter", "exclude_file", "include_file")
"""Keys of a design file that [sampling] in a study file lacks, because the study has its own seed and filters."""
MOST_LIST_BYTES = 100_000_000
"""Size of a file with a clip id on each line."""
PLANS: TypeAdapter[Simple | Stratified | Borderline | TwoPhase] = TypeAdapter(SamplingPlan)


@dataclass(frozen=True)
class DesignFile:
    """A design file, read and checked: its name for messages, its text, the design, the seed, and the filters.

    `lenient` is true if the filters are a preset: those whose score is missing are then left out.
    """

    name: str
    text: str
    plan: Simple | Stratified | Borderline | TwoPhase
    seed: int = 1
    filters: tuple[Filter, ...] = ()
    lenient: bool = False

    def identity(self, pool_fingerprint: str) -> str:
        """An identifier of the design on a pool: 16 hexadecimal digits of a hash of design, filters and pool."""
        rules = [[rule.name, rule.score, rule.minimum, rule.maximum] for rule in self.filters]
        said = [self.plan.model_dump(mode="json"), rules, pool_fingerprint]
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def read(path: Path) -> DesignFile:
    """Read a design file; files that it names are in its folder. Raises AppError naming file, line and remedy."""
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise AppError(f"The design file {path} cannot be read ({error}).", START) from error
    return parse(text, str(path), path.parent)


def parse(text: str, name: str, folder: Path = Path()) -> DesignFile:
    """Parse and check the text of a design file; `folder` holds the files that it names.

    Raises AppError naming every fault with file, line and key.

    >>> parse('design = "simple"\\nclips = 20\\nseed = 4', "mine.toml").plan.clips
    20
    """
    content = parsed(text, name, START)
    filters, lenient = _cascade(content, text, name, folder)
    given = {key: value for key, value in content.items() if key not in OWN} | _listed(content, text, name, folder)
    problems = [f"{place_of(text, name, place)}: {words}" for place, words in _seed_problem(content)]
    try:
        plan = PLANS.validate_python(given)
    except ValidationError as error:
        problems += wrong_keys(error, text, name, SamplingPlan, more=OWN)
    else:
        problems += [f"{place_of(text, name, place)}: {words}" for place, words in contradictions(plan, filters)]
    if problems:
        raise AppError("\n".join(problems), REMEDY)
    return DesignFile(name, text, plan, content.get("seed", 1), filters, lenient)


def contradictions(
    plan: Simple | Stratified | Borderline | TwoPhase, filters: tuple[Filter, ...]
) -> Iterator[tuple[Place, str]]:
    """Contradictions between a design and its filters: the position of the key, and a sentence."""
    names = [rule.name for rule in filters]
    for place, name in plan.named():
        if name not in names:
            yield place, f"there is no filter {name!r}. {did_you_mean(name, names)}".rstrip()
    if filters:
        return
    needs = {"a borderline draw": isinstance(plan, Borderline), "only": getattr(plan, "only", "all") == "passed"}
    needs["a pattern"] = isinstance(plan, Stratified) and any(one.pattern for one in plan.strata)
    needs["rejects"] = plan.rejects is not None
    for what in (what for what, is_asked in needs.items() if is_asked):
        yield ["design"], f'{what} needs filters: [[filter]] tables, or cascade = "talkvid" or a filter file.'


def _seed_problem(content: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    seed = content.get("seed", 1)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**31:
        yield ["seed"], f"a seed is a whole number from 0 to 2147483647 (it is {seed!r})."


def _cascade(content: dict[str, Any], text: str, name: str, folder: Path) -> tuple[tuple[Filter, ...], bool]:
    """The filters: the tables in the file, or those of the preset or file that `cascade` names; true for a preset."""
    named = content.get("cascade")
    if "filter" in content:
        if named is not None:
            raise AppError(
                f"{place_of(text, name, ['cascade'])}: there are [[filter]] tables too.", "Keep one of them."
            )
        return filter_files.parse(_filters_alone(text), name), False
    if named is None:
        return (), False
    if not isinstance(named, str):
        raise AppError(
            f"{place_of(text, name, ['cascade'])}: a text is needed.", 'Write cascade = "talkvid" or a file.'
        )
    source = filter_files.find(str(folder / named) if (folder / named).is_file() else named)
    return source.filters, source.preset


def _filters_alone(text: str) -> str:
    """The text with every line outside of [[filter]] tables blank, so that line numbers stay the same."""
    kept, inside = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            inside = re.match(r"\s*\[\[\s*filter\s*\]\]", line) is not None
        kept.append(line if inside else "")
    return "\n".join(kept)


def _listed(content: dict[str, Any], text: str, name: str, folder: Path) -> dict[str, list[str]]:
    """Clip ids in the design, followed by those in the files of include_file and exclude_file, one per line."""
    found = {}
    for key in ("include", "exclude"):
        listed = content.get(key, [])
        if (file := content.get(f"{key}_file")) is None or not isinstance(listed, list):
            continue
        try:
            lines = read_text(folder / str(file), most=MOST_LIST_BYTES).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            where = place_of(text, name, [f"{key}_file"])
            raise AppError(f"{where}: {file} cannot be read ({error}).", "Write one clip id a line.") from error
        found[key] = [*listed, *(line.strip() for line in lines if line.strip())]
    return found
