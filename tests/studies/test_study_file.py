"""Study files: presets are valid studies, and errors name file, line and key."""

import os
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.errors import AppError
from app.sampling.designs import Borderline, Stratified
from app.studies.rules import Rules
from app.studies.study_file import PRESETS, StudyFile, parse, preset, read
from app.toml_text import line_of
from scoring.registry import scorers
from tests.helpers.places import ROOT

ACR = preset("acr")
VALUE = re.compile(r"^(\w+) = (?!\"\"\")\S.*$")


def refusal(text: str) -> str:
    """What the file's author reads."""
    with pytest.raises(AppError) as refused:
        parse(text, "mine.toml")
    return str(refused.value)


def outcome(text: str) -> StudyFile | str:
    """The study of a file's text, or the words of the refusal."""
    try:
        return parse(text, "mine.toml")
    except AppError as error:
        return error.message


def line_with(text: str, start: str, *, place: int = 0) -> int:
    """Number, from 1, of the line that begins so."""
    return [number for number, line in enumerate(text.splitlines(), 1) if line.startswith(start)][place]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_valid_study(name: str) -> None:
    """Each preset parses, and each question has a scale or decides a filter."""
    spec = parse(preset(name), name)
    assert spec.raters_per_clip >= 2
    judged = {spec.deciding_criterion(rule) for rule in spec.filters}
    assert all(item.scale == "acr5" or item.key in judged for item in spec.criteria)


def test_the_acr_preset_uses_only_scores_that_clipjury_computes() -> None:
    """Every filter's score is a column of a scorer, with the scorer's direction of better values."""
    columns = {column.name: column for scorer in scorers() for column in scorer.columns}
    for rule in parse(ACR, "acr").filters:
        ends = (rule.min is not None, rule.max is not None)
        good = {(True, False): "higher", (False, True): "lower", (True, True): "band"}[ends]
        assert columns[rule.score].direction == good, rule.name


def test_the_talkvid_preset_is_the_published_design() -> None:
    """Seven filters, 50 clips on each side of each threshold, two blind raters (arXiv 2508.13618, human validation)."""
    spec = parse(preset("talkvid"), "talkvid")
    assert isinstance(spec.sampling, Borderline)
    assert (spec.sampling.each, len(spec.sampling.filters)) == (50, 7)
    assert (spec.raters_per_clip, spec.score_visibility) == (2, "hidden")
    cuts = {rule.name: (rule.min, rule.max) for rule in spec.filters if rule.name in spec.sampling.filters}
    assert cuts == {
        "dover": (7, None),
        "cotracker": (0.85, 0.999),
        "movement": (80, None),
        "rotation": (70, None),
        "orientation": (70, None),
        "resolution": (50, None),
        "completeness": (100, None),
    }


def test_an_unknown_preset_raises_an_error_that_lists_the_presets() -> None:
    """The message lists them."""
    with pytest.raises(AppError, match=r"no preset 'acrr'.*Presets: acr, talkvid"):
        preset("acrr")


# A change to the preset, the key that the message must name, and the line of the change.
FAULTS = (
    ("seed = 20261", "seed = -1", "seed"),
    ("seed = 20261", 'seed = "seven"', "seed"),
    ("raters_per_clip = 3", "raters_per_clip = 0", "raters_per_clip"),
    ('score_visibility = "randomised"', 'score_visibility = "sometimes"', "score_visibility"),
    ('score_visibility = "randomised"', 'score_visiblity = "randomised"', "score_visiblity"),
    ('scale = "verdict"', 'scale = "acr7"', "[[criteria]] no. 3, scale"),
    ('key = "stability"', 'key = "Stability!"', "[[criteria]] no. 2, key"),
    ('title = "Rotation"', "title = 5", "[[filters]] no. 2, title"),
    ('score = "blockiness"', 'scores = "blockiness"', "[[filters]] no. 8, scores"),
    ("max = 1.6", 'max = "much"', "[[filters]] no. 8, max"),
    ("max = 200", "max = [200]", "[[filters]] no. 9, max"),
    ("bands = 4", "bands = 99", "sampling.bands"),
    ("clips = 100", "clips = 0", "sampling.clips"),
    ('allocation = "equal"', 'allocation = "fair"', "sampling.allocation"),
    ('allocation = "equal"', "pages = 3", "sampling.pages"),
)


@pytest.mark.parametrize(("right", "wrong", "key"), FAULTS)
def test_an_error_names_file_line_and_key(right: str, wrong: str, key: str) -> None:
    """The line is that of the error in the original file."""
    text = ACR.replace(right, wrong, 1)
    message = refusal(text)
    assert f"mine.toml, line {line_with(ACR, right)}, {key}: " in message


def test_a_missing_key_is_reported_at_its_table() -> None:
    """The error names the line of the table, because the missing key has none."""
    message = refusal(ACR.replace('score = "jitter"\n', "", 1))
    line = line_with(ACR, "[[filters]]", place=9)
    assert f"mine.toml, line {line}, [[filters]] no. 10, score: it is missing" in message


def test_all_errors_are_reported_together() -> None:
    """The message has one line per error."""
    message = refusal(ACR.replace("seed = 20261", "seed = -1").replace("bands = 4", "bands = 0"))
    assert len(re.findall(r"mine\.toml, line \d+, ", message)) == 2


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("min = 30", "", "a filter needs min, max or both"),
        ("min = 50\nmax = 200", "min = 200\nmax = 50", "min lies above max"),
        ('key = "stability"', 'key = "quality"', "[[criteria]] no. 2, key: 'quality' is used twice"),
        ('name = "rotation"', 'name = "movement"', "name: 'movement' is used twice"),
        ('by = "sharpness"', 'by = "beauty"', "there is no filter 'beauty'"),
        ("min = 80", 'min = 80\ncriterion = "quality"', "'quality' is no accept/reject criterion"),
        ('scale = "verdict"', 'scale = "acr5"', "one criterion must be an accept/reject question"),
    ],
)
def test_contradictions_between_parts_are_errors(right: str, wrong: str, words: str) -> None:
    """Each part is valid alone, but together they are not a study."""
    assert words in refusal(ACR.replace(right, wrong, 1))


def test_invalid_toml_is_an_error_with_its_line() -> None:
    """The message contains the parser's line."""
    message = refusal(ACR.replace("raters_per_clip = 3", "raters_per_clip = 3 3", 1))
    assert message.startswith("mine.toml is not TOML: ")
    assert f"line {line_with(ACR, 'raters_per_clip')}" in message


def test_an_unreadable_file_is_an_error_that_suggests_a_preset(tmp_path: Path) -> None:
    """A missing file, a folder and a file that is not UTF-8: the message names it and suggests a preset."""
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "latin.toml"):
        with pytest.raises(AppError, match=rf"{re.escape(str(path))} cannot be read.*clipjury preset acr"):
            read(path)


def test_a_file_of_another_account_is_told_with_a_way_out(tmp_path: Path) -> None:
    """`clipjury-run` reads as the service's user: the message says where that user can read the file."""
    path = tmp_path / "study.toml"
    path.write_text(ACR, encoding="utf-8")
    path.chmod(0)
    account = os.geteuid()
    try:
        if account == 0:
            os.seteuid(65534)
        with pytest.raises(AppError, match=rf"may not read {re.escape(str(path))}.*Copy it to"):
            read(path)
    finally:
        os.seteuid(account)


def test_the_text_of_a_file_is_kept_unchanged(tmp_path: Path) -> None:
    """Comments and order stay, because the text is stored with the study."""
    (tmp_path / "study.toml").write_text(ACR, encoding="utf-8")
    text, spec = read(tmp_path / "study.toml")
    assert text == ACR
    assert spec == parse(ACR, "acr")
    assert isinstance(spec.sampling, Stratified)


def test_a_filter_without_criterion_uses_the_first_accept_or_reject_question() -> None:
    """`deciding_criterion` never returns a question with a five-step scale."""
    spec = parse(ACR, "acr")
    assert {spec.deciding_criterion(rule) for rule in spec.filters} == {"verdict"}


PLACES = [number for number, line in enumerate(ACR.splitlines()) if VALUE.match(line)]


@given(place=some.sampled_from(PLACES), value=some.sampled_from(["{}", "[[1]]", "{ a = 1 }"]))
def test_a_value_of_the_wrong_type_is_reported_on_its_line(place: int, value: str) -> None:
    """If any value of a preset is replaced by a table or a list, the message names its line and key."""
    lines = ACR.splitlines()
    found = VALUE.match(lines[place])
    assert found
    key = found.group(1)
    lines[place] = f"{key} = {value}"
    if key == "design":  # the key that says which other keys there are
        assert "mine.toml, line " in refusal("\n".join(lines))
        return
    assert re.search(rf"mine\.toml, line {place + 1}, [^:]*\b{key}\b[^:]*: ", refusal("\n".join(lines)))


@given(some.lists(some.tuples(some.integers(0, len(ACR.splitlines()) - 1), some.text(max_size=30)), max_size=4))
def test_any_changed_line_gives_a_study_or_an_error_message(changes: list[tuple[int, str]]) -> None:
    """If any lines are replaced by any text, the file parses or AppError names the file; nothing else is raised."""
    lines = ACR.splitlines()
    for place, text in changes:
        lines[place] = text
    answer = outcome("\n".join(lines))
    if isinstance(answer, str):
        assert answer.startswith("mine.toml")
        assert all(1 <= int(number) <= len(lines) + 1 for number in re.findall(r"mine\.toml, line (\d+)", answer))


@given(some.sampled_from(PLACES))
def test_the_line_of_every_key_of_a_preset_is_found(place: int) -> None:
    """`line_of` returns the line of each key: in tables, in lists of tables and at the top."""
    lines = ACR.splitlines()
    found = VALUE.match(lines[place])
    assert found
    path: list[int | str] = [found.group(1)]
    heads = [line for line in lines[:place] if line.startswith("[")]
    if heads:
        name = heads[-1].strip("[]")
        number: list[int | str] = [heads.count(heads[-1]) - 1] if heads[-1].startswith("[[") else []
        path = [name, *number, *path]
    whole = tomllib.loads(ACR)
    for part in path:
        whole = whole[part]  # type: ignore[index]  # a list or a table, as the path says
    assert line_of(ACR, path) == place + 1


def test_the_example_in_the_documentation_is_valid_and_complete() -> None:
    """The example of docs/study-file.md is a valid study and contains every table of the rules."""
    page = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert found
    spec = parse(found[1], "study-file.md")
    assert spec.recruitment.clips_per_rater == 60
    tables = tomllib.loads(found[1])
    for name, field in Rules.model_fields.items():
        assert name in tables, name
        part = next(
            (kind for kind in (field.annotation, *get_args(field.annotation)) if hasattr(kind, "model_fields")), None
        )
        if part is not None:
            assert set(tables[name]) == set(part.model_fields), name
