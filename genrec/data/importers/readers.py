"""Scan the file formats that logs come in, lazily, with every column as text and the line number beside it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.data.importers.source import ROW, Table
from genrec.errors import DataError

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".inter": "\t", ".item": "\t", ".user": "\t"}


def require(*files: Path) -> None:
    """Check that every file exists.

    Raises:
        DataError: naming every missing one.
    """
    missing = [f"There is no file {file}." for file in files if not file.is_file()]
    if missing:
        raise DataError(missing, "Check data.path and data.items.")


def scan_delimited(file: Path, separator: str, *, header: bool = True, quote: str | None = '"') -> Table:
    """Scan a text table; without a header, columns are called ``column_1`` and so on.

    ``row`` is the line number in the file as long as no quoted field holds a line break.
    """
    require(file)
    frame = pl.scan_csv(
        file,
        separator=separator,
        has_header=header,
        quote_char=quote,
        infer_schema=False,
        row_index_name=ROW,
        row_index_offset=2 if header else 1,
    )
    try:
        names = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file} cannot be read as a table: {str(error).splitlines()[0]}") from error
    return Table(str(file), frame.rename({name: name.strip().lstrip("\ufeff") for name in names}))


def scan_lines(file: Path) -> Table:
    """Scan the lines of a text file into one column, ``line``."""
    require(file)
    return Table(str(file), pl.scan_lines(file, name="line", row_index_name=ROW, row_index_offset=1))
