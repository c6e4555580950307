"""Rows of tables as lines of JSON, the same bytes from SQLite and PostgreSQL, and back."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Connection,
    DateTime,
    Float,
    Select,
    Table,
    Text,
    cast,
    func,
    insert,
    select,
)
from sqlalchemy.types import TypeEngine

BATCH = 1000
"""Rows that are held in memory at once."""


@dataclass(frozen=True)
class Digest:
    """What the rows of a table are recognised by: their number, the bytes of their lines, the SHA-256 of the lines."""

    rows: int
    size: int
    sha256: str


class Digester:
    """Compute the digest of lines while they pass."""

    def __init__(self) -> None:
        self._rows = self._size = 0
        self._hash = hashlib.sha256()

    def passing(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The same lines."""
        for line in lines:
            self._rows += 1
            self._size += len(line)
            self._hash.update(line)
            yield line

    def digest(self) -> Digest:
        """The digest of the lines so far."""
        return Digest(self._rows, self._size, self._hash.hexdigest())


def lines(connection: Connection, table: Table) -> Iterator[bytes]:
    """Each row of a table as a line of JSON, in the order of the primary key, read a thousand at a time.

    Keys are sorted; a column that is NULL is left out, so that it differs from a JSON column that holds `null`. Times
    are in UTC, whatever the time zone of the connection.
    """
    names = sorted(table.columns.keys())
    # JSON is read as text: the drivers return None for NULL and for `null`.
    columns = [cast(table.c[name], Text) if isinstance(table.c[name].type, JSON) else table.c[name] for name in names]
    writers = [_writer(table, name) for name in names]
    query = select(*columns).order_by(*_order(connection, table)).execution_options(yield_per=BATCH)
    for row in connection.execute(query):
        values = {
            name: value if write is None else write(value)
            for name, value, write in zip(names, row, writers, strict=True)
            if value is not None
        }
        yield json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _order(connection: Connection, table: Table) -> list[Any]:
    """The primary key; text in the order of its bytes, because PostgreSQL would sort it by a language."""
    by_language = connection.dialect.name == "postgresql"
    return [
        column.collate("C") if by_language and isinstance(column.type, Text) else column for column in table.primary_key
    ]


def _writer(table: Table, name: str) -> Callable[[Any], object] | None:
    kind = table.c[name].type
    if isinstance(kind, DateTime):
        return _utc_text
    return json.loads if isinstance(kind, JSON) else None


def _utc_text(value: datetime) -> str:
    return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()


def digest(connection: Connection, table: Table) -> Digest:
    """The digest of the rows of a table."""
    counted = Digester()
    for _line in counted.passing(lines(connection, table)):
        pass
    return counted.digest()


def add(connection: Connection, table: Table, given: Iterable[bytes]) -> None:
    """Insert rows from their lines.

    Raises ValueError, an SQLAlchemyError or a psycopg.Error if a line is not a row of the table.
    """
    if connection.dialect.name == "postgresql":
        _copy(connection, table, given)
        return
    for part in batched_lines(given):
        connection.execute(insert(table), [_row(table, line) for line in part])


def _copy(connection: Connection, table: Table, given: Iterable[bytes]) -> None:
    """Insert rows with COPY, which takes a tenth of the time of INSERT, and update the statistics for queries."""
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, psycopg.Connection)
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    target = sql.Identifier(table.name)
    with driver.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(target, names)) as copy:
            for line in given:
                row = _row(table, line)
                copy.write_row([_copied(column.type, row[column.name]) for column in table.columns])
        cursor.execute(sql.SQL("ANALYZE {}").format(target))


def _copied(kind: Any, value: Any) -> Any:
    """A value as COPY takes it: JSON is text, written as the ORM writes it."""
    if not isinstance(kind, JSON) or value is None:
        return value
    return "null" if value is JSON.NULL else json.dumps(value)


def batched_lines(given: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines, a thousand at a time."""
    part: list[bytes] = []
    for line in given:
        part.append(line)
        if len(part) == BATCH:
            yield part
            part = []
    if part:
        yield part


def _row(table: Table, line: bytes) -> dict[str, Any]:
    values = json.loads(line)
    if not isinstance(values, dict) or not values.keys() <= set(table.columns.keys()):
        raise ValueError(f"a line has columns that {table.name} lacks")
    return {column.name: _value(column.type, values, column.name) for column in table.columns}


_PLAIN: dict[type[TypeEngine[Any]], tuple[type, ...]] = {
    DateTime: (str,),
    Text: (str,),
    Boolean: (bool,),
    BigInteger: (int,),
    Float: (float, int),
}
"""The types that JSON gives for the values of each type of column."""


def _value(kind: Any, values: dict[str, Any], name: str) -> Any:
    value = values.get(name)
    if isinstance(kind, JSON):
        return JSON.NULL if value is None and name in values else value
    if value is None:
        return None
    if type(value) not in _PLAIN[type(kind)]:  # SQLite would store text in a column of numbers
        raise ValueError(f"the column {name} holds {type(value).__name__}")
    return datetime.fromisoformat(value) if isinstance(kind, DateTime) else value


def set_sequences(connection: Connection, tables: Iterable[Table]) -> None:
    """Let new rows have ids after those that were inserted. SQLite needs nothing: it looks at the highest id."""
    for table in tables:
        sequence = sequence_of(connection, table)
        if sequence is not None:
            highest = connection.execute(select(func.max(*table.primary_key))).scalar()
            connection.execute(select(func.setval(sequence, highest or 1, highest is not None)))


def sequence_of(connection: Connection, table: Table) -> str | None:
    """The sequence that PostgreSQL takes a table's ids from; None on SQLite and for other keys."""
    keys = list(table.primary_key)
    if connection.dialect.name != "postgresql" or len(keys) != 1:
        return None
    found: Select[Any] = select(func.pg_get_serial_sequence(f'"{table.name}"', keys[0].name))
    return connection.execute(found).scalar()
