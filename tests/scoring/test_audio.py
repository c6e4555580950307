"""Sound: loudness against the standard's own test signals and FFmpeg, peaks, clipping, silence, and transcripts."""

import math
import re
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.runners.score_files import score_files
from scoring.scorer import Measurement
from scoring.settings import Settings
from scoring.sound.audio import AudioWatch, ClippedRuns, audio
from scoring.sound.loudness import Meter, integrated, k_weighting, lufs
from scoring.video.ffmpeg import find
from scoring.video.frames import ClipHeader, Facts, Sound
from tests.helpers.generated_videos import write_film
from tests.helpers.real_videos import REAL_CLIPS, moving, write_video

Samples = NDArray[np.float32]
SCORES = ["sound", "loudness", "peak", "clipped_share", "silence_share", "speech", "speech_share"]


def tone(seconds: float, level: float, rate: int = 48_000, hertz: float = 1000) -> Samples:
    """A sine with its peak `level` dB below full scale: (n,)."""
    times = np.arange(round(seconds * rate)) / rate
    return np.asarray(10 ** (level / 20) * np.sin(2 * np.pi * hertz * times), np.float32)


def stereo(*parts: tuple[float, float]) -> Samples:
    """Tones of (seconds, dBFS), one after the other, the same on two channels."""
    one = np.concatenate([tone(seconds, level) for seconds, level in parts])
    return np.stack([one, one])


def heard(
    samples: Samples, rate: int = 48_000, *, duration: float | None = None, sound: str | None = "", piece: int = 1024
) -> Measurement:
    """What the scorer says of samples (channels, n), handed over in pieces as a decoder does."""
    watch = AudioWatch(None, ClipHeader(Path("a.mp4"), sound=True))
    for start in range(0, samples.shape[1], piece):
        watch.hear(Sound(samples[:, start : start + piece], rate, start / rate))
    return watch.result(facts(samples.shape[1] / rate if duration is None else duration, sound))


def facts(duration: float = 5, sound: str | None = "") -> Facts:
    return Facts(duration, 320, 180, 25, "h264", 125, sound)


def score(result: Measurement, name: str) -> float:
    value = result.scores[name]
    assert value is not None, result.reasons
    return value


def test_the_filter_is_the_standards() -> None:
    """At 48 kHz its coefficients are those printed in ITU-R BS.1770-4, annex 1, tables 1 and 2."""
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    high_pass = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    assert k_weighting(48_000).tolist() == [pytest.approx(shelf, abs=1e-8), pytest.approx(high_pass, abs=1e-8)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((20, -23.0),), -23.0),
        (((20, -33.0),), -33.0),
        (((10, -36.0), (60, -23.0), (10, -36.0)), -23.0),
        (((10, -72.0), (10, -36.0), (60, -23.0), (10, -36.0), (10, -72.0)), -23.0),
        (((20, -26.0), (20.1, -20.0), (20, -26.0)), -23.0),
    ],
    ids=["case 1", "case 2", "case 3", "case 4", "case 5"],
)
def test_loudness_of_the_ebus_test_signals(parts: tuple[tuple[float, float], ...], expected: float) -> None:
    """EBU Tech 3341 (2016), table 1, cases 1 to 5: within 0.1 LU, both gates included."""
    assert score(heard(stereo(*parts), piece=48_000), "loudness") == pytest.approx(expected, abs=0.1)


def test_loudness_of_five_channels() -> None:
    """EBU Tech 3341, case 6: -28 dBFS left and right, -24 centre, -30 in each surround channel: -23.0 LUFS."""
    left, centre, side = tone(20, -28), tone(20, -24), tone(20, -30)
    five = np.stack([left, left, centre, side, side])
    assert score(heard(five, piece=48_000), "loudness") == pytest.approx(-23.0, abs=0.1)


def test_the_low_frequency_channel_does_not_count() -> None:
    """A sixth channel at full scale in its place leaves 5.1 as loud as 5.0."""
    left, centre, side, low = tone(5, -28), tone(5, -24), tone(5, -30), tone(5, 0)
    without = heard(np.stack([left, left, centre, side, side]))
    with_low = heard(np.stack([left, left, centre, low, side, side]))
    assert score(with_low, "loudness") == pytest.approx(score(without, "loudness"), abs=1e-9)


def test_the_calibration_tone_at_full_scale() -> None:
    """BS.1770-4: a sine of 997 Hz at 0 dBFS in one front channel measures -3.01 LUFS."""
    result = heard(tone(5, 0, hertz=997)[None])
    assert score(result, "loudness") == pytest.approx(-3.01, abs=0.01)
    assert score(result, "peak") == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 96_000])
def test_loudness_does_not_depend_on_the_rate(rate: int) -> None:
    """The same tone sampled otherwise measures the same within 0.1 LU."""
    one = tone(5, -23, rate)
    assert score(heard(np.stack([one, one]), rate), "loudness") == pytest.approx(-23, abs=0.1)


@given(piece=st.integers(50, 5000), rate=st.sampled_from([8_000, 11_025, 16_000]))
@settings(deadline=None)
def test_pieces_change_nothing(piece: int, rate: int) -> None:
    """However the decoder cuts the sound up, the numbers are the same."""
    noise = np.random.default_rng(3).uniform(-1.2, 1.2, (2, 9 * rate // 4)).astype(np.float32)
    whole, parts = heard(noise, rate, piece=noise.shape[1]), heard(noise, rate, piece=piece)
    assert parts.scores == pytest.approx(whole.scores)
    assert parts.series["loudness"] == pytest.approx(whole.series["loudness"])


def test_loudness_second_by_second() -> None:
    """Each second has its own, ungated; a silent one has none."""
    result = heard(np.concatenate([stereo((1, -23), (1, -33)), np.zeros((2, 48_000), np.float32), stereo((1, -20))], 1))
    series = result.series["loudness"]
    assert series[2] is None
    assert [series[second] for second in (0, 1, 3)] == [pytest.approx(level, abs=0.15) for level in (-23, -33, -20)]
    assert len(series) == 4


def test_digital_silence_has_no_loudness_and_no_peak() -> None:
    """Zeros are sound that is silent: null with a reason, never minus infinity."""
    result = heard(np.zeros((2, 96_000), np.float32))
    assert [result.scores[name] for name in SCORES[:5]] == [1, None, None, 0, 1]
    assert result.reasons["loudness"] == "No part of the sound is louder than -70 LUFS."
    assert result.reasons["peak"] == "The sound is digital silence."
    assert result.series["loudness"] == [None, None]


def test_a_very_short_sound_has_only_a_peak() -> None:
    """30 ms are shorter than any window."""
    result = heard(stereo((0.03, -6)), duration=0.04)
    assert score(result, "peak") == pytest.approx(-6, abs=0.1)
    assert (result.scores["loudness"], result.scores["silence_share"]) == (None, None)
    assert result.reasons["loudness"] == result.reasons["silence_share"] == "The sound is shorter than 0.4 s."


def test_silence_is_counted_by_tenths_of_a_second() -> None:
    """Of four seconds one is at -70 dBFS; -50 dBFS is no silence."""
    result = heard(stereo((2, -20), (1, -70), (1, -50)))
    assert score(result, "silence_share") == pytest.approx(0.25)


def test_sound_that_ends_early_is_silent_afterwards() -> None:
    """Two seconds of sound in a clip of eight: three quarters are silence; half a second short is no damage."""
    assert score(heard(stereo((2, -20)), duration=8), "silence_share") == pytest.approx(0.75)
    assert score(heard(stereo((2, -20)), duration=2.4), "silence_share") == 0


def test_a_channel_that_speaks_is_no_silence() -> None:
    """The loudest channel counts: one silent side of two makes no silence."""
    one = tone(2, -20)
    assert score(heard(np.stack([one, np.zeros_like(one)])), "silence_share") == 0


def test_clipping_is_runs_at_full_scale() -> None:
    """Of 1,000 samples, runs of 3 and 5 count with 8; a single one and a pair count nothing."""
    samples = np.zeros((1, 1000), np.float32)
    for start, length in ((10, 1), (20, 2), (30, 3), (40, 5)):
        samples[0, start : start + length] = -1.0 if start == 40 else 1.0
    assert score(heard(samples, 8_000, piece=7), "clipped_share") == pytest.approx(8 / 1000)


@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=12))
@settings(deadline=None)
def test_clipped_runs_are_found_across_pieces(pieces: list[list[bool]]) -> None:
    """Counted piece by piece as by reading the runs of the whole."""
    counter = ClippedRuns(1)
    for piece in pieces:
        counter.count(np.array([piece], bool).reshape(1, -1))
    runs = re.findall("1+", "".join("1" if flag else "0" for piece in pieces for flag in piece))
    assert counter.samples == sum(len(run) for run in runs if len(run) >= 3)


def test_a_clipped_tone_is_told_from_a_loud_one() -> None:
    """A sine cut off at full scale is clipped for a large share of its time, one that just fits is not."""
    loud = tone(2, -0.1)[None]
    assert score(heard(loud), "clipped_share") == 0
    assert score(heard(np.clip(loud * 2, -1, 1)), "clipped_share") > 0.3


def test_no_sound_track(tmp_path: Path) -> None:
    """`sound` is 0; all else is null and says why."""
    clip = write_video(tmp_path / "a.mp4", moving([(0, 0)] * 10, 64, 48))
    result = next(score_files([clip]))
    assert result.scores["sound"] == 0
    for name in SCORES[1:5]:
        assert (result.scores[name], result.reasons[name]) == (None, "The clip has no sound track.")


def test_damaged_sound_says_so() -> None:
    """All scores of the sound are null with the decoder's reason."""
    result = heard(stereo((1, -20)), sound="The sound is damaged (Invalid data).")
    assert {result.scores[name] for name in SCORES[:5]} == {None}
    assert {result.reasons[name] for name in SCORES[:5]} == {"The sound is damaged (Invalid data)."}


def test_odd_sound_is_a_reason_and_no_failure() -> None:
    """No samples, too few of them per second, no numbers, and a format that changes midway."""
    assert heard(np.zeros((2, 0), np.float32), duration=5).reasons["loudness"] == "The sound track is empty."
    assert heard(tone(1, -20, 4000)[None], 4000).reasons["peak"] == "The sound has only 4000 samples per second."
    broken = stereo((1, -20))
    broken[1, 500] = np.nan
    assert heard(broken).reasons["sound"] == "The sound holds values that are no numbers."
    watch = AudioWatch(None, ClipHeader(Path("a.mp4")))
    watch.hear(Sound(stereo((1, -20)), 48_000, 0))
    watch.hear(Sound(tone(1, -20)[None], 48_000, 1))
    assert watch.result(facts(2)).reasons["loudness"] == "The sound changes its format midway."


def test_too_coarse_sound_is_refused_by_the_meter() -> None:
    """Below 8000 samples per second the filter is not the standard's any more."""
    with pytest.raises(ValueError, match="8000 samples per second"):
        Meter(4000, 1)


@given(st.lists(st.floats(0, 10), max_size=60))
@settings(deadline=None)
def test_integrated_loudness_lies_within_the_blocks(powers: list[float]) -> None:
    """Never louder than the loudest gating block, never below the absolute gate."""
    loudness = integrated(np.array(powers))
    if loudness is not None:
        assert -70 < loudness <= lufs(max(powers)) + 1e-9


def test_a_files_sound_is_heard_once_and_whole(tmp_path: Path) -> None:
    """A written film with a tone: there is sound, with a loudness for each of its seconds."""
    clip = write_film(tmp_path / "a.mp4", moving([(0, 0)] * 75, 64, 48))
    result = next(score_files([clip]))
    assert result.scores["sound"] == 1
    assert result.scores["loudness"] is not None
    assert [value is not None for value in result.series["loudness"]] == [True] * 3


def test_speech_comes_from_the_clips_transcript(tmp_path: Path) -> None:
    """Two of four seconds have words; a clip without words has none; one without a transcript is null."""
    for name in "abcd":
        write_video(tmp_path / f"{name}.mp4", moving([(0, 0)] * 100, 64, 48))
    (tmp_path / "a.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:03.000\nGood morning\n")
    (tmp_path / "b.srt").write_text("1\n00:00:00,000 --> 00:00:04,000\n[Music]\n")
    (tmp_path / "d.srt").write_bytes(b"\0\1\2")
    results = {
        result.path.stem: result
        for result in score_files(sorted(tmp_path.glob("*.mp4")), settings=Settings(transcripts=tmp_path))
    }
    spoken = {name: (result.scores["speech"], result.scores["speech_share"]) for name, result in results.items()}
    assert spoken == {"a": (1, 0.5), "b": (0, 0), "c": (None, None), "d": (None, None)}
    assert results["c"].reasons["speech"] == "There is no transcript for this clip."
    assert results["d"].reasons["speech_share"] == "The transcript d.srt is not a text file."


def test_without_a_folder_of_transcripts_nothing_is_said_of_speech() -> None:
    """Both columns are there, null, and say that no transcripts were given."""
    result = heard(stereo((1, -20)))
    assert (result.scores["speech"], result.scores["speech_share"]) == (None, None)
    assert result.reasons["speech"] == result.reasons["speech_share"] == "no transcripts given"


def test_every_column_gets_a_score_or_a_reason() -> None:
    """Whatever the sound, what is null says why and what is not says nothing."""
    names = [column.name for column in audio(Settings()).columns]
    assert sorted(names) == sorted(SCORES)
    for result in (
        heard(stereo((1, -20))),
        heard(stereo((1, -20)), sound=None),
        heard(np.zeros((1, 9000), np.float32)),
    ):
        assert sorted(result.scores) == sorted(names)
        assert {name for name, value in result.scores.items() if value is None} == set(result.reasons)
        assert all(math.isfinite(value) for value in result.scores.values() if value is not None)


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="no real clips beside the checkout")
@pytest.mark.parametrize("place", [0, 5, 11, 17])
def test_loudness_and_peak_agree_with_ffmpeg(place: int) -> None:
    """On real clips FFmpeg's own meter (ebur128) gives the same within the tenth it prints."""
    clip = sorted(REAL_CLIPS.glob("*.mp4"))[place]
    command = [str(find()), "-nostats", "-i", str(clip), "-vn", "-af", "ebur128=peak=sample", "-f", "null", "-"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    loudness, peak = (re.findall(rf"{name}:\s+(\S+) (?:LUFS|dBFS)", run.stderr)[-1] for name in ("I", "Peak"))
    with av.open(str(clip)) as container:
        resampler = av.AudioResampler(format="fltp")
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    result = heard(
        np.concatenate([np.asarray(piece.to_ndarray(), np.float32) for piece in pieces], axis=1), pieces[0].rate
    )
    assert score(result, "loudness") == pytest.approx(float(loudness), abs=0.06)
    assert score(result, "peak") == pytest.approx(float(peak), abs=0.06)
