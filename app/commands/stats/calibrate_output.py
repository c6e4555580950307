"""What `clipjury stats calibrate` prints: its JSON object, and the same figures as tables for a terminal."""

from dataclasses import asdict, dataclass
from typing import Any

from analysis.filters.roc import RocCurve
from analysis.thresholds.calibration import ChosenThreshold
from app.commands.stats import tables
from app.commands.stats.rate_json import held_out_json, table_json
from app.stats.calibration import Calibration, Interval, PrecisionGuarantee, RecallGuarantee
from app.stats.scores import ScoredSample

RATES = ("precision", "recall", "specificity", "f1", "mcc", "accuracy", "prevalence")


@dataclass(frozen=True)
class NoChoice:
    """An objective that no threshold can be chosen for, and why."""

    objective: str
    reason: str


@dataclass(frozen=True, eq=False)
class Answer:
    """Everything that the command prints; `at` is the threshold given beforehand."""

    score: str
    label: str
    rated: ScoredSample
    calibration: Calibration
    curve: RocCurve
    at: float | None
    choices: list[ChosenThreshold | NoChoice | PrecisionGuarantee | RecallGuarantee]


def to_json(answer: Answer) -> dict[str, Any]:
    """The JSON object of `--json`."""
    calibration, curve, at = answer.calibration, answer.curve, answer.at
    auc = curve.auc.to_dict()
    return {
        "score": answer.score,
        "label": answer.label,
        "direction": calibration.direction,
        "weighted": calibration.weighted,
        "counts": answer.rated.counts(),
        "notes": list(answer.rated.notes),
        "auc": auc | {"sample_value": calibration.unweighted_auc()} if calibration.weighted else auc,
        "at": None if at is None else {"threshold": at} | _table(calibration, at),
        "choices": [_choice(one, weighted=calibration.weighted) for one in answer.choices],
        "curve": [asdict(point) for point in calibration.points(curve)],
    }


def _table(calibration: Calibration, threshold: float) -> dict[str, Any]:
    return table_json(calibration.table(threshold), weighted=calibration.weighted, binary=calibration.binary)


def _choice(
    one: ChosenThreshold | NoChoice | PrecisionGuarantee | RecallGuarantee, *, weighted: bool
) -> dict[str, Any]:
    if isinstance(one, NoChoice):
        empty = dict.fromkeys(("threshold", "interval", "stability", "guarantee", "held_out"))
        return {"objective": one.objective, **empty, "undefined": one.reason}
    if isinstance(one, ChosenThreshold):
        return _best(one, weighted=weighted)
    if isinstance(one, PrecisionGuarantee):
        return _precision(one, weighted=weighted)
    return _recall(one)


def _best(choice: ChosenThreshold, *, weighted: bool) -> dict[str, Any]:
    return {
        "objective": str(choice.objective),
        "threshold": choice.threshold,
        "interval": [choice.gap_low, choice.gap_high],
        "stability": {"low": choice.stable_low, "high": choice.stable_high, "same_share": choice.same_share},
        "guarantee": None,
        "held_out": held_out_json(choice.held_out, weighted=weighted),
        "fitted_value": choice.value,
        "implied_cost": choice.implied_cost,
        "note": choice.note,
        "signature": choice.signature,
        "undefined": None,
    }


def _precision(one: PrecisionGuarantee, *, weighted: bool) -> dict[str, Any]:
    tests = one.tests
    guarantee: dict[str, Any] = {
        "target": tests.target,
        "confidence": tests.confidence,
        "method": tests.method,
        "approximate": tests.approximate,
        "start": one.start,
        "start_rule": tests.start_rule,
        "tested": len(tests.tests),
    }
    for step in [step for step in tests.tests if step.passed][-1:]:
        guarantee |= {"accepted": step.accepted, "false_accepts": step.false_accepts, "p": step.p}
    return {
        "objective": f"precision>={tests.target:g}",
        "threshold": one.threshold,
        "interval": _interval(one.interval),
        "stability": None if one.stability is None else asdict(one.stability),
        "held_out": held_out_json(one.held_out, weighted=weighted),
        **_guarantee(guarantee, one.undefined),
    }


def _recall(one: RecallGuarantee) -> dict[str, Any]:
    found = one.found
    guarantee = {
        "target": found.target,
        "kind": found.guarantee,
        "confidence": found.confidence,
        "method": "conformal-risk-control" if found.confidence is None else "binomial-order-statistic",
        "approximate": found.approximate,
        "good": found.good,
        "lost": found.lost,
    }
    return {
        "objective": f"recall>={found.target:g}",
        "threshold": one.threshold,
        "interval": _interval(one.interval),
        "stability": None,
        "held_out": None,
        **_guarantee(guarantee, one.undefined),
    }


def _interval(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else list(interval)


def _guarantee(guarantee: dict[str, Any], undefined: str | None) -> dict[str, Any]:
    """The guarantee, or what was tried and the reason why it failed."""
    return {
        "guarantee": None if undefined else guarantee,
        "tried": guarantee if undefined else None,
        "undefined": undefined,
    }


def show(answer: Answer) -> None:
    """Print the same figures as tables."""
    from rich.markup import escape

    content, out = to_json(answer), tables.console()
    counts = content["counts"]
    out.print(f"{counts['used']} of {counts['rows']} clips have a label and a score.", soft_wrap=True)
    for note in content["notes"]:
        out.print(escape(note), soft_wrap=True)
    out.print(f"AUC {tables.shown(content['auc'])}; {escape(content['auc']['method'])}", soft_wrap=True)
    columns = [] if content["at"] is None else [(f"at {content['at']['threshold']:g}", content["at"])]
    columns += [(f"held out, {one['objective']}", one["held_out"]) for one in content["choices"] if one["held_out"]]
    if columns:
        grid = tables.grid("", *(title for title, _ in columns))
        for name in RATES:
            grid.add_row(name, *(tables.shown(rates[name]) for _, rates in columns))
        out.print(grid)
    for one in content["choices"]:
        out.print(escape(_sentence(one)), soft_wrap=True)


def _sentence(choice: dict[str, Any]) -> str:
    name = choice["objective"]
    if choice["threshold"] is None:
        return f"{name}: no threshold. {choice['undefined']}"
    low, high = ("–" if end is None else f"{end:.6g}" for end in choice["interval"])
    sentence = f"{name}: threshold {choice['threshold']:.6g} (the same rated clips between {low} and {high})"
    guarantee = choice["guarantee"]
    if guarantee is None:
        stable = choice["stability"]
        return f"{sentence}; over resamples {stable['low']:.6g} to {stable['high']:.6g}. {choice['note']}"
    kind = "approximate" if guarantee["approximate"] else "exact"
    sure = "on average" if guarantee["confidence"] is None else f"with confidence {guarantee['confidence']:g}"
    return f"{sentence}; promised {sure}, {guarantee['method']} ({kind})."
