"""Tests of `Estimate`: undefined values carry a reason, numbers pass through JSON, signatures name versions."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.estimate import Estimate, absent, signature

WHOLE = Estimate("precision", 0.9, 0.8, 0.95, 0.95, 60, 3, 180, "Wilson", "precision|seed:0")


def test_an_estimate_passes_through_json() -> None:
    """Numbers from numpy and missing ends pass through strict JSON and come back equal."""
    made = replace(WHOLE, value=np.float64(0.5), low=None, high=None, clips=np.int64(7))  # type: ignore[arg-type]  # numpy integer on purpose
    again = Estimate(**json.loads(json.dumps(made.to_dict(), allow_nan=False)))
    assert again == made
    nothing = absent("recall", "no rated clip is good", signature="", confidence=0.95, clips=0)
    assert json.loads(json.dumps(nothing.to_dict(), allow_nan=False))["value"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": None}, "either a value or the reason"),
        ({"undefined": "no clips"}, "either a value or the reason"),
        ({"value": float("nan")}, "not finite"),
        ({"low": 0.96}, "upside down"),
        ({"confidence": 95.0}, "between 0 and 1"),
    ],
)
def test_contradictory_estimates_are_refused(changes: dict[str, object], message: str) -> None:
    """An estimate cannot be NaN, lack a reason for a missing value, or have its ends in the wrong order."""
    with pytest.raises(ValueError, match=message):
        replace(WHOLE, **changes)  # type: ignore[arg-type]  # the cases mix argument types on purpose


def test_a_signature_names_settings_and_versions() -> None:
    """The signature holds every given setting and the versions that could change the number."""
    parts = signature("alpha", metric="nominal", seed=4, groups=None).split("|")
    assert parts[:3] == ["alpha", "metric:nominal", "seed:4"]
    assert f"numpy:{np.__version__}" in parts
    assert not any(part.startswith("groups") for part in parts)
