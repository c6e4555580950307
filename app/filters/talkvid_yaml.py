"""Read TalkVid's `head_threshold.yml` as filters, and write filters as such a file.

The layout is what TalkVid's released head filter reads (github.com/FreedomIntelligence/TalkVid, data_pipeline/
3_head_detail_filtering, class VideoFaceProcessor): under `head_filter`, `thresholds` maps the name of a score to its
minimum, and a clip passes when every score named there reaches it. Next to `thresholds` the file has `input_path` and
other settings of a run. It has no place for a maximum, a filter's name, a stage or a rubric; a score that TalkVid's
program does not compute stops it with a KeyError.
"""

from collections.abc import Sequence
from typing import Any

import yaml

from app.errors import AppError
from scoring.filters import Filter

STAGE = "head"
_KINDS = ("movement", "rotation", "completeness", "resolution", "orientation")
SCORES = (*(f"{end}_{kind}" for kind in _KINDS for end in ("avg", "min")), "face_consistency")
"""The scores that TalkVid's program computes, and that its file may name."""


def parse(text: str, name: str) -> tuple[tuple[Filter, ...], tuple[str, ...]]:
    """Parse filters of the stage `head`, named after their scores, and notes on what else the file holds.

    Raises AppError naming file, line and remedy.

    >>> filters, _ = parse("head_filter:\\n  thresholds:\\n    avg_movement: 80\\n", "head_threshold.yml")
    >>> (filters[0].score, filters[0].minimum)
    ('avg_movement', 80.0)
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise AppError(f"{name}{line} is not YAML: {error.problem}.", "Mend that line and try again.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise AppError(f"{name} is not YAML: {error}.", "Mend it and try again.") from error
    thresholds = _inside(_inside(root, "head_filter"), "thresholds")
    if not isinstance(thresholds, yaml.MappingNode) or not thresholds.value:
        remedy = "TalkVid's layout is head_filter, below it thresholds, below that a line such as avg_movement: 80"
        raise AppError(f"{name} has no head_filter.thresholds.", remedy)
    filters: list[Filter] = []
    for key, value in thresholds.value:
        score = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
        where = f"{name}, line {key.start_mark.line + 1}, head_filter.thresholds.{score or '?'}"
        if score in [rule.score for rule in filters]:
            raise AppError(f"{where}: the score stands there twice.", "Keep one of the two lines.")
        minimum = _number(value)
        if minimum is None:
            raise AppError(f"{where}: the threshold must be a number.", f"Write a line such as {score or 'score'}: 80")
        try:
            filters.append(Filter(score, score, minimum=minimum, stage=STAGE))
        except ValueError as error:
            raise AppError(f"{where}: {error}.", "Mend that line and try again.") from error
    return tuple(filters), _notes(root)


def write(filters: Sequence[Filter]) -> tuple[str, tuple[str, ...]]:
    """Write filters as the text of such a file, with a sentence for everything that the file cannot hold.

    Of two minimums on one score the higher is written, because a clip that reaches it reaches both. Raises AppError if
    no filter can be written.

    >>> text, lost = write([Filter("dover", "dover_scores", minimum=7), Filter("still", "avg_movement", minimum=80)])
    >>> print(text, end="")
    head_filter:
      thresholds:
        avg_movement: 80
    >>> for sentence in lost: print(sentence)
    dover is left out: TalkVid's head filter does not compute dover_scores.
    still: its name is lost, the file knows only the score avg_movement.
    still: it is read back into the stage head.
    """
    thresholds: dict[str, float] = {}
    lost: list[str] = []
    for rule in filters:
        if rule.score not in SCORES:
            lost.append(f"{rule.name} is left out: TalkVid's head filter does not compute {rule.score}.")
            continue
        if rule.minimum is None:
            lost.append(f"{rule.name} is left out: the file holds minimums only, and it has a maximum.")
            continue
        if rule.score in thresholds:
            lost.append(f"{rule.name}: the file has one line for {rule.score}; it holds the higher of the minimums.")
        minimum = float(rule.minimum)
        thresholds[rule.score] = max(minimum, thresholds.get(rule.score, minimum))
        lost += _lost(rule)
    if not thresholds:
        raise AppError("\n".join(["No filter can be written as head thresholds.", *lost]), "Save them as .toml.")
    written = {score: int(end) if end.is_integer() else end for score, end in thresholds.items()}
    return yaml.safe_dump({"head_filter": {"thresholds": written}}, sort_keys=False), tuple(lost)


def _lost(rule: Filter) -> list[str]:
    """Sentences on what is lost of a filter that is written."""
    lost = []
    if rule.maximum is not None:
        lost.append(f"{rule.name}: its maximum {rule.maximum:g} is lost, the file holds minimums only.")
    if rule.name != rule.score:
        lost.append(f"{rule.name}: its name is lost, the file knows only the score {rule.score}.")
    if rule.in_stage != STAGE:
        lost.append(f"{rule.name}: it is read back into the stage {STAGE}.")
    if rule.rubric:
        lost.append(f"{rule.name}: its rubric is lost.")
    return lost


def _inside(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _number(node: yaml.Node) -> float | None:
    """The number in a node; the filter itself refuses NaN and infinity."""
    if node.tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
        return None
    try:
        value: Any = yaml.safe_load(node.value)
        return float(value)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError):
        return None  # a tag that contradicts the text, such as !!int before a word


def _notes(root: yaml.Node | None) -> tuple[str, ...]:
    above = [("", root), ("head_filter.", _inside(root, "head_filter"))]
    others = [
        f"{place}{key.value}"
        for place, node in above
        if isinstance(node, yaml.MappingNode)
        for key, _ in node.value
        if isinstance(key, yaml.ScalarNode) and key.value not in ("head_filter", "thresholds")
    ]
    return (f"Not a threshold and not read: {', '.join(others)}.",) if others else ()
