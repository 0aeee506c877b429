"""What an importer hands over: a log and a catalogue as lazy tables with genrec's column names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from genrec.errors import DataError, suggest

LOG_COLUMNS = ("user_id", "item_id", "timestamp", "behavior", "value", "domain", "request_id", "position", "split")
ROW = "row"
PLACE = "place"  # of an interaction on its line, where a line of a file holds several
ORDER = (ROW, PLACE)  # what says where an interaction stood; neither is a column of the log


def by_place(rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Return one row for each member of a column of lists, with its place in the list."""
    places = pl.int_ranges(pl.col(column).list.len())
    return rows.with_columns(places.alias(PLACE)).explode(column, PLACE, empty_as_null=True)


@dataclass(frozen=True)
class Table:
    """Rows of one file, not yet read.

    Args:
        file: the file's path as messages show it.
        rows: the rows, with genrec's column names and ``row``, the line (or record) number from 1. Rows of one line
            also have ``place``: sorting by ``row`` alone may put them in any order.
        diagnose: looks for the lines that keep the file from being read; called when reading fails.
    """

    file: str
    rows: pl.LazyFrame
    diagnose: Callable[[], list[str]] = list

    @property
    def columns(self) -> list[str]:
        """The names of the columns, without ``row`` and ``place``."""
        return [name for name in self.rows.collect_schema().names() if name not in ORDER]

    def pick(self, **columns: str | None) -> Table:
        """Return the table with only the named columns, under their new names.

        Args:
            columns: the column of the file for each new name; None leaves the name out.

        Raises:
            DataError: naming every column that the file lacks.
        """
        wanted = {new: old for new, old in columns.items() if old is not None}
        known = self.columns
        missing = [
            f"{self.file} has no column {old!r} (for {new}).{suggest(old, known)}"
            for new, old in wanted.items()
            if old not in known
        ]
        if missing:
            raise DataError(missing, "Name the file's own columns under data.columns and data.item_columns.")
        return self.over(self.rows.select(ROW, *(pl.col(old).alias(new) for new, old in wanted.items())))

    def adding(self, **columns: pl.Expr) -> Table:
        """Return the table with further or replaced columns."""
        return self.over(self.rows.with_columns(**columns))

    def over(self, rows: pl.LazyFrame) -> Table:
        """Return the table with other rows made from its own."""
        return replace(self, rows=rows)


@dataclass(frozen=True)
class Source:
    """A log and, where there is one, its catalogue.

    Args:
        log: columns among ``LOG_COLUMNS``.
        items: ``item_id``, ``title``, further text columns, and optionally ``image``.
        notes: what the importer left out or decided, for the manifest.
        image_folder: the folder that relative image paths start from.
        users: ``user_id`` and columns that say who the user is.
    """

    log: Table
    items: Table | None = None
    notes: list[str] = field(default_factory=list)
    image_folder: Path = Path()
    users: Table | None = None
