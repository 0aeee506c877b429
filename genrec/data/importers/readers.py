"""Scan the file formats that logs come in, lazily, with the row number beside the columns."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import polars as pl

from genrec.data.importers.jsonlines import scan_json_lines
from genrec.data.importers.source import ROW, Table
from genrec.errors import DataError

SHOWN = 5
_SEPARATORS = ",\t;|"
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_PARQUET = (".parquet", ".pq")
_JSON = (".jsonl", ".ndjson", ".json")


def require(*files: Path) -> None:
    """Check that every file exists.

    Raises:
        DataError: naming every missing one.
    """
    missing = [f"There is no file {file}." for file in files if not file.is_file()]
    if missing:
        raise DataError(missing, "Check data.path and data.items.")


def scan(file: Path, work: Path, *, header: bool = True) -> Table:
    """Scan a Parquet, JSON-lines or delimited file, told apart by the name's ending; ``.gz`` may follow it.

    The separator of a delimited file is the one its first line has most of.

    Args:
        file: the file.
        work: a folder for scratch files.
        header: whether a delimited file begins with the names of its columns.
    """
    require(file)
    suffix = _suffix(file)
    if suffix in _PARQUET:
        return _scan_parquet(file)
    if suffix in _JSON:
        return scan_json_lines(file, work)
    return scan_delimited(file, sniff_separator(file), header=header)


def scan_delimited(file: Path, separator: str, *, header: bool = True) -> Table:
    """Scan a text table with every column as text; without a header they are ``column_1`` and so on.

    Fields may be quoted where a comma or a semicolon separates them. ``row`` is the line
    number as long as no quoted field holds a line break.
    """
    require(file)
    frame = pl.scan_csv(
        file,
        separator=separator,
        has_header=header,
        quote_char=_quote(separator),
        infer_schema=False,
        row_index_name=ROW,
        row_index_offset=2 if header else 1,
    )

    def diagnose() -> list[str]:
        return broken_lines(file, separator)

    try:
        found = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(diagnose() or f"{file} cannot be read as a table: {first_line(error)}.") from error
    if header:
        names = {name: name.strip().lstrip("\ufeff") for name in found}
    else:
        names = {name: f"column_{place}" for place, name in enumerate(found[1:], start=1)}
    return Table(str(file), frame.rename(names), diagnose)


def scan_lines(file: Path) -> Table:
    """Scan the lines of a text file into one column, ``line``."""
    require(file)
    rows = pl.scan_lines(file, name="line", row_index_name=ROW, row_index_offset=1)
    return Table(str(file), rows, lambda: broken_lines(file, None))


def open_text(file: Path, errors: str = "strict") -> IO[str]:
    """Open a text file that may be gzipped."""
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", errors=errors, newline="")
    return file.open(encoding="utf-8-sig", errors=errors, newline="")


def sniff_separator(file: Path) -> str:
    """Return the separator that the first line of a file has most of; a comma if it has none."""
    try:
        with open_text(file, "replace") as stream:
            line = stream.readline()
    except (OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read: {first_line(error)}.") from error
    return max(_SEPARATORS, key=line.count)


def sniff_header(file: Path) -> bool:
    """Say whether a file names its columns: a delimited one does if no field of its first line is a number."""
    if _suffix(file) in (*_JSON, *_PARQUET):
        return True
    separator = sniff_separator(file)
    with open_text(file, "replace") as stream:
        fields = next(_fields(stream, separator), [])
    return not any(_NUMBER.fullmatch(field.strip()) for field in fields)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, without a full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def broken_lines(file: Path, separator: str | None) -> list[str]:
    """Look for rows that are not UTF-8 or have more fields than the first; return one message for each kind.

    Args:
        file: the file, plain or gzipped.
        separator: what stands between fields; None for lines that are not divided.
    """
    undecodable: list[int] = []
    too_long: list[int] = []
    width = 0
    try:
        with open_text(file, "replace") as stream:
            for number, fields in enumerate(_fields(stream, separator), start=1):
                width = width or len(fields)
                if len(fields) > width:
                    too_long.append(number)
                if any("\ufffd" in field for field in fields):
                    undecodable.append(number)
    except (OSError, EOFError, csv.Error) as error:
        return [f"{file} cannot be read: {first_line(error)}."]
    problems = []
    if undecodable:
        where = _first_few(undecodable)
        problems.append(
            f"{file}: {len(undecodable):,} rows are not UTF-8: {where}. Convert: iconv -f latin1 -t utf-8"
        )
    if too_long:
        what = f"{len(too_long):,} rows have more than the {width} fields of the first"
        problems.append(f"{file}: {what}: {_first_few(too_long)}. Quote fields that hold a separator.")
    return problems


def _suffix(file: Path) -> str:
    return Path(file.stem if file.suffix == ".gz" else file.name).suffix.lower()


def _fields(stream: IO[str], separator: str | None) -> Iterator[list[str]]:
    if separator is None:
        return ([line] for line in stream)
    if _quote(separator) is None:
        return csv.reader(stream, delimiter=separator, quoting=csv.QUOTE_NONE)
    return csv.reader(stream, delimiter=separator)


def _first_few(rows: list[int]) -> str:
    return f"row {', '.join(map(str, rows[:SHOWN]))}{', …' if len(rows) > SHOWN else ''}"


def _quote(separator: str) -> str | None:
    """Fields are quoted in comma- and semicolon-separated files; elsewhere a quotation mark is only that."""
    return '"' if separator in ",;" else None


def _scan_parquet(file: Path) -> Table:
    rows = pl.scan_parquet(file).with_row_index(ROW, offset=1)
    try:
        rows.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {first_line(error)}.") from error
    return Table(str(file), rows)
