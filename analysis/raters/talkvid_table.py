"""TalkVid's table of human validation, rebuilt from votes and filter verdicts, and a check of the printed figures.

The table (arXiv 2508.13618, section on human validation) has two raters per filter: raw agreement and Cohen's kappa
over all clips, then accuracy, precision, recall and F1 of the filter on the clips on which both raters agree. Clips
with split votes are dropped.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.agreement.kappas import pair_estimate, pairs
from analysis.agreement.statistics import percent_agreement
from analysis.estimate import Estimate, signature
from analysis.filters.rates import Confusion, confusion
from analysis.proportions import wilson
from analysis.ratings import VERDICT, Ratings

COLUMNS = ("agreement", "kappa", "accuracy", "precision", "recall", "f1")
"""The printed columns; kappa as a coefficient, the others in percent."""
MEAN_ROWS = ("mean", "average", "avg", "overall", "all")


@dataclass(frozen=True)
class TalkvidRow:
    """The row of one filter; shares lie between 0 and 1.

    `agreement` and `kappa` compare the two raters on all their clips. Everything else is about the `clips` on which
    the filter has a verdict: `table` holds its rates on those on which both raters agree, `split` counts the others.
    `published` holds the six columns as printed. `kappa_high` is the largest kappa that this agreement on this number
    of clips allows. `accuracy_split_wrong` counts every split clip as an error of the filter and `accuracy_split_half`
    as half an error, the two other rules a reader may assume.
    """

    name: str
    clips: int
    split: int
    published: dict[str, float | None]
    table: Confusion
    agreement: Estimate
    kappa: Estimate
    kappa_high: float
    accuracy_split_wrong: Estimate
    accuracy_split_half: float

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """The cells (tp, fp, fn, tn) of the clips on which both raters agree."""
        return self.table.tp, self.table.fp, self.table.fn, self.table.tn


def talkvid_row(
    name: str,
    accepted: Sequence[bool | None],
    first: Sequence[bool],
    second: Sequence[bool],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> TalkvidRow:
    """The row of one filter, from its verdict and those of the two raters on every clip (True accepts).

    Clips on which the filter has no verdict (None) count for the agreement of the raters only. Raw agreement and kappa
    have the intervals of `percent_agreement` and `pair_estimate`; only the former resamples. Raises ValueError if
    lengths differ or the filter has no verdict at all.

    >>> made = talkvid_row("sharp", [1, 1, 0, 0], [1, 1, 0, 1], [1, 0, 0, 1])
    >>> made.cells, made.split, round(made.published["precision"], 2), made.accuracy_split_half
    ((1, 0, 1, 1), 1, 100.0, 0.625)
    """
    one, two = (np.asarray(votes, dtype=np.bool_) for votes in (first, second))
    told = np.array([verdict is not None for verdict in accepted], dtype=np.bool_)
    if not len(told) == len(one) == len(two) or not told.any():
        raise ValueError(f"{name}: {told.sum()} verdicts and {len(one)} and {len(two)} votes are not one per clip")
    same = one == two
    n, agreed = int(told.sum()), int((told & same).sum())
    verdict = np.array([bool(given) for given in accepted], dtype=np.bool_)
    table = confusion(verdict[told & same], one[told & same], confidence=confidence)
    right = table.tp + table.tn
    ratings = _ratings(one, two)
    kappa = pair_estimate("cohen_kappa", pairs(ratings)[0], ratings, confidence=confidence)
    printed = {
        "agreement": 100 * float(same.mean()),
        "kappa": kappa.value,
        **{
            column: None if (found := getattr(table, column).value) is None else 100 * found
            for column in ("accuracy", "precision", "recall", "f1")
        },
    }
    return TalkvidRow(
        name=name,
        clips=n,
        split=n - agreed,
        published=printed,
        table=table,
        agreement=percent_agreement(ratings, resamples=resamples, seed=seed, confidence=confidence),
        kappa=kappa,
        kappa_high=highest_kappa(int(same.sum()), len(same)),
        accuracy_split_wrong=_share("accuracy_split_wrong", right, n, confidence),
        accuracy_split_half=(right + (n - agreed) / 2) / n,
    )


def highest_kappa(agreed: int, clips: int) -> float:
    """The largest possible Cohen's kappa of two raters who agree on `agreed` of `clips` clips, with two answers.

    Chance agreement is smallest if the agreed clips are halved between the answers and all split votes go one way.

    >>> round(highest_kappa(94, 100), 4)
    0.8804
    """
    split, half = clips - agreed, agreed // 2
    yes = (half + split) / clips, half / clips
    chance = yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1])
    # With a single clip there is one answer only: kappa is undefined and has no bound.
    return (agreed / clips - chance) / (1 - chance) if chance < 1 else 1.0


def contradictions(rows: Sequence[TalkvidRow], published: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Printed figures that no data can produce, one sentence for each.

    `published` maps a filter's name (or `mean`) to its printed columns, named as in `COLUMNS`. An agreement is
    impossible if no whole number of clips gives it; a kappa if it exceeds what the printed agreement allows or lies
    below -1; the rates of a row if no table of whole counts gives all of them, rounded as printed; a mean if it is
    not the mean of the printed rows, up to rounding. Figures are assumed to be rounded to the largest number of
    decimals that any percentage (or any kappa) of the rows shows, because numbers keep no trailing zeros.
    """
    found = []
    by_name = {one.name: one for one in rows}
    of_rows = {name: printed for name, printed in published.items() if name.lower() not in MEAN_ROWS}
    slack = _slack(of_rows.values())
    for name, printed in published.items():
        if name not in of_rows:
            found += _wrong_means(name, printed, of_rows.values())
        elif name in by_name:
            found += _wrong_row(by_name[name], printed, slack)
        else:
            found.append(f"{name}: printed, but the votes have no such filter")
    return found


def _slack(rows: Collection[Mapping[str, float]]) -> dict[str, float]:
    """By how much a printed figure of each column may differ from the exact one because of rounding."""
    of_kappa, of_shares = [0], [0]
    for row in rows:
        for column, value in row.items():
            (of_kappa if column == "kappa" else of_shares).append(_decimals(value))
    return {name: 0.5 * 10.0 ** -max(of_kappa if name == "kappa" else of_shares) + 1e-9 for name in COLUMNS}


def _wrong_row(one: TalkvidRow, printed: Mapping[str, float], slack: Mapping[str, float]) -> list[str]:
    said = []
    if "agreement" in printed:
        clips = one.agreement.clips
        agreed = min(max(round(printed["agreement"] * clips / 100), 0), clips)
        if abs(100 * agreed / clips - printed["agreement"]) > slack["agreement"]:
            said.append(f"{one.name}: no whole number of {clips} clips is {printed['agreement']:g} % of them")
        elif "kappa" in printed and printed["kappa"] > (most := highest_kappa(agreed, clips)) + slack["kappa"]:
            said.append(
                f"{one.name}: a kappa of {printed['kappa']:g} is impossible at {printed['agreement']:g} % agreement on "
                f"{clips} clips; the highest is {most:.4f}"
            )
    if printed.get("kappa", 0) < -1 or printed.get("kappa", 0) > 1:
        said.append(f"{one.name}: a kappa of {printed['kappa']:g} is impossible: kappas lie between -1 and 1")
    rates = {column: printed[column] for column in ("accuracy", "precision", "recall", "f1") if column in printed}
    agreed = one.clips - one.split
    if rates and not _some_table(rates, agreed, slack["accuracy"]):
        shown = ", ".join(f"{column} {value:g} %" for column, value in rates.items())
        said.append(f"{one.name}: no whole counts of {agreed} agreed clips give {shown} together")
    return said


def _some_table(rates: Mapping[str, float], clips: int, slack: float) -> bool:
    """Whether some whole counts tp, fp, fn, tn that sum to `clips` give all these rates, up to rounding."""
    tp, fp, fn = np.meshgrid(*[np.arange(clips + 1)] * 3, indexing="ij", sparse=True)
    tn = clips - tp - fp - fn
    fits = tn >= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "accuracy": (tp + tn) / clips + 0 * fn,
            "precision": tp / (tp + fp) + 0 * fn,
            "recall": tp / (tp + fn) + 0 * fp,
            "f1": 2 * tp / (2 * tp + fp + fn),
        }
    for column, value in rates.items():
        fits = fits & (np.abs(100 * values[column] - value) <= slack)
    return bool(fits.any())


def _wrong_means(name: str, printed: Mapping[str, float], rows: Collection[Mapping[str, float]]) -> list[str]:
    said = []
    own, of_rows = _slack([printed]), _slack(rows)
    for column, value in printed.items():
        numbers = [row[column] for row in rows if column in row]
        if not numbers:
            continue
        mean = float(np.mean(numbers))
        if abs(mean - value) > own[column] + of_rows[column]:
            unit = "" if column == "kappa" else " %"
            said.append(
                f"{name}: {column} {value:g}{unit} is not the mean of the {len(numbers)} printed rows, {mean:.2f}{unit}"
            )
    return said


def _decimals(value: float) -> int:
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])


def _share(name: str, count: int, n: int, confidence: float) -> Estimate:
    low, high = wilson(count, n, confidence)
    made = signature(name, ("scipy",), confidence=confidence)
    return Estimate(name, count / n, low, high, confidence, n, 2, 2 * n, "Wilson", made)


def _ratings(first: np.ndarray, second: np.ndarray) -> Ratings:
    clips = [str(number) for number in range(len(first))]
    values = [VERDICT.levels[int(vote)] for vote in (*first, *second)]
    return Ratings.from_votes(clips * 2, ["first"] * len(clips) + ["second"] * len(clips), values, VERDICT)
