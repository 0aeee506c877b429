"""Read files with one record a line: JSON, or the Python literals of Amazon's 2014 metadata.

Records go in batches into a scratch Parquet file, so that memory does not grow with the file. Fields become
text: lists are joined, nested records are left as JSON.
"""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from genrec.data.importers.source import ROW, Table
from genrec.errors import DataError

_BATCH = 20_000
_SHOWN = 5


def scan_json_lines(
    file: Path, work: Path, *, literals: bool = False, fields: frozenset[str] | None = None
) -> Table:
    """Convert a file of records into a scratch Parquet file and scan that.

    Args:
        file: one record a line, plain or gzipped.
        work: a folder for the scratch file.
        literals: also accept lines that are Python literals.
        fields: keep only these; None keeps every field that occurs in the first 20,000 records.

    Raises:
        DataError: naming the lines that hold no record, or that the file is not one of records.
    """
    broken: list[int] = []
    numbered = _records(file, literals, broken)
    target = work / f"{len(list(work.iterdir()))}-{file.name}.parquet"
    try:
        batch = list(islice(numbered, _BATCH))
        names = sorted({name for _, record in batch for name in record if fields is None or name in fields})
        schema = pa.schema([(ROW, pa.int64()), *((name, pa.string()) for name in names if name != ROW)])
        with pq.ParquetWriter(target, schema, compression="lz4") as writer:
            while batch:
                writer.write_table(_table(batch, schema))
                batch = list(islice(numbered, _BATCH))
    except (OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read to its end: {error}.", "Fetch it again.") from error
    if broken:
        more = ", …" if len(broken) > _SHOWN else ""
        shown = ", ".join(map(str, broken[:_SHOWN]))
        raise DataError(
            f"{file}: {len(broken):,} lines hold no JSON record: row {shown}{more}. Correct or remove them."
        )
    return Table(str(file), pl.scan_parquet(target))


def first_record(file: Path) -> dict[str, Any]:
    """Return the first record of a file, or nothing if its first line holds none."""
    for _, record in _records(file, True, []):
        return record
    return {}


def _records(file: Path, literals: bool, broken: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield every record with its line number; note the lines that hold none in ``broken``."""
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.isspace():
                continue
            record = _record(line, literals)
            if record is None:
                broken.append(number)
            else:
                yield number, record


def _record(line: bytes, literals: bool) -> dict[str, Any] | None:
    try:
        text = line.decode("utf-8")
        record = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError):
        record = _literal(line) if literals else None
    return record if isinstance(record, dict) else None


def _literal(line: bytes) -> Any:
    try:
        return ast.literal_eval(line.decode("utf-8", "replace"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _table(batch: list[tuple[int, dict[str, Any]]], schema: pa.Schema) -> pa.Table:
    columns: dict[str, list[Any]] = {ROW: [number for number, _ in batch]}
    for name in schema.names[1:]:
        columns[name] = [_text(record.get(name)) for _, record in batch]
    return pa.table(columns, schema=schema)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(part for part in map(_text, value) if part)
    return json.dumps(value, ensure_ascii=False)
