"""Clips for browsers: byte ranges for viewers with access, and prepared copies without metadata."""

import re
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from app import auth
from app.db import Database
from app.errors import AppError
from app.models import Assignment, Study, StudyClip
from app.raters import raters
from app.settings import Settings
from app.studies import clip_files
from app.studies.media import address_of
from scoring.images import Image
from tests.helpers.factories import StudyMaker, form
from tests.helpers.generated_videos import scene, write_film
from tests.helpers.real_videos import moving, texture, write_sound, write_video
from tests.helpers.visitors import Visitor, on_sqlite


@pytest.fixture
def study(study_maker: StudyMaker) -> Study:
    """Four clips, one rater each."""
    return study_maker(clips=4, raters_per_clip=1)


def enter(browser: TestClient, settings: Settings, study: Study, name: str = "Ada") -> TestClient:
    """Let a rater in, past the guidelines."""
    browser.post(raters.open_link(settings, study), data={"name": name})
    browser.post("/rate/start")
    return browser


@pytest.fixture
def rater(study: Study, visitor: Visitor, settings: Settings) -> TestClient:
    """A rater who holds two of the four clips."""
    return enter(visitor(), settings, study)


def on_screen(browser: TestClient) -> str:
    """Address of the video on the rater's page."""
    found = re.search(r'data-media="([^"]+)"', browser.get("/rate").text)
    assert found
    return found.group(1)


def path_of(settings: Settings, address: str) -> Path:
    """The file on disk that an assignment's address leads to."""
    with Database(settings.database).reader() as db:
        number = int(address.removeprefix("/media/").split("-")[0])
        clip = db.get_one(StudyClip, db.get_one(Assignment, number).study_clip_id)
    return settings.media / f"{clip.media_key}.mp4"


def file_of(settings: Settings, address: str) -> bytes:
    """What lies on disk under an address."""
    return path_of(settings, address).read_bytes()


@on_sqlite
def test_a_whole_clip_is_sent_as_a_private_video(rater: TestClient, settings: Settings) -> None:
    """Status 200 with all bytes; browsers may cache it, proxies may not; no header contains the file's name."""
    address = on_screen(rater)
    sent = rater.get(address)
    assert sent.status_code == 200
    assert sent.content == file_of(settings, address)
    assert sent.headers["content-type"] == "video/mp4"
    assert sent.headers["accept-ranges"] == "bytes"
    assert sent.headers["cache-control"].startswith("private")
    assert "secret" not in str(sent.headers)
    assert "content-disposition" not in sent.headers


@on_sqlite
def test_byte_ranges_are_exact(rater: TestClient, settings: Settings) -> None:
    """Status 206 with the requested bytes and their position: start, middle, open end, suffix, beyond the end."""
    address = on_screen(rater)
    whole = file_of(settings, address)
    size = len(whole)
    for asked, first, last in (
        ("0-0", 0, 0),
        ("0-99", 0, 99),
        ("100-299", 100, 299),
        ("500-", 500, size - 1),
        ("-100", size - 100, size - 1),
        (f"{size - 10}-{size + 500}", size - 10, size - 1),
    ):
        sent = rater.get(address, headers={"Range": f"bytes={asked}"})
        assert sent.status_code == 206, asked
        assert sent.content == whole[first : last + 1], asked
        assert sent.headers["content-range"] == f"bytes {first}-{last}/{size}", asked
        assert sent.headers["content-length"] == str(last - first + 1), asked


@on_sqlite
def test_a_range_beyond_the_end_is_refused_with_the_size(rater: TestClient, settings: Settings) -> None:
    """Status 416 and the size of the file, as RFC 9110 (15.5.17) requires."""
    address = on_screen(rater)
    size = len(file_of(settings, address))
    refused = rater.get(address, headers={"Range": f"bytes={size}-"})
    assert refused.status_code == 416
    assert refused.headers["content-range"] == f"bytes */{size}"


@on_sqlite
def test_a_range_of_a_changed_file_gives_the_whole_file(rater: TestClient, settings: Settings) -> None:
    """If-Range with the right ETag gives the range, with another one the whole file."""
    address = on_screen(rater)
    mark = rater.get(address).headers["etag"]
    part = rater.get(address, headers={"Range": "bytes=0-9", "If-Range": mark})
    whole = rater.get(address, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (part.status_code, whole.status_code) == (206, 200)
    assert whole.content == file_of(settings, address)


@pytest.mark.parametrize(
    "name",
    [
        "..%2fsecret",
        "..%2f..%2fhome%2fsecret",
        "%2e%2e%2fsecret",
        "%2e%2e/secret",
        "....//secret",
        "..%5csecret",
        "..%252fsecret",
        "%2fetc%2fpasswd",
        "secret",
        "sub/secret",
        "",
        "*",
        "%25",
        "a" * 5000,
    ],
)
@on_sqlite
def test_no_name_in_a_request_becomes_a_path(name: str, settings: Settings, visitor: Visitor) -> None:
    """Not even the researcher can open a file that belongs to no study."""
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    (settings.media / "sub").mkdir(parents=True)
    for place in (settings.home, settings.media, settings.media / "sub"):
        (place / "secret.mp4").write_bytes(b"nobody's business")
    answer = browser.get(f"/media/{name}.mp4")
    assert answer.status_code == 404
    assert b"nobody" not in answer.content


def test_a_clip_is_sent_only_to_its_rater_and_the_researcher(
    study: Study, rater: TestClient, study_maker: StudyMaker, visitor: Visitor, settings: Settings, database: Database
) -> None:
    """Signed out 401; rater of another study or rater without the clip 403; its rater and the researcher 200."""
    address = on_screen(rater)
    elsewhere = enter(visitor(), settings, study_maker(clips=1), "Eve")
    colleague = enter(visitor(), settings, study, "Ben")
    researcher = visitor()
    researcher.get(f"/researcher/{auth.researcher_key(settings)}")
    browsers = (visitor(), elsewhere, colleague, rater, researcher)
    assert [browser.get(address).status_code for browser in browsers] == [401, 403, 403, 200, 200]
    with database.reader() as db:
        keys = db.scalars(select(col(StudyClip.media_key)).where(col(StudyClip.study_id) == study.id)).all()
        clip = {clip.id: clip.media_key for clip in db.scalars(select(StudyClip)).all()}
        all_of_them = [(row.id, clip[row.study_clip_id]) for row in db.scalars(select(Assignment)).all()]
    assert {rater.get(f"/media/{key}.mp4").status_code for key in keys} == {403}, "a clip's own name is no address"
    own = [rater.get(address_of(*one)).status_code for one in all_of_them if one[1] in keys]
    assert own.count(200) == 3, "the clip on screen and the two that load, no other"
    assert set(own) == {200, 403}
    number, mark = address.removeprefix("/media/").removesuffix(".mp4").split("-")
    wrong = [
        f"/media/{number}-{mark[:-1]}{'0' if mark[-1] != '0' else '1'}.mp4",
        f"/media/{int(number) + 1}-{mark}.mp4",
    ]
    assert [rater.get(one).status_code for one in wrong] == [404, 404]


@on_sqlite
def test_a_clip_already_answered_can_still_be_watched(rater: TestClient) -> None:
    """Undo shows an answered clip again."""
    address = on_screen(rater)
    asked = re.search(r'action="(/rate/\d+)"', rater.get("/rate").text)
    assert asked
    rater.post(asked.group(1), data=form("s"))
    assert on_screen(rater) != address
    assert rater.get(address).status_code == 200


@on_sqlite
def test_a_clip_whose_file_is_missing_is_a_404(rater: TestClient, settings: Settings) -> None:
    """The page says what to do."""
    address = on_screen(rater)
    path_of(settings, address).unlink()
    answer = rater.get(address)
    assert answer.status_code == 404
    assert "gone from the server" in answer.text


TITLE = "confidential: sharpness 12.5 of camera 7"


def telling_video(
    path: Path, codec: str = "libx264", *, pixels: str = "yuv420p", size: tuple[int, int] = (160, 90)
) -> Path:
    """A second of video with titles on container and stream, as cameras and editors write them."""
    width, height = size
    with av.open(str(path), "w") as made:
        made.metadata.update(title=TITLE, comment=TITLE)
        stream = made.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.metadata["title"] = TITLE
        stream.metadata["handler_name"] = TITLE
        for picture in moving([(number, 0) for number in range(25)], width, height):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        made.mux(stream.encode(None))
    return path


def pictures_of(path: Path) -> tuple[list[Image], list[Fraction]]:
    """Every decoded picture and the second at which it is shown."""
    with av.open(str(path)) as given:
        frames = list(given.decode(video=0))
    times = [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in frames]
    return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames], times


def boxes(data: bytes) -> list[str]:
    """Names of an MP4 file's outermost boxes, in order (ISO/IEC 14496-12, 4.2)."""
    names, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8].decode())
        at += size
    return names


def test_a_prepared_copy_has_the_same_frames_and_no_metadata(tmp_path: Path) -> None:
    """Title, comment, handler and x264's settings are removed; every frame and its time stay; it starts at once."""
    source, target = telling_video(tmp_path / "camera-7.mp4"), tmp_path / "media" / "copy.mp4"
    assert TITLE.encode() in source.read_bytes()
    assert b"x264 - core" in source.read_bytes()
    clip_files.prepare(source, target)
    data = target.read_bytes()
    for word in (TITLE.encode(), b"x264", b"camera-7", b"Lavf", b"crf="):
        assert word not in data, word
    before, after = pictures_of(source), pictures_of(target)
    assert len(before[0]) == 25
    assert after[1] == before[1]
    assert all(np.array_equal(one, other) for one, other in zip(before[0], after[0], strict=True))
    names = boxes(data)
    assert names.index("moov") < names.index("mdat")
    assert [path.name for path in target.parent.iterdir()] == ["copy.mp4"]


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mkv", "libx264", "yuv444p"),
        ("a.mkv", "ffv1", "yuv420p"),
    ],
)
def test_other_codecs_and_pixel_formats_become_h264(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    """Another codec or pixel format becomes H.264 in 4:2:0 with the same size, duration and look, without titles."""
    source, target = telling_video(tmp_path / name, codec, pixels=pixels), tmp_path / "copy.mp4"
    clip_files.prepare(source, target)
    with av.open(str(target)) as made:
        context = made.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 160, 90)
    before, after = pictures_of(source), pictures_of(target)
    assert len(after[0]) == len(before[0]) == 25
    assert after[1] == pytest.approx(before[1], abs=0.002)
    differences = [np.abs(one.astype(int) - other).mean() for one, other in zip(before[0], after[0], strict=True)]
    assert max(differences) < 6
    assert TITLE.encode() not in target.read_bytes()


def test_an_odd_size_loses_one_row_and_one_column(tmp_path: Path) -> None:
    """4:2:0 needs even sizes; the rest of the picture stays."""
    source = telling_video(tmp_path / "odd.mkv", "ffv1", size=(161, 91))
    clip_files.prepare(source, tmp_path / "copy.mp4")
    assert pictures_of(tmp_path / "copy.mp4")[0][0].shape == (90, 160, 3)


@pytest.mark.parametrize(
    ("codec", "spoken", "heard"),
    [("libx264", "aac", "aac"), ("libx264", "mp3", "mp3"), ("libx264", "ac3", "aac"), ("mpeg4", "aac", "aac")],
)
def test_sound_is_kept(codec: str, spoken: str, heard: str, tmp_path: Path) -> None:
    """It is copied if browsers play the codec, otherwise re-encoded; its titles are removed."""
    source = tmp_path / "talk.mp4"
    with av.open(str(source), "w") as made:
        picture = made.add_stream(codec, rate=25)
        sound = made.add_stream(spoken, rate=32000)
        assert isinstance(picture, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        picture.width, picture.height, picture.pix_fmt = 160, 90, "yuv420p"
        sound.layout = "mono"
        sound.metadata["handler_name"] = TITLE
        for one in moving([(number, 0) for number in range(25)], 160, 90):
            made.mux(picture.encode(av.VideoFrame.from_ndarray(one, format="bgr24")))
        for _ in range(15):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 32000
            made.mux(sound.encode(frame))
        made.mux(picture.encode(None))
        made.mux(sound.encode(None))
    clip_files.prepare(source, tmp_path / "copy.mp4")
    with av.open(str(tmp_path / "copy.mp4")) as given:
        assert [one.codec_context.codec.canonical_name for one in given.streams] == ["h264", heard]
        samples = sum(frame.samples for frame in given.decode(audio=0))
    assert samples == pytest.approx(15 * 1024, abs=3000)
    assert TITLE.encode() not in (tmp_path / "copy.mp4").read_bytes()


@pytest.mark.parametrize("name", ["film.mkv", "film.mov"])
def test_a_copy_has_every_frame_of_any_container(name: str, tmp_path: Path) -> None:
    """Matroska has no decoding times: the first packets, including the key frame, come without them."""
    source = write_film(tmp_path / name, scene(1, 50), sound=None)
    clip_files.prepare(source, tmp_path / "copy.mp4")
    before, after = pictures_of(source), pictures_of(tmp_path / "copy.mp4")
    assert len(before[0]) == 50
    assert all(np.array_equal(one, other) for one, other in zip(before[0], after[0], strict=True))
    assert after[1] == pytest.approx(before[1], abs=0.002)


def test_re_encoding_keeps_rotation_aspect_ratio_and_times(tmp_path: Path) -> None:
    """A phone's rotation is applied, pixels keep their aspect ratio, frames of variable length keep their times."""
    source, times = tmp_path / "phone.mkv", [0, 1, 2, 3, 9, 10, 30]
    with av.open(str(source), "w") as made:
        stream = made.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(90)
        for time in times:
            frame = av.VideoFrame.from_ndarray(texture(160, 90), format="bgr24")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    clip_files.prepare(source, tmp_path / "copy.mp4")
    with av.open(str(tmp_path / "copy.mp4")) as made_copy:
        assert made_copy.streams.video[0].sample_aspect_ratio == Fraction(3, 4)
        assert round(next(made_copy.decode(video=0)).rotation) == 0
    before, after = pictures_of(source), pictures_of(tmp_path / "copy.mp4")
    assert after[1] == pytest.approx([Fraction(time, 25) for time in times], abs=0.002)
    assert np.abs(np.rot90(before[0][0]).astype(int) - after[0][0]).mean() < 6


def test_a_playlist_cannot_open_another_file(tmp_path: Path) -> None:
    """A playlist named .mp4 that refers to another clip is refused, and nobody sees that clip."""
    write_video(tmp_path / "good.mp4", moving([(n, 0) for n in range(10)]))
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'good.mp4'\n")
    with pytest.raises(AppError, match=r"list\.mp4 cannot be made ready"):
        clip_files.prepare(tmp_path / "list.mp4", tmp_path / "copy.mp4")
    assert not (tmp_path / "copy.mp4").exists()


def garbage(tmp_path: Path) -> Sequence[Path]:
    """Files that are no video: text, nothing, a cut-off MP4, sound alone, a folder, nothing at all."""
    whole = BytesIO(write_video(tmp_path / "good.mp4", moving([(n, 0) for n in range(10)])).read_bytes())
    (tmp_path / "text.mp4").write_text("no video" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(whole.read(600))
    write_sound(tmp_path / "sound.mp4")
    (tmp_path / "folder.mp4").mkdir()
    return [tmp_path / f"{name}.mp4" for name in ("text", "empty", "cut", "sound", "folder", "missing")]


def test_a_file_that_is_not_a_video_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    """The error names the file and a remedy; neither a copy nor a part of it stays."""
    for source in garbage(tmp_path):
        with pytest.raises(AppError, match=rf"The clip {source.name} cannot be made ready"):
            clip_files.prepare(source, tmp_path / "media" / "copy.mp4")
        assert list((tmp_path / "media").iterdir()) == []


def test_a_failed_copy_keeps_the_previous_one(tmp_path: Path) -> None:
    """The target is replaced completely or not at all."""
    target = tmp_path / "copy.mp4"
    target.write_bytes(b"the last good one")
    (tmp_path / "bad.mp4").write_bytes(b"x" * 5000)
    with pytest.raises(AppError):
        clip_files.prepare(tmp_path / "bad.mp4", target)
    assert target.read_bytes() == b"the last good one"
