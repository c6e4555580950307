"""Pool import: every type of source, guessed mappings, errors, and that no record is lost unnoticed."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from app.errors import AppError
from app.pools.importing import ImportSummary, import_pool
from app.pools.pool_files import read_pool
from tests.helpers.real_videos import moving, texture, write_video

HEAD = [f"{of}_{part}" for of in ("avg", "min") for part in ("movement", "rotation")]


def record(number: int, **more: Any) -> dict[str, Any]:
    """A record in TalkVid's format (arXiv 2508.13618, data card)."""
    return {
        "id": f"videovideoAb-{number}x-scene{number}-scene1",
        "height": 1080,
        "width": 1920,
        "fps": 24.0,
        "start-time": 0.1,
        "start-frame": 0,
        "end-time": 5.142,
        "end-frame": 121,
        "durations": "5.042s",
        "info": {"Person ID": "007", "Age Group": "60+", "Video Link": f"https://example.org/{number}"},
        "description": 'A woman says "hi", {calmly}, [twice].',
        "dover_scores": 8.9,
        "cotracker_ratio": 0.92,
        "head_detail": {"scores": dict.fromkeys(HEAD, 90.0 + number)},
    } | more


def imported(source: Path, *maps: str, **more: Any) -> tuple[ImportSummary, pl.DataFrame]:
    """The summary of an import, and the rows of the pool."""
    output = source.parent / "pool.parquet"
    made = import_pool([str(source)], str(output), maps=maps, **more)
    return made, read_pool(output).frame


def saved(folder: Path, name: str, content: Any) -> Path:
    """Write a file of text or bytes, or by its suffix of JSON or JSON Lines."""
    path = folder / name
    if isinstance(content, bytes | str):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(one) + "\n" for one in content), encoding="utf-8")
    else:
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path


def rejects(folder: Path) -> list[dict[str, Any]]:
    """The content of the file of bad records."""
    return [json.loads(line) for line in (folder / "pool.rejects.jsonl").read_text("utf-8").splitlines()]


def error_message(source: Path, *maps: str, **more: Any) -> str:
    """The message of an import that fails and leaves no file behind."""
    before = {path.name for path in source.parent.iterdir()}
    with pytest.raises(AppError) as caught:
        imported(source, *maps, **more)
    assert {path.name for path in source.parent.iterdir()} == before
    return str(caught.value)


@pytest.mark.parametrize("name", ["released.json", "pipeline.jsonl"])
def test_talkvid_records_become_a_pool(tmp_path: Path, name: str) -> None:
    """The released list and pipeline lines give seconds, nested info and head scores under TalkVid's names."""
    rows = [record(1), record(2, **{"video-path": "clips/two.mp4"}), record(3, durations=None, info=None)]
    del rows[2]["head_detail"]
    made, frame = imported(saved(tmp_path, name, rows))
    assert (made.clips, made.rejected, made.rejects) == (3, 0, "")
    assert frame["media"].to_list() == [f"{rows[0]['id']}.mp4", "clips/two.mp4", f"{rows[2]['id']}.mp4"]
    assert frame["duration"].to_list() == pytest.approx([5.042] * 3)  # the third from its start and end
    assert frame["source"].to_list() == ["https://example.org/1", "https://example.org/2", "videovideoAb-3x"]
    assert frame["Person ID"].to_list() == ["007", "007", None]
    assert frame["avg_movement"].to_list() == [91.0, 92.0, None]
    assert "info" not in frame.columns
    assert "head_detail" not in frame.columns
    pool = read_pool(tmp_path / "pool.parquet")
    assert pool.score_columns() == ["dover_scores", "cotracker_ratio", *HEAD]
    assert pool.record["import"][0]["mapping"]["avg_movement"] == "head_detail.scores.avg_movement"


def test_bad_records_go_to_a_file_with_line_and_reason(tmp_path: Path) -> None:
    """Each type of bad record is listed with line, reason and beginning; the good ones become a pool."""
    good = json.dumps(record(1))
    texts = [
        good,
        '{"id": "broken", ',
        "[1, 2]",
        json.dumps(record(4, id=None)),
        json.dumps(record(5, durations="long")),
        "",
        json.dumps(record(7, dover_scores="very")),
        json.dumps(record(8, dover_scores=[1])),
        json.dumps(record(9, id="x" * 501)),
        '{"id": "deep", "info": ' + "[" * 3000 + "]" * 3000 + "}",
        json.dumps(record(11, durations=-3)),
        '{"id": "\\ud800"}',
        json.dumps(record(13, id="a\nb")),
    ]
    made, frame = imported(saved(tmp_path, "made.jsonl", "\n".join(texts)))
    assert frame["clip"].to_list() == [record(1)["id"]]
    found = {row["line"]: row["reason"] for row in rejects(tmp_path)}
    wanted = {2: "not JSON", 3: "not an object", 4: "no id", 5: "duration is no length: long", 7: "dover_scores is no"}
    wanted |= {8: "dover_scores is no", 9: "longer than 500", 10: "not JSON", 11: "no length: -3", 12: "not JSON"}
    wanted |= {13: "control characters"}
    assert set(found) == set(wanted)
    assert all(words in found[line] for line, words in wanted.items()), found
    assert all(row["text"] and row["file"] == "made.jsonl" for row in rejects(tmp_path))
    assert (made.rejected, made.rejects) == (11, str(tmp_path / "pool.rejects.jsonl"))


def test_an_import_without_bad_records_removes_an_old_file_of_them(tmp_path: Path) -> None:
    """The file of bad records always belongs to the current pool."""
    imported(saved(tmp_path, "made.jsonl", [record(1), {"no": "id"}]))
    assert rejects(tmp_path)
    imported(saved(tmp_path, "made.jsonl", [record(1)]))
    assert not (tmp_path / "pool.rejects.jsonl").exists()


def test_nan_and_infinity_become_null_and_are_counted(tmp_path: Path) -> None:
    """A clip with such a score is kept."""
    values = [8.0, float("nan"), float("inf"), "NaN", None, " 7.5 "]
    rows = [record(number, dover_scores=value) for number, value in enumerate(values)]
    made, frame = imported(saved(tmp_path, "made.json", rows))
    assert frame["dover_scores"].to_list() == [8.0, None, None, None, None, 7.5]
    assert {one.column: one.lost for one in made.sources[0].fields}["dover_scores"] == 3


def test_strict_refuses_the_import_and_names_the_first_bad_record(tmp_path: Path) -> None:
    """With --strict one bad record is an error, and no file is written."""
    source = saved(tmp_path, "made.jsonl", [record(1), record(2, durations="soon")])
    assert "1 of 2 are bad" in (said := error_message(source, strict=True))
    assert "made.jsonl, line 2: duration is no length: soon" in said


def test_duplicate_clips_are_an_error(tmp_path: Path) -> None:
    """The message has the id and both positions, within a file and across files."""
    rows = [record(1, id="a"), record(2, id="b"), record(3, id="a")]
    source = saved(tmp_path, "made.json", rows)
    assert "'a': made.json record 1, made.json record 3" in error_message(source)
    one, other = (saved(tmp_path, name, [record(1, id="a")]) for name in ("one.json", "other.jsonl"))
    with pytest.raises(AppError, match=r"'a': one.json record 1, other.jsonl line 1"):
        import_pool([str(one), str(other)], str(tmp_path / "pool.parquet"))


@pytest.mark.parametrize(
    ("text", "clips", "reason"),
    [
        ('[{"id": "a"}, {"id": "b", "x": tru}, {"id": "c"}]', ["a", "c"], "not JSON"),
        ('[{"id": "a"}, 7, {"id": "c"}]', ["a", "c"], "not an object"),
        ('[{"id": "a"}, {"id": "b", ', ["a"], "broken from here to its end"),
        ('[{"id": "a"}, {"id": "b"', ["a"], "broken from here to its end"),
        ('[{"id": "a"}] {"id": "b"}', ["a"], "nothing after it was read"),
    ],
)
def test_a_damaged_list_gives_the_records_that_can_be_read(
    tmp_path: Path, text: str, clips: list[str], reason: str
) -> None:
    """A fault costs only its record; damage to the list itself is reported."""
    _, frame = imported(saved(tmp_path, "made.json", text))
    assert frame["clip"].to_list() == clips
    assert len(rejects(tmp_path)) == 1
    assert reason in rejects(tmp_path)[0]["reason"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("made.csv", 'id,duration,language,sharpness\r\n007,5.5s,en,"1,5"\r\n008,1:02.5,"f\nr",N/A\r\n'),
        ("made.csv", "id;duration;language;sharpness\n007;5.5;en;1,5\n008;62.5s;f\nr;\n".replace("f\nr", '"f\nr"')),
        ("made.tsv", 'id\tduration\tlanguage\tsharpness\n007\t5.5 s\ten\t1,5\n008\t62500ms\t"f\nr"\t\n'),
    ],
)
def test_tables_of_text_are_read_by_their_separator(tmp_path: Path, name: str, text: str) -> None:
    """CSV with commas or semicolons, TSV, a byte order mark, quoted line ends; ids keep leading zeros."""
    _, frame = imported(saved(tmp_path, name, "\ufeff" + text))
    assert frame["clip"].to_list() == ["007", "008"]
    assert frame["duration"].to_list() == [5.5, 62.5]
    assert frame["language"].to_list() == ["en", "f\nr"]
    assert frame["sharpness"][0] == "1,5"  # not a number in this format, so it stays text


def test_rows_of_a_table_with_too_few_or_too_many_fields_are_bad(tmp_path: Path) -> None:
    """The line number is right even after a field of several lines; numbers are read as numbers, 007 as a name."""
    text = b'id,score,code\na,1.5,007\nb,2\n"c\nc2",3,1,9\nd,\xff,2\ne,nan,012\n'
    made, frame = imported(saved(tmp_path, "made.csv", text))
    assert frame["clip"].to_list() == ["a", "e"]
    assert frame["score"].to_list() == [1.5, None]
    assert frame["code"].to_list() == ["007", "012"]
    assert [(row["line"], row["reason"]) for row in rejects(tmp_path)] == [
        (3, "It has 2 fields where the header has 3."),
        (4, "It has 4 fields where the header has 3."),
        (6, "It is not UTF-8 text."),
    ]
    assert [one.role for one in made.sources[0].fields if one.column in ("score", "code")] == ["score", "metadata"]


@pytest.mark.parametrize(
    ("content", "clip", "media"),
    [
        (
            [{"id": 12, "data": {"video": "s3://b/a.mp4", "sharpness": 3}, "annotations": [{"id": 1}]}],
            "12",
            "s3://b/a.mp4",
        ),
        ({"samples": [{"_id": {"$oid": "f1"}, "filepath": "/v/a.mp4", "metadata": {"duration": 3}}]}, "f1", "/v/a.mp4"),
        ({"info": {}, "videos": [{"id": 7, "file_name": "v/a.mp4", "width": 9}], "annotations": []}, "7", "v/a.mp4"),
        ({"videos": [{"file_name": "v/a b.mp4"}]}, "a b", "v/a b.mp4"),
    ],
)
def test_lists_of_other_programs_are_read(tmp_path: Path, content: Any, clip: str, media: str) -> None:
    """Label Studio's tasks (without annotations), FiftyOne's samples, COCO's videos, a list of files."""
    _, frame = imported(saved(tmp_path, "made.json", content))
    assert frame.select("clip", "media").row(0) == (clip, media)
    assert not any("annotations" in name for name in frame.columns)


def test_nested_parquet_is_read_like_json(tmp_path: Path) -> None:
    """Records saved as Parquet give the same pool as the records in JSON."""
    rows = [record(number) for number in range(5)]
    pl.DataFrame(rows).write_parquet(tmp_path / "records.parquet")
    _, from_parquet = imported(tmp_path / "records.parquet")
    _, from_json = imported(saved(tmp_path, "made.json", rows))
    assert from_parquet.equals(from_json)


def test_a_folder_of_videos_becomes_a_pool(tmp_path: Path) -> None:
    """Facts of the containers, columns of the manifest, relative paths; a file that is not a video is a bad record."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "a.mp4", moving([(0, 0)] * 10), 10)
    (folder / "b.mp4").write_bytes(b"no video")
    manifest = {"id": "a", "video-path": "a.mp4", "source": "film", "info": {"Language": "en"}}
    (folder / "manifest.jsonl").write_text(json.dumps(manifest) + "\n")
    _, frame = imported(folder)
    row = frame.row(0, named=True)
    assert (row["clip"], row["media"], row["source"], row["language"]) == ("a", "videos/a.mp4", "film", "en")
    assert (row["duration"], row["width"], row["height"], row["fps"]) == (1.0, 320, 180, 10.0)
    assert read_pool(tmp_path / "pool.parquet").media_path("a").is_file()
    assert "no video" in rejects(tmp_path)[0]["reason"]


def test_the_user_overrides_the_guesses(tmp_path: Path) -> None:
    """Another field, a text of fields, a column left out, the last part of a path; the record has all of them."""
    rows = [{"key": "a", "id": "no", "q": {"dover": "8"}, "note": "x"}, {"key": "b", "id": "no", "q": {"dover": "9"}}]
    source = saved(tmp_path, "made.json", rows)
    _, frame = imported(source, "clip=key", "media=clips/{key}.mp4", "dover_scores=dover", "note=")
    assert frame["clip"].to_list() == ["a", "b"]
    assert frame["media"].to_list() == ["clips/a.mp4", "clips/b.mp4"]
    assert frame["dover_scores"].to_list() == [8.0, 9.0]
    assert "note" not in frame.columns
    mapping = read_pool(tmp_path / "pool.parquet").record["import"][0]["mapping"]
    assert (mapping["clip"], mapping["dover_scores"]) == ("key", "q.dover")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("clip=idd", r"has no field 'idd'. Did you mean id,.*--map COLUMN=FIELD"),
        ("clip", "'clip' has no COLUMN=FIELD"),
        ("media={id.mp4", "a brace without its partner"),
        ("media=x/{idd}.mp4", "has no field 'idd'"),
    ],
)
def test_a_wrong_mapping_is_an_error_that_explains_the_option(tmp_path: Path, word: str, said: str) -> None:
    """The message names a similar field and how a mapping is written."""
    source = saved(tmp_path, "made.json", [record(1)])
    with pytest.raises(AppError, match=f"(?s){said}"):
        imported(source, word)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("made.json", b"", "is empty"),
        ("made.jsonl", b" \n\n ", "is empty"),
        ("made.json", b"[]", "holds no records"),
        ("made.csv", b"id,duration\n", "holds no records"),
        ("made.json", b'{"id": ', "cannot be read as JSON"),
        ("made.json", "[1]".encode("utf-16"), "UTF-16"),
        ("made.xlsx", b"PK", "no kind that can be imported"),
        ("made.parquet", b"PAR1", "cannot be read|not Parquet"),
        ("made.json.gz", b"no gzip", "packed, and broken"),
        ("made.json", b'[{"duration": 3}]', "No field of made.json names the clips"),
        ("made.json", b'[{"id": "a", "durations": "x"}]', "No record can be used: 1 of 1"),
        (
            "made.json",
            json.dumps([{"id": 1, f"k{n}": 1} for n in range(2100)]).encode(),
            "more different fields than",
        ),
    ],
)
def test_a_source_without_clips_is_an_error(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """The message says what is wrong with the file, and nothing is written."""
    assert re.search(said, error_message(saved(tmp_path, name, content)))


def test_compressed_records_are_read(tmp_path: Path) -> None:
    """A list in a .json.gz file is read."""
    _, frame = imported(saved(tmp_path, "made.json.gz", gzip.compress(json.dumps([record(1)]).encode())))
    assert frame.height == 1


def test_hostile_names_of_fields_become_harmless_columns(tmp_path: Path) -> None:
    """Patterns, control characters, very long, empty and reserved names: every field is kept under a valid name."""
    names = [
        "*",
        "^.*$",
        "",
        "a\x1b[2Jb",
        "n" * 5000,
        "pass_all",
        "reason",
        "clipjury",
        "a.b",
        "line",
        "place",
        "fault",
    ]
    row = {"id": "c", "a": {"b": "inner"}, **{name: f"value {number}" for number, name in enumerate(names)}}
    _, frame = imported(saved(tmp_path, "made.json", [row]))
    values = set(frame.drop("clip", "media", "source", "duration", "width", "height", "fps").row(0)) - {None}
    assert values == {"inner", *(f"value {number}" for number in range(len(names)))}
    assert all(name.isprintable() and len(name) <= 90 and name[0] not in "^*" for name in frame.columns)
    pl.DataFrame([row]).write_parquet(tmp_path / "nested.parquet")
    _, again = imported(tmp_path / "nested.parquet")
    assert set(again.columns) == set(frame.columns)


def test_a_field_of_mixed_types_is_text_and_loses_nothing(tmp_path: Path) -> None:
    """Numbers, objects, lists and booleans in one field become text."""
    values = [1, 2.5, "x", True, [1, "a"], {"k": 1}, None, 10**30]
    _, frame = imported(saved(tmp_path, "made.json", [{"id": n, "v": value} for n, value in enumerate(values)]))
    assert frame["v"].to_list() == ["1", "2.5", "x", "true", '[1, "a"]', None, None, str(10**30)]
    assert frame["v.k"].to_list() == [None] * 5 + [1] + [None] * 2


def test_several_sources_make_one_pool(tmp_path: Path) -> None:
    """The pool has the columns of all sources; a column of two types holds both."""
    one = saved(tmp_path, "one.json", [record(1, extra=3)])
    other = saved(tmp_path, "other.csv", "clip_id,path,extra\nz,v/z.mp4,many\n")
    made = import_pool([str(one), str(other)], str(tmp_path / "pool.parquet"))
    frame = read_pool(tmp_path / "pool.parquet").frame
    assert made.clips == 2
    assert frame["media"].to_list() == [f"{record(1)['id']}.mp4", "v/z.mp4"]
    assert frame["extra"].to_list() == ["3", "many"]


def test_a_pool_that_was_not_imported_is_not_overwritten(tmp_path: Path) -> None:
    """An import may be repeated, but a scored pool, a folder or the source is not replaced."""
    source = saved(tmp_path, "made.json", [record(1)])
    imported(source)
    imported(source)
    pl.DataFrame({"clip": ["a"], "media": ["a.mp4"]}).write_parquet(tmp_path / "pool.parquet")
    assert "an import alone did not make it" in error_message(source)
    _, frame = imported(source, force=True)
    assert frame.height == 1
    with pytest.raises(AppError, match="is the source itself"):
        import_pool([str(tmp_path / "pool.parquet")], str(tmp_path / "pool.parquet"))


def test_importing_a_pool_again_keeps_how_it_was_made(tmp_path: Path) -> None:
    """Scores, their record and other columns are kept."""
    imported(saved(tmp_path, "made.json", [record(1), record(2)]))
    first = (tmp_path / "pool.parquet").rename(tmp_path / "first.parquet")
    _, frame = imported(first)
    assert frame.equals(read_pool(first).frame)
    assert read_pool(tmp_path / "pool.parquet").score_columns() == read_pool(first).score_columns()


def test_a_playlist_called_a_video_is_not_followed(tmp_path: Path) -> None:
    """A concat list with the suffix .mp4 that names another file is a bad record, without the other file's facts."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "real.mp4", [texture() for _ in range(5)])
    (folder / "list.mp4").write_text("ffconcat version 1.0\nfile real.mp4\n")
    made = import_pool([str(folder)], str(tmp_path / "pool.parquet"))
    assert pl.read_parquet(tmp_path / "pool.parquet")["clip"].to_list() == ["real"]
    assert made.rejected == 1
