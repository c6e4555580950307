"""The JSON form of rates and of performance on held-out clips, for `clipjury stats calibrate` and `cascade`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.filters.rates import Confusion
    from analysis.thresholds.cross_fitting import HeldOutResult


def rates_json(table: "Confusion", *, weighted: bool) -> dict[str, Any]:
    """Every rate with its value, standard error and interval; `sample_value` (unweighted) where weights differ."""
    from analysis.filters.rates import NAMES

    rates = {}
    for name in NAMES:
        estimate = getattr(table, name)
        rates[name] = {"value": estimate.value, "se": table.se[name]} | estimate.to_dict()
        if weighted:
            rates[name]["sample_value"] = table.sample_value(name)
    return rates


def table_json(table: "Confusion", *, weighted: bool, binary: bool) -> dict[str, Any]:
    """The cells of a confusion matrix (rated clips, and the pool clips that they stand for) and its rates."""
    names = ("tp", "fp", "fn", "tn")
    cells: dict[str, Any] = (
        {name: getattr(table, name) for name in names} if binary else dict(zip(names, table.counts, strict=True))
    )
    cells["weighted"] = dict(zip(names, table.weighted, strict=True))
    cells["max_weight_share"] = table.max_weight_share
    return cells | rates_json(table, weighted=weighted)


def held_out_json(held_out: "HeldOutResult | None", *, weighted: bool) -> dict[str, Any] | None:
    """Performance on held-out clips; None where there is none."""
    if held_out is None:
        return None
    return {"value": held_out.value, "splits": held_out.splits} | rates_json(held_out.table, weighted=weighted)
