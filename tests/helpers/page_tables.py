"""The tables of an HTML page as text: for tests that compare what several pages say."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class PageTable:
    """A table by the label of its box: the last row of headings, and the rows of its body, with spaces made single."""

    label: str
    headings: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def row(self, *first: str) -> list[str]:
        """The only row that begins with these cells."""
        [found] = [row for row in self.rows if row[: len(first)] == list(first)]
        return found

    def cell(self, heading: str, *first: str) -> str:
        """The cell of that row under the first column of this name."""
        return self.row(*first)[self.headings.index(heading)]


def tables_of(page: str) -> dict[str, PageTable]:
    """Every table of a page that lies in a labelled box, by the box's label."""
    reader = _Reader()
    reader.feed(page)
    return reader.tables


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, PageTable] = {}
        self._table: PageTable | None = None
        self._in_head = False
        self._row: list[str] = []
        self._cell: list[str] | None = None
        self._columns = 1

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        label = given.get("aria-label")
        if given.get("role") == "region" and label:
            self._table = self.tables[label] = PageTable(label)
        if tag in ("thead", "tbody"):
            self._in_head = tag == "thead"
        if tag == "tr":
            self._row = []
        if tag in ("td", "th"):
            self._cell, self._columns = [], int(given.get("colspan") or 1)

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self._row += [" ".join("".join(self._cell).split())] * self._columns
            self._cell = None
        if tag == "tr" and self._table is not None:
            if self._in_head:
                self._table.headings = self._row
            else:
                self._table.rows.append(self._row)
        if tag == "table":
            self._table = None
