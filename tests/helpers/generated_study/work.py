"""Who gets which clip of a generated study, in which order and when: one row per assignment."""

import numpy as np
import polars as pl

from tests.helpers.generated_study.options import Options

SECONDS, CARELESS_SECONDS = 13.0, 2.5
"""Median time of an answer."""
BETWEEN = 1.0
"""Seconds from one clip to the next."""
SITTING, PAUSE = 40, 3 * 3600.0
"""Answers of a sitting, and seconds between two sittings."""
AT_WORK = 3
"""Raters whose last answer is minutes old."""
HELD = 3
"""Clips that a rater at work has before them."""
REPEATED = 0.05
NEVER = -1
"""No rater, or no clip that is repeated."""
WITHDREW_DOES = 0.3
"""Share of the others' work that the rater who withdrew has done."""
SCHEMA: dict[str, type[pl.DataType]] = {
    "clip": pl.Int64,
    "rater": pl.Int64,
    "place": pl.Int64,
    "purpose": pl.String,
    "occasion": pl.Int64,
    "status": pl.String,
    "reason": pl.String,
    "turn": pl.Float64,
    "original": pl.Int64,
}
"""`clip` and `rater` count from 0, gold clips after the sample's; `turn` orders a rater's work; `original` is the row
that a repeat repeats; `reason` is why a clip was skipped.
"""


def assignments(options: Options, gold: int) -> pl.DataFrame:
    """Every assignment (`SCHEMA`), with `answered` (seconds before the study's newest moment) and `seconds` taken.

    Columns beside those: `rank`, the place in the rater's own order. Rows without a rater are open places.
    """
    chance = np.random.default_rng([options.seed, 4])
    ranked = _ranked(options, chance)
    parts = [_done(ranked, options, chance)]
    if options.raters:
        parts[0] = _busy(parts[0], options)
        parts += [_reopened(parts[0]), _spare(ranked, options, chance), _gold(options, gold, chance)]
    parts.append(_open(options))
    whole = pl.concat(parts)
    whole = pl.concat([whole, _repeats(whole, chance)]).with_row_index("row")
    return _timed(whole, options, chance)


def _ranked(options: Options, chance: np.random.Generator) -> np.ndarray:
    """The raters of each clip in random order, shape (clips, raters); the one who withdrew comes late."""
    rate = np.ones(options.raters)
    if options.withdrew is not None:
        rate[options.withdrew] = WITHDREW_DOES
    return np.argsort(chance.exponential(size=(options.clips, options.raters)) / rate, axis=1)


def _rows(clip: np.ndarray, rater: np.ndarray, **more: np.ndarray | str | int) -> pl.DataFrame:
    """Rows with what they have in common filled in."""
    columns: dict[str, np.ndarray | str | int | float] = {"clip": clip, "rater": rater, "turn": 2.0, "original": NEVER}
    columns |= {"place": -1, "purpose": "sample", "occasion": 0, "status": "done", "reason": ""}
    columns |= more
    return pl.DataFrame([pl.Series(name, np.broadcast_to(columns[name], len(clip)), SCHEMA[name]) for name in SCHEMA])


def _done(ranked: np.ndarray, options: Options, chance: np.random.Generator) -> pl.DataFrame:
    count = options.answered
    clips = np.repeat(np.arange(options.clips), count)
    return _rows(
        clips,
        ranked[:, :count].ravel(),
        place=np.tile(np.arange(count), options.clips),
        turn=chance.random(len(clips)),
    )


def _busy(done: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Take some answers away: raters at work hold clips, one holds a clip for too long, one returned the study."""
    last = pl.col("turn").rank("ordinal", descending=True).over("rater")
    holds = (pl.col("rater") < AT_WORK - 1) & (last <= HELD)
    late = (pl.col("rater") == AT_WORK) & (last == 1)
    gave = (pl.col("rater") == (NEVER if options.withdrew is None else options.withdrew)) & (last <= HELD)
    return done.with_columns(
        status=pl.when(holds)
        .then(pl.lit("held"))
        .when(late)
        .then(pl.lit("overdue"))
        .when(gave)
        .then(pl.lit("skipped"))
        .otherwise("status"),
        reason=pl.when(gave).then(pl.lit("returned")).otherwise("reason"),
        turn=pl.when(holds | late | gave).then(2.0 + pl.col("turn")).otherwise("turn"),
    )


def _reopened(done: pl.DataFrame) -> pl.DataFrame:
    """The open places that stand in for those given back."""
    gone = done.filter(pl.col("status") == "skipped")
    return gone.with_columns(rater=pl.lit(NEVER, pl.Int64), status=pl.lit("open"), reason=pl.lit(""))


def _spare(ranked: np.ndarray, options: Options, chance: np.random.Generator) -> pl.DataFrame:
    """Places that a further rater had before: expired, answered too late, or skipped; other raters answered them."""
    count = options.answered
    if options.raters <= count:
        return pl.DataFrame(schema=SCHEMA)
    clips = chance.permutation(options.clips)[: max(12, options.clips // 15)]
    status = chance.permutation(np.resize(["expired", "skipped", "expired", "skipped", "surplus"], len(clips)))
    reasons = np.resize(["cannot_play", "other", "cannot_play", "wrong_content", "distressing"], len(clips))
    return _rows(
        clips,
        ranked[clips, count],
        place=chance.integers(0, count, len(clips)),
        status=status,
        reason=np.where(status == "skipped", reasons, ""),
        turn=chance.random(len(clips)),
    )


def _gold(options: Options, gold: int, chance: np.random.Generator) -> pl.DataFrame:
    """Everybody gets every gold clip once; the rater who withdrew got none."""
    raters = np.array([one for one in range(options.raters) if one != options.withdrew])
    clips = options.clips + np.tile(np.arange(gold), len(raters))
    return _rows(clips, np.repeat(raters, gold), purpose="gold", turn=chance.random(len(clips)))


def _open(options: Options) -> pl.DataFrame:
    """Places that nobody has had."""
    first, last = options.answered, options.answers + options.open_places
    free = last - first
    return _rows(
        np.repeat(np.arange(options.clips), free),
        np.full(options.clips * free, NEVER),
        place=np.tile(np.arange(first, last), options.clips),
        status="open",
    )


def _repeats(whole: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Some early clips come again to the same rater, half of the rater's work later."""
    rows = whole.with_row_index("row").filter(
        (pl.col("status") == "done") & (pl.col("purpose") == "sample") & (pl.col("turn") < 0.45)
    )
    rows = rows.filter(pl.Series(chance.random(rows.height) < REPEATED / 0.45, dtype=pl.Boolean))
    return rows.with_columns(
        purpose=pl.lit("repeat"),
        occasion=pl.lit(1, pl.Int64),
        place=pl.lit(-1, pl.Int64),
        original=pl.col("row").cast(pl.Int64),
        turn=pl.col("turn") + 0.5,
    ).select(list(SCHEMA))


def _timed(whole: pl.DataFrame, options: Options, chance: np.random.Generator) -> pl.DataFrame:
    """Add each row's place in its rater's order and when it was answered."""
    median = np.full(options.raters + 1, SECONDS)
    if options.careless is not None:
        median[options.careless] = CARELESS_SECONDS
    taken = np.round(np.exp(chance.normal(0, 0.35, whole.height)) * median[whole["rater"].to_numpy()], 1)
    frame = whole.with_columns(seconds=pl.Series(taken)).sort("rater", "turn", "row")
    rank = pl.int_range(pl.len()).over("rater")
    frame = frame.with_columns(rank=rank)
    gap = pl.when((pl.col("rank") > 0) & (pl.col("rank") % SITTING == 0)).then(PAUSE).otherwise(0.0)
    frame = frame.with_columns(at=(pl.col("seconds") + BETWEEN + gap).cum_sum().over("rater"))
    before = np.append(_since_last(options), 0.0)
    ago = pl.col("at").max().over("rater") - pl.col("at") + pl.Series(before[frame["rater"].to_numpy()])
    return frame.with_columns(ago=ago).sort("row").drop("at", "row")


def _since_last(options: Options) -> np.ndarray:
    """Seconds since each rater's last answer: minutes for those at work, hours or days for the others."""
    place = np.arange(options.raters)
    since = np.where(place < AT_WORK, 60.0 + 120 * place, 3600.0 * (2 + 5 * place))
    for special in (options.careless, options.withdrew):
        if special is not None:
            since[special] = 3 * 86400.0
    return np.asarray(since)
