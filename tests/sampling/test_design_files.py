"""Design files: valid keys are read; faults are named by file, line and key, with a remedy."""

from pathlib import Path

import pytest

from app.errors import AppError
from app.sampling.design_files import parse, read
from app.sampling.designs import Borderline, Simple, Stratified, TwoPhase
from app.studies.study_file import parse as parse_study
from app.studies.study_file import preset

DESIGN = """
design = "stratified"
clips = 700
seed = 7
allocation = "power"
per_source = 2
exclude = ["c1"]

[[strata]]
filter = "still"
bands = 4

[[strata]]
column = "gender"

[[filter]]
name = "still"
score = "avg_movement"
min = 80

[[filter]]
score = "sharpness"
min = 10
max = 90
"""


def refusal(text: str) -> str:
    """The message for a faulty text."""
    with pytest.raises(AppError) as caught:
        parse(text, "mine.toml")
    return str(caught.value)


def line_with(words: str) -> int:
    """The line of DESIGN (counted from 1) that contains these words."""
    return next(at for at, line in enumerate(DESIGN.splitlines(), 1) if words in line)


def test_a_design_file_has_design_seed_and_filters() -> None:
    """It has the keys of the design, its divisions in order, and the filters of its tables."""
    found = parse(DESIGN, "mine.toml")
    assert isinstance(found.plan, Stratified)
    assert (found.plan.clips, found.seed, found.plan.per_source) == (700, 7, 2)
    assert [one.filter or one.column for one in found.plan.divisions()] == ["still", "gender"]
    assert [(rule.name, rule.minimum, rule.maximum) for rule in found.filters] == [
        ("still", 80, None),
        ("sharpness", 10, 90),
    ]


FAULTS = (
    ("clips = 700", "clips = 0", "clips: it must be 1 or more (it is 0)"),
    ("clips = 700", 'clips = "many"', "clips: "),
    ("clips = 700", "clip = 700", "clip: there is no such key. Did you mean clips"),
    ("seed = 7", "seed = -1", "seed: a seed is a whole number"),
    ('allocation = "power"', 'allocation = "fair"', "allocation: "),
    ('allocation = "power"', "shares = [5, -1]", "shares, value 2: it must be 0 or more (it is -1)"),
    ('allocation = "power"', "power = -0.5", "power: "),
    ("per_source = 2", "per_source = 0", "per_source: "),
    ('filter = "still"', 'filter = "stil"', "[[strata]] no. 1, filter: there is no filter 'stil'. Did you mean still?"),
    ("bands = 4", "bands = 0", "[[strata]] no. 1, bands: "),
    ("bands = 4", "band = 4", "[[strata]] no. 1, band: there is no such key. Did you mean bands"),
    (
        'column = "gender"',
        'column = "gender"\nscore = "luma"',
        "[[strata]] no. 2: name one of filter, score, column, pattern",
    ),
    ('column = "gender"', 'score = "luma"', "[[strata]] no. 2: a score needs edges or quantiles"),
    ('column = "gender"', 'column = "gender"\nedges = [1]', "[[strata]] no. 2: edges divides a score, not a column"),
    ("max = 90", "max = 5", "[[filter]] no. 2: min lies above max"),
)


@pytest.mark.parametrize(("right", "wrong", "words"), FAULTS)
def test_a_fault_is_named_by_file_line_and_key(right: str, wrong: str, words: str) -> None:
    """The line is that of the key, or of its table if two keys contradict each other."""
    strata, filters = line_with('column = "gender"') - 1, line_with('score = "sharpness"') - 1
    table = {"[[strata]] no. 2": strata, "[[filter]] no. 2": filters}
    key = words.partition(":")[0]
    line = table.get(key, line_with(right))
    assert f"mine.toml, line {line}, {words}" in refusal(DESIGN.replace(right, wrong, 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1, design: it is missing. Choose one of simple, stratified, borderline, two_phase."),
        ('design = "snowball"', "two_phase (it is 'snowball')"),
        ('design = "simple"\ninclude = 3\ninclude_file = "x.txt"', "line 2, include: it must be a list"),
        ('design = "simple"\nclips = 3 3', "is not TOML"),
        ('design = "stratified"', "name a filter in by, or write [[strata]] tables"),
        ('design = "borderline"', "a borderline draw needs filters"),
        ('design = "simple"\nonly = "passed"', "only needs filters"),
        ('design = "simple"\nrejects = 30', "rejects needs filters"),
        ('design = "stratified"\n[[strata]]\npattern = true', "a pattern needs filters"),
        ('design = "simple"\ninclude = ["a"]\nexclude = ["b", "a"]', "'a' is both included and excluded"),
        ('design = "simple"\nwaive_rejects = "no"', "say in words why no rejects are drawn"),
        ('design = "simple"\nwaive_rejects = "none are wanted"\nrejects = 5', "contradict each other"),
        ('design = "two_phase"\nby = "a"\nper_source = 2', "cannot be held in two phases"),
        ('design = "two_phase"\nby = "a"\ntarget = 1.0', "line 3, target: "),
        ('design = "simple"\ncascade = "none.toml"', "The filter file none.toml cannot be read"),
        ('design = "simple"\ncascade = "talkvid"\n[[filter]]\nscore = "x"\nmin = 1', "there are [[filter]] tables too"),
        ('design = "simple"\nexclude_file = "none.txt"', "line 2, exclude_file: none.txt cannot be read"),
        ('design = "stratified"\nby = "a"\nguess = [0.5]', 'guess is for allocation = "neyman"'),
        ('design = "stratified"\nby = "a"\nshares = [5]\nclips = 4', "leave clips and allocation out"),
    ],
)
def test_contradictions_are_errors(text: str, words: str) -> None:
    """The message says what is wrong."""
    assert words in refusal(text)


def test_all_faults_are_in_one_message() -> None:
    """Each fault is one line of the message."""
    message = refusal(DESIGN.replace("seed = 7", "seed = -1").replace("per_source = 2", "per_source = 0"))
    assert message.count("mine.toml, line ") == 2


def test_files_that_a_design_names_are_in_its_folder(tmp_path: Path) -> None:
    """It names a filter file and lists of ids (one per line); a preset is used if there is no such file."""
    (tmp_path / "own.toml").write_text('[[filter]]\nscore = "luma"\nmin = 3\n')
    (tmp_path / "seen.txt").write_text("c1\n\n c2 \n")
    (tmp_path / "design.toml").write_text(
        'design = "simple"\ncascade = "own.toml"\nexclude = ["c0"]\nexclude_file = "seen.txt"\n'
    )
    found = read(tmp_path / "design.toml")
    assert isinstance(found.plan, Simple)
    assert found.plan.exclude == ("c0", "c1", "c2")
    assert ([rule.name for rule in found.filters], found.lenient) == (["luma"], False)
    talkvid = parse('design = "borderline"\neach = 5\ncascade = "talkvid"', "mine.toml")
    assert talkvid.lenient
    assert len(talkvid.filters) > 6
    with pytest.raises(AppError, match=r"none\.toml cannot be read"):
        read(tmp_path / "none.toml")


def test_the_identity_of_a_design_depends_on_its_content_only() -> None:
    """Comments do not change it; a threshold, a number or another pool does."""
    known = parse(DESIGN, "mine.toml").identity("pool-a")
    assert parse("# a comment\n" + DESIGN, "other.toml").identity("pool-a") == known
    for text, pool in ((DESIGN, "pool-b"), (DESIGN.replace("min = 80", "min = 81"), "pool-a")):
        assert parse(text, "mine.toml").identity(pool) != known


def test_a_study_file_takes_the_same_designs() -> None:
    """[sampling] takes simple, two_phase and [[sampling.strata]], and names their faults by line."""
    text = preset("acr")
    head = text[: text.index("[sampling]")]
    simple = parse_study(head + '[sampling]\ndesign = "simple"\nclips = 9\n', "study.toml").sampling
    assert isinstance(simple, Simple)
    two = parse_study(head + '[sampling]\ndesign = "two_phase"\nby = "sharpness"\n', "study.toml").sampling
    assert isinstance(two, TwoPhase)
    crossed = '[sampling]\ndesign = "stratified"\n[[sampling.strata]]\nfilter = "luma"\n[[sampling.strata]]\n'
    with pytest.raises(AppError) as caught:
        parse_study(head + crossed + 'filter = "none"\n', "study.toml")
    line = (head + crossed).count("\n") + 1
    assert f"study.toml, line {line}, [[sampling.strata]] no. 2, filter: there is no filter 'none'" in str(caught.value)


def test_the_borderline_design_says_whether_other_filters_must_accept() -> None:
    """By default other filters are ignored, as in TalkVid."""
    text = 'design = "borderline"\ncascade = "talkvid"\n'
    plans = [parse(text + more, "d.toml").plan for more in ("", 'others = "passed"\nfilters = ["avg_rotation"]')]
    assert all(isinstance(plan, Borderline) for plan in plans)
    assert [getattr(plan, "others", "") for plan in plans] == ["ignored", "passed"]
