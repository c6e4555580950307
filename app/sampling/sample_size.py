"""Sample size planning for `clipjury plan`: clips, raters and minutes for a wanted precision of an estimate."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from scipy.stats import norm

from analysis.sampling import alpha_sample_size, sample_size
from analysis.sampling.alpha_sample_size import VotePatterns
from analysis.sampling.sample_size import Interval
from app.errors import AppError
from app.sampling.sample_size_pilots import Pilot

Target = Literal["precision", "recall", "prevalence", "alpha", "mos", "mean_mos"]
FACTORS = (0.5, 1.0, 2.0)
PANELS = (1, 2, 3, 5)
"""Numbers of raters per clip in tables of study sizes, in addition to the assumed number."""
MOS_PANELS = (5, 10, 15, 20, 30)
TINY = 1e-300
"""Stands for a square that became 0."""


@dataclass(frozen=True)
class Assumptions:
    """Assumptions of a plan where there is no pilot; shares are 0 to 1, `seconds` is the time per judgment."""

    confidence: float = 0.95
    p: float | None = None
    good_share: float | None = None
    agreement: float | None = None
    sd: float = 0.7
    clip_sd: float = 0.8
    raters: int = 3
    clips: int = 1
    pool_size: int | None = None
    clips_per_source: float | None = None
    icc: float | None = None
    interval: Interval = "wilson"
    seconds: float = 11.0
    power: float = 0.8
    seed: int = 0


@dataclass(frozen=True)
class StudySize:
    """One size of study: the half-width it gives, or for a claim the bad clips allowed and the chance of success."""

    clips: int
    raters: int
    judgments: int
    minutes: float
    half_width: float | None = None
    bad_allowed: int | None = None
    chance: float | None = None


@dataclass(frozen=True)
class SampleSizePlan:
    """The plan for one target: `chosen` reaches it, `trades` are other sizes, `notes` name the assumptions."""

    target: str
    wanted: float
    answer: str
    chosen: StudySize
    trades: list[StudySize]
    notes: list[str] = field(default_factory=list)


def plan(target: Target, half_width: float, guesses: Assumptions, pilot: Pilot | None = None) -> SampleSizePlan:
    """Plan a study for a half-width. Raises AppError, with a remedy, if no size reaches it."""
    makers: dict[Target, Callable[[float, Assumptions, Pilot | None], SampleSizePlan]] = {"alpha": _alpha, "mos": _mos}
    makers["mean_mos"] = _mean_mos
    try:
        if target in makers:
            return makers[target](half_width, guesses, pilot)
        return _rate(target, half_width, guesses, pilot)
    except ValueError as error:
        raise AppError(
            f"The wish for {target} cannot be fulfilled: {error}.", "Change the wish or the guess."
        ) from error


def claim(target: float, guesses: Assumptions, pilot: Pilot | None = None) -> SampleSizePlan:
    """Plan a study to show "precision >= target": sizes for 0 to 5 bad clips, and the size for the assumed precision.

    Raises AppError if the assumed precision does not exceed the target, or if the pool is too small.
    """
    notes = ["Fix the threshold and the number of clips before rating; count a clip without consensus as bad."]
    p = guesses.p
    if pilot is not None and p is None:
        p, _, more = pilot.rate("precision")
        notes += [*more, f"Precision in the pilot: {p:.3g}."]
    if _effect(guesses, pilot)[0] > 1:
        notes.append("The claim holds for clips drawn one by one: take one clip per source.")
    try:
        sizes = [(sample_size.claim_size(target, guesses.confidence, bad), bad) for bad in range(6)]
        if p is None:
            best = sizes[0]
            notes.append("Give a guess of the precision with --p to see the chance that the claim succeeds.")
        else:
            best = sample_size.claim_plan(target, p, confidence=guesses.confidence, power=guesses.power)
    except ValueError as error:
        raise AppError(f"The claim cannot be proved: {error}.", "Claim less, or improve the filter.") from error
    if guesses.pool_size is not None and guesses.pool_size < best[0]:
        raise AppError(
            f"The claim takes {best[0]} accepted clips, and the pool has {guesses.pool_size}.",
            "Rate all of them: then the precision is known, and no claim is needed.",
        )
    rows = [
        _trade(
            size,
            guesses.raters,
            guesses,
            bad_allowed=bad,
            chance=None if p is None else sample_size.claim_chance(p, size, bad),
        )
        for size, bad in sorted({*sizes, best})
    ]
    chosen = next(row for row in rows if row.bad_allowed == best[1])
    chance = "" if chosen.chance is None else f"; if it is {p:.3g}, this succeeds with a chance of {chosen.chance:.0%}"
    answer = (
        f"Rate {chosen.clips} accepted clips: with {best[1]} bad ones or fewer, precision is at least {target:g} "
        f"with {guesses.confidence:.0%} confidence{chance}; {_effort(chosen)}."
    )
    return SampleSizePlan("claim", target, answer, chosen, rows, notes)


def _rate(target: str, wanted: float, guesses: Assumptions, pilot: Pilot | None) -> SampleSizePlan:
    effect, notes = _effect(guesses, pilot)
    agreement = 1.0
    if pilot is not None and guesses.p is None:
        p, from_pilot, more = pilot.rate(target)
        notes += [*more, f"From the pilot: {target} {p:.3g}, design effect {from_pilot:.3g} before sources."]
        effect *= from_pilot
    else:
        p = 0.5 if guesses.p is None else guesses.p
        notes.append(f"Guess: {target} {p:g}" + (", the worst case." if guesses.p is None else "."))
        if target == "recall":
            if guesses.good_share is None or not 0 < guesses.good_share <= 1:
                raise ValueError("only good clips tell of recall; guess their share in the pool with --good-share")
            effect /= guesses.good_share
        elif guesses.agreement is not None:
            agreement = guesses.agreement
            notes.append("The rate is the mean share of votes, so further raters help a little.")
    if agreement == 1.0:
        notes.append(
            "The rate counts verdicts by consensus: further raters make them truer, not the interval narrower."
        )

    def found(clips: int, raters: int) -> float:
        whole = effect * sample_size.rater_effect(agreement, raters)
        return sample_size.half_width(
            p,
            clips,
            interval=guesses.interval,
            confidence=guesses.confidence,
            design_effect=whole,
            pool=guesses.pool_size,
        )

    clips = sample_size.size_for(
        p,
        wanted,
        interval=guesses.interval,
        confidence=guesses.confidence,
        design_effect=effect * sample_size.rater_effect(agreement, guesses.raters),
        pool=guesses.pool_size,
    )
    kind = "accepted clips" if target == "precision" and (pilot is None or guesses.p is not None) else "clips"
    return _answered(target, wanted, clips, found, PANELS, guesses, notes, kind)


def _alpha(wanted: float, guesses: Assumptions, pilot: Pilot | None) -> SampleSizePlan:
    effect, notes = _effect(guesses, pilot)
    ratings = None if pilot is None else pilot.ratings()
    most = 5 if ratings is None else int(ratings.votes.max(initial=0))
    raters = max(2, guesses.raters if ratings is None else min(guesses.raters, most))

    def votes(count: int) -> VotePatterns:
        if ratings is not None:
            return alpha_sample_size.pilot_votes(ratings, count)
        if guesses.agreement is None:
            raise ValueError("alpha needs a pilot with --pilot, or a guess of it with --agreement")
        return alpha_sample_size.guessed_votes(guesses.p or 0.5, guesses.agreement, count)

    def found(clips: int, count: int) -> float | None:
        alone = max(2, round(clips / effect))
        try:
            return alpha_sample_size.alpha_half_width(
                votes(count), alone, confidence=guesses.confidence, seed=guesses.seed
            )
        except ValueError:  # with so few clips alpha is undefined in most samples
            return None

    clips, _ = alpha_sample_size.alpha_size(votes(raters), wanted, confidence=guesses.confidence, seed=guesses.seed)
    clips = math.ceil(clips * effect)
    source = f"{guesses.p or 0.5:g} accepted" if ratings is None else f"votes of {len(ratings.clips)} pilot clips"
    notes.append(f"Alpha {votes(raters).alpha:.3g}, {source}; simulated with seed {guesses.seed}.")
    if guesses.raters > raters:
        notes.append(f"The pilot has {raters} raters a clip at most: it cannot tell how more would agree.")
    _refuse_beyond_pool(clips, guesses)
    panels = tuple(count for count in (2, 3, 4, 5) if count <= most)
    return _answered("alpha", wanted, clips, found, panels, guesses, notes, "clips", raters)


def _mos(wanted: float, guesses: Assumptions, pilot: Pilot | None) -> SampleSizePlan:
    sd = guesses.sd if pilot is None else math.sqrt(pilot.opinions().within)
    known, unknown = (
        sample_size.mos_raters(sd, wanted, known=known, confidence=guesses.confidence) for known in (True, False)
    )
    notes = [f"Standard deviation of raters on one clip: {sd:.3g} points."]
    notes.append(f"With that taken as known (z instead of t), {known} raters would do.")
    rows = [
        _trade(guesses.clips, m, guesses, sample_size.mos_half_width(sd, m, confidence=guesses.confidence))
        for m in sorted({*MOS_PANELS, known, unknown} - {1})
    ]
    chosen = next(row for row in rows if row.raters == unknown)
    answer = f"Let {unknown} raters judge each clip for a mean opinion score within ±{wanted:g}; {_effort(chosen)}."
    return SampleSizePlan("mos", wanted, answer, chosen, rows, notes)


def _mean_mos(wanted: float, guesses: Assumptions, pilot: Pilot | None) -> SampleSizePlan:
    effect, notes = _effect(guesses, pilot)
    spread = None if pilot is None else pilot.opinions()
    between = guesses.clip_sd**2 if spread is None else spread.between
    within = guesses.sd**2 if spread is None else spread.within
    notes.append(
        f"Standard deviation between clips {math.sqrt(between):.3g}, of raters on one {math.sqrt(within):.3g}."
    )
    z = float(norm.ppf((1 + guesses.confidence) / 2))
    share = 0.0 if guesses.pool_size is None else 1 / guesses.pool_size

    def found(clips: int, raters: int) -> float:
        whole = sample_size.mean_variance(between * effect * (1 - min(1.0, clips * share)), within, clips, raters)
        return z * math.sqrt(whole)

    if not 0 < wanted < 4:
        raise ValueError(f"a half-width of {wanted:g} points is not possible")
    # d^2 = z^2 (s2_clip (1 - n / N) + s2_err / m) / n, solved for n
    variance = between * effect + within / guesses.raters
    clips = sample_size.whole_size(z**2 * variance / max(wanted**2 + z**2 * between * effect * share, TINY))
    _refuse_beyond_pool(clips, guesses)
    return _answered("mean_mos", wanted, clips, found, PANELS, guesses, notes, "clips")


def _effect(guesses: Assumptions, pilot: Pilot | None) -> tuple[float, list[str]]:
    """Design effect of several clips per source, assumed or estimated from the pilot, and notes on it."""
    size, icc = guesses.clips_per_source, guesses.icc
    spread = None if pilot is None else pilot.sources()
    if spread is not None:
        size, icc = size or spread.size, spread.icc if icc is None else icc
    if size is None and icc is None:
        return 1.0, []
    if size is None or icc is None:
        raise AppError(
            "The effect of sources needs both their size and how alike their clips are.",
            "Give --clips-per-source and --icc, or a pilot with a column source.",
        )
    try:
        effect = sample_size.cluster_effect(size, icc)
    except ValueError as error:
        raise AppError(
            f"The effect of sources cannot be computed: {error}.", "Give an --icc between 0 and 1."
        ) from error
    return effect, [f"{size:.3g} clips per source, intraclass correlation {icc:.3g}: design effect {effect:.3g}."]


def _refuse_beyond_pool(clips: int, guesses: Assumptions) -> None:
    if guesses.pool_size is not None and clips > guesses.pool_size:
        raise ValueError(f"it takes {clips} clips, and the pool has {guesses.pool_size}")


def _answered(
    target: str,
    wanted: float,
    clips: int,
    found: Callable[[int, int], float | None],
    panels: tuple[int, ...],
    guesses: Assumptions,
    notes: list[str],
    kind: str,
    raters: int | None = None,
) -> SampleSizePlan:
    """The plan with half, one and two times `clips` as other sizes, for each number of raters."""
    raters = raters or guesses.raters
    sizes = sorted({max(1, round(clips * factor)) for factor in FACTORS})
    sizes = [size for size in sizes if guesses.pool_size is None or size <= guesses.pool_size]
    rows = [_trade(size, count, guesses, found(size, count)) for count in sorted({*panels, raters}) for size in sizes]
    chosen = next(row for row in rows if (row.clips, row.raters) == (clips, raters))
    name = {"mean_mos": "the mean opinion score of all clips"}.get(target, target)
    panel = "1 rater" if raters == 1 else f"{raters} raters"
    answer = f"Rate {clips} {kind} with {panel} each for {name} within ±{wanted:g}; {_effort(chosen)}."
    return SampleSizePlan(target, wanted, answer, chosen, rows, notes)


def _trade(
    clips: int,
    raters: int,
    guesses: Assumptions,
    half_width: float | None = None,
    bad_allowed: int | None = None,
    chance: float | None = None,
) -> StudySize:
    judgments = clips * raters
    return StudySize(clips, raters, judgments, judgments * guesses.seconds / 60, half_width, bad_allowed, chance)


def _effort(trade: StudySize) -> str:
    return f"{trade.judgments} judgments, about {trade.minutes:.0f} minutes of raters' time"
