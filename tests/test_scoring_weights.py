"""Model files: the user's folder first, and never a file of another hash."""

import shutil
from pathlib import Path

import pytest

from scoring.runners import score_files
from scoring.weights import VENDORED, YUNET, Weight, WeightsError, load

README = VENDORED / "README.md"


def test_the_readme_names_every_vendored_file_with_its_hash() -> None:
    """Name, sha256 and licence stand in the README; no file lies there that it does not name."""
    text = README.read_text(encoding="utf-8")
    for word in (YUNET.file, YUNET.sha256, YUNET.licence):
        assert word in text
    for path in VENDORED.iterdir():
        assert path == README or path.name in text


def test_the_users_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that only the user has is found in CLIPJURY_WEIGHTS; one that he lacks is taken from the product."""
    own = Weight("own.onnx", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "mine", "me")
    (tmp_path / "own.onnx").write_bytes(b"test")
    monkeypatch.setenv("CLIPJURY_WEIGHTS", str(tmp_path))
    assert load(own) == b"test"
    assert load(YUNET) == (VENDORED / YUNET.file).read_bytes()


def test_a_wrong_file_is_refused_and_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed byte in the user's folder stops the run before the first clip; the message names file and remedy."""
    shutil.copy(VENDORED / YUNET.file, tmp_path)
    with (tmp_path / YUNET.file).open("ab") as file:
        file.write(b"!")
    monkeypatch.setenv("CLIPJURY_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=rf"{YUNET.file} is not the expected model.*or remove it"):
        list(score_files([]))


def test_a_missing_file_is_named_with_the_places_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what is missing, where it was looked for, and where to put it."""
    monkeypatch.setenv("CLIPJURY_WEIGHTS", str(tmp_path))
    missing = Weight("dover.onnx", "0" * 64, "?", "its authors")
    with pytest.raises(WeightsError, match=f"dover.onnx is missing.*{tmp_path}.*CLIPJURY_WEIGHTS"):
        load(missing)
