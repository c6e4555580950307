"""The audio scorer: loudness against the standard's test signals and FFmpeg, peaks, clipping, silence, speech."""

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
    """A sine with its peak at `level` dBFS: (n,)."""
    times = np.arange(round(seconds * rate)) / rate
    return np.asarray(10 ** (level / 20) * np.sin(2 * np.pi * hertz * times), np.float32)


def stereo(*parts: tuple[float, float]) -> Samples:
    """Tones of (seconds, dBFS), one after the other, the same on two channels."""
    one = np.concatenate([tone(seconds, level) for seconds, level in parts])
    return np.stack([one, one])


def heard(
    samples: Samples, rate: int = 48_000, *, duration: float | None = None, sound: str | None = "", piece: int = 1024
) -> Measurement:
    """The scorer's result for samples (channels, n), given in pieces as a decoder gives them."""
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


def test_the_filter_is_that_of_the_standard() -> None:
    """At 48 kHz the coefficients are those printed in ITU-R BS.1770-4, annex 1, tables 1 and 2."""
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
def test_loudness_of_the_test_signals_of_the_ebu(parts: tuple[tuple[float, float], ...], expected: float) -> None:
    """Cases 1 to 5 of EBU Tech 3341 (2016), table 1, have their loudness within 0.1 LU, both gates included."""
    assert score(heard(stereo(*parts), piece=48_000), "loudness") == pytest.approx(expected, abs=0.1)


def test_loudness_of_five_channels() -> None:
    """EBU Tech 3341, case 6: -28 dBFS left and right, -24 centre and -30 in each surround channel give -23.0 LUFS."""
    left, centre, side = tone(20, -28), tone(20, -24), tone(20, -30)
    five = np.stack([left, left, centre, side, side])
    assert score(heard(five, piece=48_000), "loudness") == pytest.approx(-23.0, abs=0.1)


def test_the_low_frequency_channel_does_not_count() -> None:
    """A sixth channel at full scale in the low frequency position leaves 5.1 as loud as 5.0."""
    left, centre, side, low = tone(5, -28), tone(5, -24), tone(5, -30), tone(5, 0)
    without = heard(np.stack([left, left, centre, side, side]))
    with_low = heard(np.stack([left, left, centre, low, side, side]))
    assert score(with_low, "loudness") == pytest.approx(score(without, "loudness"), abs=1e-9)


def test_the_calibration_tone_at_full_scale() -> None:
    """A sine of 997 Hz at 0 dBFS in one front channel has -3.01 LUFS (BS.1770-4)."""
    result = heard(tone(5, 0, hertz=997)[None])
    assert score(result, "loudness") == pytest.approx(-3.01, abs=0.01)
    assert score(result, "peak") == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 96_000])
def test_loudness_does_not_depend_on_the_rate(rate: int) -> None:
    """The same tone at another sampling rate has the same loudness within 0.1 LU."""
    one = tone(5, -23, rate)
    assert score(heard(np.stack([one, one]), rate), "loudness") == pytest.approx(-23, abs=0.1)


@given(piece=st.integers(50, 5000), rate=st.sampled_from([8_000, 11_025, 16_000]))
@settings(deadline=None)
def test_scores_do_not_depend_on_how_the_sound_is_divided(piece: int, rate: int) -> None:
    """The scores are the same for pieces of any length."""
    noise = np.random.default_rng(3).uniform(-1.2, 1.2, (2, 9 * rate // 4)).astype(np.float32)
    whole, parts = heard(noise, rate, piece=noise.shape[1]), heard(noise, rate, piece=piece)
    assert parts.scores == pytest.approx(whole.scores)
    assert parts.series["loudness"] == pytest.approx(whole.series["loudness"])


def test_each_second_has_its_own_loudness() -> None:
    """Each second has its own ungated loudness; a silent second has none."""
    result = heard(np.concatenate([stereo((1, -23), (1, -33)), np.zeros((2, 48_000), np.float32), stereo((1, -20))], 1))
    series = result.series["loudness"]
    assert series[2] is None
    assert [series[second] for second in (0, 1, 3)] == [pytest.approx(level, abs=0.15) for level in (-23, -33, -20)]
    assert len(series) == 4


def test_digital_silence_has_no_loudness_and_no_peak() -> None:
    """A track of zeros counts as sound; loudness and peak are null with a reason, not minus infinity."""
    result = heard(np.zeros((2, 96_000), np.float32))
    assert [result.scores[name] for name in SCORES[:5]] == [1, None, None, 0, 1]
    assert result.reasons["loudness"] == "No part of the sound is louder than -70 LUFS."
    assert result.reasons["peak"] == "The sound is digital silence."
    assert result.series["loudness"] == [None, None]


def test_a_very_short_sound_has_only_a_peak() -> None:
    """Sound of 30 ms is shorter than every window, so it has a peak and no other score."""
    result = heard(stereo((0.03, -6)), duration=0.04)
    assert score(result, "peak") == pytest.approx(-6, abs=0.1)
    assert (result.scores["loudness"], result.scores["silence_share"]) == (None, None)
    assert result.reasons["loudness"] == result.reasons["silence_share"] == "The sound is shorter than 0.4 s."


def test_silence_is_counted_by_tenths_of_a_second() -> None:
    """One of four seconds is at -70 dBFS and counts as silence; -50 dBFS does not."""
    result = heard(stereo((2, -20), (1, -70), (1, -50)))
    assert score(result, "silence_share") == pytest.approx(0.25)


def test_sound_that_ends_early_is_silent_afterwards() -> None:
    """Two seconds of sound in a clip of eight give a silence share of 3/4; a missing half second gives none."""
    assert score(heard(stereo((2, -20)), duration=8), "silence_share") == pytest.approx(0.75)
    assert score(heard(stereo((2, -20)), duration=2.4), "silence_share") == 0


def test_one_silent_channel_is_no_silence() -> None:
    """The loudest channel counts, so one silent channel of two is no silence."""
    one = tone(2, -20)
    assert score(heard(np.stack([one, np.zeros_like(one)])), "silence_share") == 0


def test_clipping_is_runs_at_full_scale() -> None:
    """Of 1,000 samples runs of 3 and 5 at full scale count 8; a single sample and a pair count 0."""
    samples = np.zeros((1, 1000), np.float32)
    for start, length in ((10, 1), (20, 2), (30, 3), (40, 5)):
        samples[0, start : start + length] = -1.0 if start == 40 else 1.0
    assert score(heard(samples, 8_000, piece=7), "clipped_share") == pytest.approx(8 / 1000)


@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=12))
@settings(deadline=None)
def test_clipped_runs_are_found_across_pieces(pieces: list[list[bool]]) -> None:
    """Runs that cross pieces are counted as in the whole sound."""
    counter = ClippedRuns(1)
    for piece in pieces:
        counter.count(np.array([piece], bool).reshape(1, -1))
    runs = re.findall("1+", "".join("1" if flag else "0" for piece in pieces for flag in piece))
    assert counter.samples == sum(len(run) for run in runs if len(run) >= 3)


def test_a_clipped_tone_differs_from_a_loud_one() -> None:
    """A sine clipped at full scale has a large clipped share; a sine that just fits has none."""
    loud = tone(2, -0.1)[None]
    assert score(heard(loud), "clipped_share") == 0
    assert score(heard(np.clip(loud * 2, -1, 1)), "clipped_share") > 0.3


def test_a_clip_without_a_sound_track_says_so(tmp_path: Path) -> None:
    """`sound` is 0, and every other score is null with a reason."""
    clip = write_video(tmp_path / "a.mp4", moving([(0, 0)] * 10, 64, 48))
    result = next(score_files([clip]))
    assert result.scores["sound"] == 0
    for name in SCORES[1:5]:
        assert (result.scores[name], result.reasons[name]) == (None, "The clip has no sound track.")


def test_damaged_sound_says_so() -> None:
    """All scores of damaged sound are null with the reason of the decoder."""
    result = heard(stereo((1, -20)), sound="The sound is damaged (Invalid data).")
    assert {result.scores[name] for name in SCORES[:5]} == {None}
    assert {result.reasons[name] for name in SCORES[:5]} == {"The sound is damaged (Invalid data)."}


def test_unusable_sound_gives_a_reason_and_no_failure() -> None:
    """Empty sound, a low sampling rate, values that are no numbers and a changing format each give a reason."""
    assert heard(np.zeros((2, 0), np.float32), duration=5).reasons["loudness"] == "The sound track is empty."
    assert heard(tone(1, -20, 4000)[None], 4000).reasons["peak"] == "The sound has only 4000 samples per second."
    broken = stereo((1, -20))
    broken[1, 500] = np.nan
    assert heard(broken).reasons["sound"] == "The sound holds values that are no numbers."
    watch = AudioWatch(None, ClipHeader(Path("a.mp4")))
    watch.hear(Sound(stereo((1, -20)), 48_000, 0))
    watch.hear(Sound(tone(1, -20)[None], 48_000, 1))
    assert watch.result(facts(2)).reasons["loudness"] == "The sound changes its format midway."


def test_the_meter_refuses_a_low_sampling_rate() -> None:
    """Below 8000 samples per second the filter would differ from the standard, so ValueError is raised."""
    with pytest.raises(ValueError, match="8000 samples per second"):
        Meter(4000, 1)


@given(st.lists(st.floats(0, 10), max_size=60))
@settings(deadline=None)
def test_integrated_loudness_lies_within_the_blocks(powers: list[float]) -> None:
    """It is never above the loudest gating block and never below the absolute gate."""
    loudness = integrated(np.array(powers))
    if loudness is not None:
        assert -70 < loudness <= lufs(max(powers)) + 1e-9


def test_the_sound_of_a_file_is_measured_completely(tmp_path: Path) -> None:
    """A video with a tone has sound and a loudness for each of its seconds."""
    clip = write_film(tmp_path / "a.mp4", moving([(0, 0)] * 75, 64, 48))
    result = next(score_files([clip]))
    assert result.scores["sound"] == 1
    assert result.scores["loudness"] is not None
    assert [value is not None for value in result.series["loudness"]] == [True] * 3


def test_speech_comes_from_the_clips_transcript(tmp_path: Path) -> None:
    """Two of four seconds have words; a transcript without words gives 0; a clip without a transcript gives null."""
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


def test_without_transcripts_speech_is_null() -> None:
    """Both columns of speech are null with the reason that no transcripts were given."""
    result = heard(stereo((1, -20)))
    assert (result.scores["speech"], result.scores["speech_share"]) == (None, None)
    assert result.reasons["speech"] == result.reasons["speech_share"] == "no transcripts given"


def test_every_column_gets_a_score_or_a_reason() -> None:
    """For every kind of sound a null score has a reason and no other score has one."""
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
    """On real clips FFmpeg's own meter (ebur128) gives the same values to the tenth that it prints."""
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
