"""Readers of the pool import: records split anywhere, arbitrary bytes, batches in memory or on disk."""

import io
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from app.pools.importing.batches import RecordCollector
from app.pools.importing.json_records import array, lines

JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-9, 9)
    | some.text(some.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text('ab{}[],"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
RECORDS = some.lists(some.dictionaries(some.text("ab}{", max_size=3), JSON, max_size=4), max_size=12)


@given(records=RECORDS, indent=some.sampled_from([None, 1]), piece=some.integers(1, 60))
def test_a_list_is_read_completely_with_any_buffer_size(
    records: list[dict[str, Any]], indent: int | None, piece: int
) -> None:
    """With braces in texts, nested objects and any size of pieces, the same records are read in order."""
    text = json.dumps(records, indent=indent).encode()
    batches = list(array(io.BytesIO(text[1:]), piece))
    assert [one for batch in batches for one in batch.records] == records
    assert [one for batch in batches for one in batch.places] == list(range(1, len(records) + 1))
    assert not any(batch.faults for batch in batches)
    told = b"".join(json.dumps(one).encode() + b"\r\n" for one in records)
    assert [one for batch in lines(io.BytesIO(told), piece) for one in batch.records] == records


@given(
    text=some.binary(max_size=60) | some.text('{}[],:"\\ab1 \n', max_size=80).map(str.encode),
    piece=some.integers(1, 90),
)
def test_no_bytes_break_the_readers(text: bytes, piece: int) -> None:
    """For any file content every batch has records and faults with increasing positions."""
    for batches in (array(io.BytesIO(text), piece), lines(io.BytesIO(text), piece)):
        places = [place for batch in batches for place in sorted([*batch.places, *(one[0] for one in batch.faults)])]
        assert places == sorted(places)


def test_batches_on_disk_give_the_same_table_as_in_memory(tmp_path: Path) -> None:
    """Batches with different columns give the same table, in memory or on disk."""
    tables = []
    for most in (0, 10**9):
        (tmp_path / str(most)).mkdir()
        gathered = RecordCollector(tmp_path / str(most), most)
        gathered.add([{"id": 1, "x": 1}, {"id": 2, "x": 2.5}], [1, 2])
        gathered.reject([(3, "broken", "...")])
        gathered.add([{"id": "c", "x": None, "y": [1.5]}], [4])
        gathered.add([{"id": "d", "y": "none"}], [5])
        tables.append(gathered.table().collect())
    assert tables[0].equals(tables[1])
    assert tables[0]["f0"].to_list() == ["1", "2", None, "c", "d"]
    assert tables[0]["place"].to_list() == [1, 2, 3, 4, 5]
    assert len(list((tmp_path / "0").iterdir())) == 4
