"""Transcripts: both formats, their variants, and when someone speaks."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.sound.transcripts import (
    LARGEST,
    Cue,
    TranscriptError,
    cues_in,
    is_speech,
    read_cues,
    speech_seconds,
    transcripts_in,
)

VTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: white }

NOTE
00:00.000 --> 00:09.000
a remark, never shown

intro
00:00.500 --> 00:02.000 align:start position:0%
<v Ada>Good <c.loud>morning</c></v>

01:00:03.250 --> 01:00:04.000
later
"""
SRT = """1
00:00:01,000 --> 00:00:02,500
Good morning
everyone

2
00:00:02,500 --> 00:00:04,000
[door closes]
"""


def test_webvtt_is_read() -> None:
    """Header, styles, notes and settings are skipped; hours may be missing; a cue may have a name."""
    cues = list(cues_in(VTT))
    assert [(cue.start, cue.end) for cue in cues] == [(0.5, 2.0), (3603.25, 3604.0)]
    assert cues[0].text == "<v Ada>Good <c.loud>morning</c></v>"


def test_subrip_is_read() -> None:
    """Times have commas, cues have numbers, and lines are joined."""
    assert list(cues_in(SRT)) == [Cue(1.0, 2.5, "Good morning\neveryone"), Cue(2.5, 4.0, "[door closes]")]


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
def test_line_ends_and_byte_order_marks_change_nothing(tmp_path: Path, ending: str, code: str) -> None:
    """Files of other systems have the same cues."""
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.replace("\n", ending).encode(code))
    assert read_cues(path) == list(cues_in(SRT))


def test_an_old_encoding_still_has_words(tmp_path: Path) -> None:
    """A Russian file in a one-byte encoding is decoded wrongly, but its words count as words."""
    path = tmp_path / "a.srt"
    path.write_bytes("1\n00:00:01,000 --> 00:00:02,000\nДобрый день\n".encode("cp1251"))
    assert speech_seconds(read_cues(path), 5) == 1


def test_cues_without_an_empty_line_between_them_are_separate() -> None:
    """A number before the next times belongs to the next cue and is no speech."""
    text = "1\n00:00:00,000 --> 00:00:01,000\n[Music]\n2\n00:00:01,000 --> 00:00:02,000\n42\n"
    cues = list(cues_in(text))
    assert [cue.text for cue in cues] == ["[Music]", "42"]
    assert [is_speech(cue.text) for cue in cues] == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "[Music]",
        "[ __ ]",
        "(laughs)",
        "♪",
        "♪ la la ♪",
        "♪ la la",
        "♪ one line\nand one more ♪",
        "【音楽】",
        "（拍手）",
        "<i>[applause]</i>",
        "{\\an8}[wind]",
        "&nbsp;&gt;&gt;",
    ],
)
def test_music_and_sounds_are_no_speech(text: str) -> None:
    """Texts of brackets, notes, tags and signs only have no speech."""
    assert not is_speech(text)


@pytest.mark.parametrize(
    "text", ["Hello", "<00:00:01.000><c> hello</c>", "[laughs] Well", "♪\nHello", "你好", "مرحبا", "42"]
)
def test_words_are_speech(text: str) -> None:
    """Words in any script, with or without markup, are speech."""
    assert is_speech(text)


def test_overlapping_cues_count_once() -> None:
    """0 to 2 and 1 to 3 s are three seconds; time outside the clip and music do not count."""
    cues = [Cue(1, 3, "b"), Cue(0, 2, "a"), Cue(4, 9, "c"), Cue(3, 4, "[Music]"), Cue(7, 8, "d")]
    assert speech_seconds(cues, 5) == pytest.approx(4)


def test_the_clips_name_finds_its_transcript(tmp_path: Path) -> None:
    """The plain name is preferred to one with a language, and WebVTT to SubRip; other files are ignored."""
    for name in ("a.en.vtt", "a.srt", "b.de.srt", "b.en.vtt", "c.VTT", "c.srt", "d.txt", "e.f.en.srt"):
        (tmp_path / name).touch()
    found = transcripts_in(tmp_path)
    assert {clip: found[clip].name for clip in ("a", "b", "c", "e.f")} == {
        "a": "a.srt",
        "b": "b.en.vtt",
        "c": "c.VTT",
        "e.f": "e.f.en.srt",
    }
    assert "d" not in found
    assert transcripts_in(tmp_path / "missing") == {}


def test_an_empty_transcript_is_one_without_words(tmp_path: Path) -> None:
    """A file without bytes or with only its header is read and has no cue."""
    for name, text in (("a.srt", ""), ("a.vtt", "WEBVTT\n")):
        (tmp_path / name).write_text(text)
        assert read_cues(tmp_path / name) == []


def test_a_file_that_is_no_transcript_is_an_error(tmp_path: Path) -> None:
    """Binary data, prose, a folder and a huge file raise errors that name the file."""
    for name, data, why in (
        ("bytes.srt", bytes(range(256)) * 9, "is not a text file"),
        ("prose.vtt", b"Dear reader, there are no times here.", "has no times in it"),
        ("huge.srt", b"x" * (LARGEST + 1), "is larger than 8 MB"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(TranscriptError, match=f"The transcript {name} {why}"):
            read_cues(tmp_path / name)
    (tmp_path / "folder.srt").mkdir()
    with pytest.raises(TranscriptError, match=r"folder\.srt cannot be read"):
        read_cues(tmp_path / "folder.srt")


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
@settings(deadline=None)
def test_no_file_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """For any bytes the reader gives cues or raises TranscriptError."""
    path = tmp_path_factory.mktemp("any") / "a.srt"
    path.write_bytes(b"00:00:01,000 --> 00:00:02,000\n" + data)
    try:
        seconds = speech_seconds(read_cues(path), 5)
    except TranscriptError:
        return
    assert 0 <= seconds <= 5


@pytest.mark.timeout(20)
@pytest.mark.parametrize("sign", ["[", "<", "♪", "(", "{\\", "\n", "1\n", "00:00 --> "])
def test_hostile_repetition_takes_no_time(sign: str) -> None:
    """A megabyte of opening brackets, notes or line ends is read as fast as other text."""
    text = "00:00:01,000 --> 00:00:02,000\n" + sign * (1_000_000 // len(sign))
    assert speech_seconds(cues_in(text), 5) in (0, 1)
