"""The audio scorer: whether there is sound, its loudness, clipping and silence, and whether someone speaks.

Speech is read from transcripts that the user gives (`scoring.sound.transcripts`), not detected in the sound. Loudness
range is left out: EBU Tech 3342 warns against it for programmes shorter than a minute.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.scorer import Column, Measurement, Scorer, Series, Watch
from scoring.settings import Settings
from scoring.sound.loudness import ABSOLUTE_GATE, BLOCK, LEAST_RATE, PER_SECOND, Meter, Pieces, Powers, integrated, lufs
from scoring.sound.transcripts import TranscriptError, read_cues, speech_seconds, transcripts_in
from scoring.video.frames import ClipHeader, Facts, Sound

FULL_SCALE = 0.999
"""Samples from this absolute value on are at full scale (1.0); lossy codecs smear clipped peaks."""
CLIPPED_RUN = 3
"""Consecutive samples at full scale that count as clipped; a single one may be a true peak."""
SILENT = 10 ** (-60 / 20)
"""Root mean square below which sound counts as silence: -60 dBFS, the default of FFmpeg's silencedetect too."""
SLACK = 0.5
"""Seconds by which the sound may end before the picture; if more is missing, all of it counts as silence."""

Transcripts = Mapping[str, Path] | None
"""Transcripts by the name of their clip; None if the user gives none."""
Flags = NDArray[np.bool_]
"""(channels, n): whether each sample is at full scale."""


class ClippedRuns:
    """Counts the samples in runs at full scale, while the sound comes in pieces."""

    def __init__(self, channels: int) -> None:
        self.samples = 0
        self._before = np.zeros((channels, CLIPPED_RUN), bool)

    def count(self, full: Flags) -> None:
        """Count in the next piece of sound."""
        full = np.concatenate([self._before, full], axis=1)
        self._before = full[:, -CLIPPED_RUN:]
        if full.any():
            # Each sample that ends a long enough run counts one; the first such sample also counts the two before it.
            ends = np.asarray(np.lib.stride_tricks.sliding_window_view(full, CLIPPED_RUN, axis=1).all(axis=2))
            first = ends[:, 1:] & ~ends[:, :-1]
            self.samples += int(ends[:, 1:].sum() + (CLIPPED_RUN - 1) * first.sum())


class ClipSound:
    """The sound of one clip, measured second by second and kept as values per tenth of a second."""

    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self.clipped = ClippedRuns(channels)
        self.samples = 0
        self.peak = 0.0
        self._each = round(rate / PER_SECOND)
        self._meter = Meter(rate, channels)
        self._waiting: list[Pieces] = []
        self._ready = 0
        self._powers: list[NDArray[np.float64]] = []
        self._levels: list[NDArray[np.float32]] = []

    def take(self, samples: Pieces) -> None:
        """Take in the next samples (channels, n)."""
        self._waiting.append(samples)
        self._ready += samples.shape[1]
        if self._ready >= self.rate:
            self._measure()

    def finish(self) -> None:
        """Measure the remaining samples. An incomplete last tenth has a peak but no loudness."""
        self._measure()
        self._touch(self._waiting.pop())

    @property
    def seconds(self) -> float:
        """The duration of the sound in s."""
        return self.samples / self.channels / self.rate

    @property
    def powers(self) -> Powers:
        """The weighted power of each tenth of a second."""
        return np.concatenate([np.zeros(0), *self._powers])

    @property
    def levels(self) -> NDArray[np.float32]:
        """The root mean square of the loudest channel, unweighted, of each tenth of a second."""
        return np.concatenate([np.zeros(0, np.float32), *self._levels])

    def _measure(self) -> None:
        samples = np.concatenate(self._waiting, axis=1)
        count = samples.shape[1] // self._each
        whole, rest = samples[:, : count * self._each], samples[:, count * self._each :]
        self._waiting, self._ready = [rest], rest.shape[1]
        if count:
            self._touch(whole)
            tenths = whole.reshape(self.channels, count, self._each)
            self._powers.append(self._meter.powers(tenths))
            self._levels.append(np.sqrt(np.square(tenths).mean(axis=2)).max(axis=0))

    def _touch(self, samples: Pieces) -> None:
        size = np.abs(samples)
        self.samples += size.size
        self.peak = max(self.peak, float(size.max(initial=0.0)))
        self.clipped.count(size >= FULL_SCALE)


class AudioWatch(Watch):
    """Computes the scores of one clip's sound and of its transcript."""

    def __init__(self, transcripts: Transcripts, header: ClipHeader) -> None:
        self._transcripts, self._stem = transcripts, header.path.stem
        self._heard: ClipSound | None = None
        self._why: str | None = None

    def hear(self, sound: Sound) -> None:
        """Measure a piece of sound."""
        if not sound.samples.size:
            return
        if self._heard is None and self._why is None:
            if sound.rate < LEAST_RATE:
                self._why = f"The sound has only {sound.rate} samples per second."
            else:
                self._heard = ClipSound(sound.rate, len(sound.samples))
        if self._heard is None or self._why is not None:
            return
        if (self._heard.rate, self._heard.channels) != (sound.rate, len(sound.samples)):
            self._why = "The sound changes its format midway."
        elif not np.isfinite(sound.samples).all():
            self._why = "The sound holds values that are no numbers."
        else:
            self._heard.take(sound.samples)

    def result(self, facts: Facts) -> Measurement:
        """The scores of the sound, then those of speech."""
        if facts.sound is None:
            heard = _unheard("The clip has no sound track.", sound=0.0)
        elif facts.sound or self._why:
            heard = _unheard(facts.sound or self._why or "")
        elif self._heard is None:
            heard = _unheard("The sound track is empty.", sound=0.0)
        else:
            self._heard.finish()
            heard = _summary(self._heard, facts.duration)
        spoken = self._spoken(facts.duration)
        return Measurement(heard.scores | spoken.scores, heard.series, heard.reasons | spoken.reasons)

    def _spoken(self, duration: float) -> Measurement:
        if self._transcripts is None:
            why = "no transcripts given"
        elif self._stem not in self._transcripts:
            why = "There is no transcript for this clip."
        else:
            try:
                seconds = speech_seconds(read_cues(self._transcripts[self._stem]), duration)
                return Measurement({"speech": float(seconds > 0), "speech_share": seconds / duration})
            except TranscriptError as error:
                why = str(error)
        names = [column.name for column in SPOKEN]
        return Measurement(dict.fromkeys(names), reasons=dict.fromkeys(names, why))


def _summary(heard: ClipSound, duration: float) -> Measurement:
    powers, levels = heard.powers, heard.levels
    missing = int(PER_SECOND * (duration - heard.seconds)) if duration - heard.seconds > SLACK else 0
    scores: dict[str, float | None] = {
        "sound": 1.0,
        "loudness": integrated(powers),
        "peak": 20 * math.log10(heard.peak) if heard.peak else None,
        "clipped_share": heard.clipped.samples / heard.samples,
        "silence_share": float((levels < SILENT).sum() + missing) / (len(levels) + missing) if len(levels) else None,
    }
    short = f"The sound is shorter than {BLOCK / PER_SECOND} s."
    why = {
        "loudness": short if len(powers) < BLOCK else f"No part of the sound is louder than {ABSOLUTE_GATE:.0f} LUFS.",
        "peak": "The sound is digital silence.",
        "silence_share": short,
    }
    series: list[float | None] = []
    for second in range(math.ceil(duration - 1e-3)):
        part = powers[second * PER_SECOND : (second + 1) * PER_SECOND]
        level = lufs(float(part.mean())) if len(part) else -math.inf
        series.append(level if level > ABSOLUTE_GATE else None)
    return Measurement(
        scores, {"loudness": series}, {name: why[name] for name, value in scores.items() if value is None}
    )


def _unheard(why: str, sound: float | None = None) -> Measurement:
    scores: dict[str, float | None] = {column.name: None for column in HEARD}
    reasons = dict.fromkeys(scores, why)
    if sound is not None:
        scores["sound"] = sound
        del reasons["sound"]
    return Measurement(scores, reasons=reasons)


LOUDNESS = Column("loudness", "loudness of the whole, gated (EBU R 128)", "band", "LUFS")
HEARD = (
    Column("sound", "1 if there is a sound track that can be decoded, 0 if there is none", "higher", low=0, high=1),
    LOUDNESS,
    Column("peak", "largest sample; lossy codecs go above 0", "lower", "dBFS"),
    Column("clipped_share", "share of samples in runs of three or more at full scale", "lower", low=0, high=1),
    Column(
        "silence_share", "share of tenths of a second below -60 dBFS, or after the sound's end", "lower", low=0, high=1
    ),
)
SPOKEN = (
    Column("speech", "1 if the clip's transcript has spoken words, else 0", "higher", low=0, high=1),
    Column("speech_share", "share of the clip that its transcript shows spoken words for", "higher", low=0, high=1),
)


def audio(settings: Settings) -> Scorer:
    """The audio scorer. It reads transcripts from the folder that the settings name, if they name one."""
    return Scorer(
        name="audio",
        version="1",
        backend="ITU-R BS.1770-4",
        columns=(*HEARD, *SPOKEN),
        series=(Series(LOUDNESS, overall="loudness"),),
        setup=partial(_transcripts, settings.transcripts),
        watch=AudioWatch,
        hears=True,
    )


def _transcripts(folder: Path | None) -> Transcripts:
    return None if folder is None else transcripts_in(folder)
