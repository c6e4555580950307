"""Wrong keys in study, filter and design files: one message per key, in plain words, the same in all three files."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.errors import AppError
from app.filters import filter_files
from app.sampling import design_files
from app.studies import study_file
from app.toml_text import parsed

STUDY = study_file.preset("acr")
FILTERS = '[[filter]]\nscore = "luma"\nmin = 5\n'
DESIGN = 'design = "stratified"\nclips = 100\nseed = 3\n\n[[strata]]\nscore = "luma"\nquantiles = 4\n'
PYDANTIC = ("Input should be", "Field required", "Extra inputs", "Value error", "type=", "pydantic", "pattern", "tuple")
"""Words of the library that checks the files, which their authors do not know."""


@dataclass(frozen=True)
class TomlFile:
    """A kind of file: a correct text, and what reads it."""

    text: str
    parse: Callable[[str, str], object]

    def message(self, right: str, wrong: str) -> str:
        """The error after one line is changed."""
        assert right in self.text
        with pytest.raises(AppError) as caught:
            self.parse(self.text.replace(right, wrong, 1), "mine.toml")
        return str(caught.value)


FILES = {
    "study": TomlFile(STUDY, study_file.parse),
    "filter": TomlFile(FILTERS, filter_files.parse),
    "design": TomlFile(DESIGN, design_files.parse),
}


@pytest.mark.parametrize(
    ("file", "right", "wrong", "words"),
    [
        # an unknown key
        ("study", "seed = 20261", "sed = 20261", "sed: there is no such key. Did you mean seed"),
        ("study", "bands = 4", "brands = 4", "sampling.brands: there is no such key. Did you mean bands?"),
        (
            "study",
            'score = "jitter"',
            'scor = "jitter"',
            "[[filters]] no. 10, scor: there is no such key. Did you mean",
        ),
        ("filter", "min = 5", "mini = 5", "[[filter]] no. 1, mini: there is no such key. Did you mean min"),
        ("design", "seed = 3", "sead = 3", "line 3, sead: there is no such key. Did you mean seed"),
        (
            "design",
            "quantiles = 4",
            "qantiles = 4",
            "[[strata]] no. 1, qantiles: there is no such key. Did you mean qua",
        ),
        # a wrong type
        ("study", "seed = 20261", 'seed = "many"', "seed: it must be a whole number (it is 'many')."),
        ("study", "seed = 20261", "seed = 2.5", "seed: it must be a whole number (it is 2.5)."),
        ("study", "seed = 20261", "seed = 1\nwatch_to_end = 7", "watch_to_end: it must be true or false (it is 7)."),
        ("study", 'title = "Rotation"', "title = 5", "title: it must be a text in quotation marks (it is 5)."),
        ("filter", "min = 5", "min = true", "[[filter]] no. 1, min: it must be a number (it is true)."),
        ("filter", 'score = "luma"', "score = [1]", "score: it must be a text in quotation marks (it is a list)."),
        ("filter", "[[filter]]", "[filter]", "filter: each is a table under [[filter]], with two brackets."),
        ("design", "clips = 100", 'clips = "x"', "line 2, clips: it must be a whole number (it is 'x')."),
        ("design", "clips = 100", "exclude = 3", "line 2, exclude: it must be a list in square brackets (it is 3)."),
        ("design", "clips = 100", "exclude = [3]", "line 2, exclude, value 1: it must be a text in quotation marks"),
        # a value out of range
        ("study", "raters_per_clip = 3", "raters_per_clip = 0", "raters_per_clip: it must be 1 or more (it is 0)."),
        ("study", "raters_per_clip = 3", "raters_per_clip = 101", "it must be 100 or less (it is 101)."),
        ("study", '"randomised"', '"seen"', "it must be 'shown', 'hidden', 'after' or 'randomised' (it is 'seen')."),
        (
            "study",
            'key = "stability"',
            'key = "S!"',
            "use small letters, digits and _, with a letter first (it is 'S!')",
        ),
        ("filter", "min = 5", "min = nan", "[[filter]] no. 1, min: it must be a finite number (it is nan)."),
        ("filter", 'score = "luma"', f'score = "{"x" * 90}"', "it is too long: the largest number of characters is 80"),
        ("filter", 'score = "luma"', 'score = ""', "it is too short: the least number of characters is 1 (it is '')."),
        ("design", "clips = 100", "clips = 0", "line 2, clips: it must be 1 or more (it is 0)."),
        ("design", "quantiles = 4", "quantiles = 51", "[[strata]] no. 1, quantiles: it must be 50 or less (it is 51)."),
        ("design", '"stratified"', '"stratifed"', "(it is 'stratifed'). Did you mean stratified?"),
        # a missing key
        ("study", 'score = "jitter"\n', "", "[[filters]] no. 10, score: it is missing"),
        ("study", 'design = "stratified"', "", "sampling.design: it is missing. Choose one of simple, stratified,"),
        ("filter", 'score = "luma"\n', "", "[[filter]] no. 1, score: it is missing"),
        ("design", 'design = "stratified"', 'design = "two_phase"', "line 1, by: it is missing"),
        ("design", 'design = "stratified"', "", "line 1, design: it is missing. Choose one of simple, stratified,"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_wrong_and_what_is_right(
    file: str, right: str, wrong: str, words: str
) -> None:
    """File, line, the key as its author calls it, and a sentence without a word of the checking library."""
    message = FILES[file].message(right, wrong)
    assert message.startswith("mine.toml, line ")
    assert words in message
    for word in PYDANTIC:
        assert word not in message


@pytest.mark.parametrize("file", FILES)
def test_every_message_ends_with_what_to_do(file: str) -> None:
    """After the wrong lines the reader is told to correct them."""
    one = FILES[file]
    key = "min = 5" if file == "filter" else "seed = "
    assert one.message(key, f"nonsense = 1\n{key}").endswith("Correct these lines and try again.")


def test_a_key_inside_a_long_text_is_no_key() -> None:
    """A line of the guidelines that looks like a key is not taken for it: the message has the line of the real key."""
    text = STUDY.replace("raters_per_clip = 3\n", "")
    text = text.replace('guidelines = """', 'guidelines = """\nraters_per_clip = 0\n', 1)
    text = text.replace("[[criteria]]", "raters_per_clip = 0\n[[criteria]]", 1)
    first, real = (number for number, line in enumerate(text.splitlines(), 1) if line.startswith("raters_per_clip"))
    assert first < real
    with pytest.raises(AppError) as caught:
        study_file.parse(text, "mine.toml")
    assert f"mine.toml, line {real}, raters_per_clip: " in str(caught.value)


HOSTILE = {
    "dotted": (".".join("a" * 50_000) + " = 1", "a key has more than 32 parts"),
    "quoted": (".".join(['"a b\\""'] * 50_000) + " = 1", "a key has more than 32 parts"),
    "a header": ("[" + ".".join("a" * 50_000) + "]", "a key has more than 32 parts"),
    "lists": ("a = " + "[" * 100_000, "is nested too deeply"),
    "tables": ("a = " + "{a=" * 100_000, "is nested too deeply"),
    "some tables": ("a = " + "{a=" * 50 + "1" + "}" * 50, "is nested too deeply"),
    "digits": ("a = " + "9" * 5000, "is not TOML"),
    "sixteens": ("a = 0x" + "f" * 5000, "a whole number of more than 64 bits"),
    "long": ("# " + "x" * 1_000_000, "more than 1,000,000 characters"),
    "quotes": ('"\\' * 400_000, "is not TOML"),
    "keys": ("\n".join(f"k{number} = 1" for number in range(20_000)), "more keys are wrong"),
}
"""Texts that cost a parser minutes, gigabytes or its stack, and what is said about each."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_in_words(name: str) -> None:
    """Fifty thousand parts, a hundred thousand levels, huge numbers: a sentence with the file's name, in seconds."""
    text, words = HOSTILE[name]
    began = time.monotonic()
    with pytest.raises(AppError, match=words) as caught:
        study_file.parse(text, "study.toml")
    assert "study.toml" in caught.value.message
    assert caught.value.remedy
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", ["2 GB", "a pipe", "a device"])
def test_a_file_that_is_no_text_is_refused_unread(kind: str, tmp_path: Path) -> None:
    """Two gigabytes, a pipe that nobody writes to and an endless device end in words at once."""
    path = tmp_path / "study.toml"
    if kind == "2 GB":
        with path.open("wb") as file:
            file.truncate(2 << 30)
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    began = time.monotonic()
    with pytest.raises(AppError, match=r"study\.toml cannot be read .*(bytes|a device or a pipe)"):
        study_file.read(path)
    assert time.monotonic() - began < 1


def test_sentences_with_dots_are_no_keys() -> None:
    """A text of many words that are joined by dots and spaces is read as it is."""
    text = 'guidelines = "' + "See www.a.b.org. Then go on. And so on ... " * 50 + '"'
    assert len(parsed(text, "study.toml", "")["guidelines"]) > 2000
