"""`clipjury stats cascade`: joint thresholds with a guarantee from held-out clips, and the effect of each filter."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from app.commands.stats.cascade import cascade
from app.errors import AppError

COMMAND = typer.Typer()
COMMAND.command()(cascade)


def write(path: Path, clips: int = 1200) -> Path:
    """Write three filters: two detect one defect each (b with its sign changed), the third detects none."""
    generator = np.random.default_rng(5)
    defects = generator.random((clips, 2)) < 0.25
    seen = ~defects + 0.25 * generator.normal(size=(clips, 2))
    good = ~defects.any(axis=1) ^ (generator.random(clips) < 0.03)
    noise = generator.random(clips)
    lines = ["clip,a,b,c,good,weight"]
    lines += [
        f"k{row},{seen[row, 0]:.5f},{-seen[row, 1]:.5f},{noise[row]:.5f},{int(good[row])},{1 + row % 2}"
        for row in range(clips)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def printed_json(*arguments: object) -> dict[str, Any]:
    """The JSON object of the command, parsed strictly."""
    result = CliRunner().invoke(COMMAND, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output, parse_constant=lambda name: pytest.fail(f"JSON holds {name}"))
    return found


def test_a_cascade_with_a_guarantee(tmp_path: Path) -> None:
    """Both useful filters get a threshold near 0.5 and unique rejects; yield and precision are from held-out clips."""
    path = write(tmp_path / "rated.csv")
    options = ("--filters", "a,b:le,c", "--label", "good", "--target-precision", 0.85)
    found = printed_json(path, *options)
    assert set(found["thresholds"]) == {"a", "b", "c"}
    assert 0.1 < found["thresholds"]["a"] < 0.9
    assert -0.9 < found["thresholds"]["b"] < -0.1, "given in the score's own sign"
    assert found["guarantee"]["method"] == "exact"
    assert found["judged_on"] == "the half that had no say"
    assert found["precision"]["value"] > 0.85
    assert found["precision"]["clips"] < 600
    assert found["yield"]["value"] > 0.7
    rows = {row["name"]: row for row in found["filters"]}
    for name in ("a", "b"):
        assert rows[name]["unique"] > 100
        assert rows[name]["precision_change"] < -0.1
        assert rows[name]["unique_good"] < 0.3
    assert abs(rows["c"]["yield_change"]) < 0.2
    weighted = printed_json(path, *options, "--weight", "weight")
    assert weighted["weighted"]
    assert "sample_value" in weighted["precision"]


def test_without_a_guarantee_there_is_a_reason(tmp_path: Path) -> None:
    """With too few clips it has thresholds judged on held-out halves, and the reason for no guarantee."""
    path = write(tmp_path / "rated.csv", clips=120)
    found = printed_json(
        path, "--filters", "a,b:le", "--label", "good", "--target-precision", 0.9, "--confidence", 0.99
    )
    assert found["guarantee"] is None
    assert "not enough to guarantee" in found["no_guarantee"]
    assert found["judged_on"] in ("held-out halves", None)
    assert found["fitted"]["precision"] >= 0.9


def test_a_cascade_for_the_terminal(tmp_path: Path) -> None:
    """Without --json it prints a row for each filter, and the guarantee."""
    path = write(tmp_path / "rated.csv")
    options = ["--filters", "a,b:le", "--label", "good", "--target-precision", "0.8"]
    result = CliRunner().invoke(COMMAND, [str(path), *options], catch_exceptions=False)
    assert result.exit_code == 0
    for words in ("good among those", "yield 0.", "Promised: precision >= 0.8 with confidence 0.95, exact"):
        assert words in result.output


@pytest.mark.parametrize(
    ("filters", "target", "message"),
    [
        ("a,,b", "0.8", "is no list of columns"),
        ("a,a", "0.8", "is no list of columns"),
        ("a,d", "0.8", "no column 'd'"),
        ("a", "1.5", "--target-precision 1.5 is not possible"),
        ("c", "0.99", "no thresholds of these filters reach"),
    ],
)
def test_an_impossible_cascade_is_an_error(tmp_path: Path, filters: str, target: str, message: str) -> None:
    """Unknown or repeated columns and impossible targets are errors."""
    path = write(tmp_path / "rated.csv")
    options = ["--filters", filters, "--label", "good", "--target-precision", target]
    with pytest.raises(AppError, match=message):
        CliRunner().invoke(COMMAND, [str(path), *options], catch_exceptions=False)
