"""From text to typed columns: ids, times in milliseconds, numbers. What cannot be read is kept beside the null."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from genrec.data.importers.source import LOG_COLUMNS, ORDER, Table

RAW_TIME, RAW_NUMBER = "raw_timestamp", "raw_number"
_PER_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_SAMPLE = 10_000
_ISO = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_ISO_WITH_OFFSET = "%Y-%m-%d %H:%M:%S%.f%:z"

EARLIEST = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp() * 1000)
LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)


def parse_log(log: Table, time_format: str) -> pl.LazyFrame:
    """Type the columns of a log.

    ``user_id``, ``item_id``, ``behavior``, ``domain``, ``request_id`` become text without blanks around it
    (empty is null), ``timestamp`` int64 milliseconds, ``value`` float64, ``position`` int64. Where a time or a
    number could not be read, ``raw_timestamp`` or ``raw_number`` holds what stood there (empty for nothing).
    """
    schema = log.rows.collect_schema()
    present = [name for name in LOG_COLUMNS if name in schema]
    typed: list[pl.Expr] = [pl.col(name).cast(pl.Int64) for name in ORDER if name in schema]
    unread: list[pl.Expr] = []
    for name in present:
        if name == "timestamp":
            time = _time(log, time_format)
            typed += [time.alias(name), _what_stood_there(name, time, missing_counts=True).alias(RAW_TIME)]
        elif name in ("value", "position"):
            number = _number(pl.col(name), schema[name])
            number = pl.when(number.is_finite()).then(number)
            typed.append(number.cast(pl.Int64).alias(name) if name == "position" else number.alias(name))
            unread.append(_what_stood_there(name, number, missing_counts=False))
        else:
            typed.append(as_id(schema[name], name))
    if unread:
        typed.append(pl.coalesce(unread).alias(RAW_NUMBER))
    return log.rows.select(typed)


def as_id(dtype: pl.DataType, name: str) -> pl.Expr:
    """Return a column as text; whole numbers stored as floats lose their ``.0``, blanks become null."""
    column = pl.col(name)
    if dtype.is_float():
        column = (
            pl.when(column == column.round())
            .then(column.cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(column.cast(pl.String))
        )
    text = column.cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


def _number(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return (column.str.strip_chars() if dtype == pl.String else column).cast(pl.Float64, strict=False)


def _what_stood_there(name: str, parsed: pl.Expr, *, missing_counts: bool) -> pl.Expr:
    text = pl.col(name).cast(pl.String)
    if missing_counts:
        text = text.fill_null("")
    return pl.when(parsed.is_null()).then(text)


def _time(log: Table, time_format: str) -> pl.Expr:
    """Return the expression that reads the timestamp column as milliseconds since 1970, UTC."""
    column, dtype = pl.col("timestamp"), log.rows.collect_schema()["timestamp"]
    if dtype in (pl.Datetime, pl.Date):
        return column.cast(pl.Datetime("ms")).dt.epoch("ms")
    if time_format == "auto":
        time_format = guess_time_format(log.rows.select("timestamp").head(_SAMPLE).collect()["timestamp"])
    if time_format in _PER_MS:
        number = _number(column, dtype) * _PER_MS[time_format]
        return pl.when(number.is_finite() & (number.abs() < 9e18)).then(number.round()).cast(pl.Int64)
    text = column.cast(pl.String).str.strip_chars()
    if time_format != "iso":
        return text.str.to_datetime(time_format, strict=False, time_unit="ms").dt.epoch("ms")
    text = (
        text.str.replace("T", " ", literal=True).str.replace("Z$", "+00:00").str.replace_all("/", "-", literal=True)
    )
    with_offset = text.str.to_datetime(_ISO_WITH_OFFSET, strict=False, time_unit="ms", time_zone="UTC")
    plain = [text.str.to_datetime(pattern, strict=False, time_unit="ms").dt.epoch("ms") for pattern in _ISO]
    return pl.coalesce(with_offset.dt.epoch("ms"), *plain)


def guess_time_format(sample: pl.Series) -> str:
    """Return ``s``, ``ms``, ``us`` or ``ns`` by the size of the sample's numbers, or ``iso`` if it holds few.

    A unit is taken if it puts the median between 1990 and 2100; the four ranges do not overlap.
    """
    numbers = sample.cast(pl.String).cast(pl.Float64, strict=False).drop_nulls()
    if len(numbers) * 2 < len(sample.drop_nulls()):
        return "iso"
    median = numbers.median()
    middle = float(median) if isinstance(median, (int, float)) else 0.0
    fits = [unit for unit, factor in _PER_MS.items() if EARLIEST <= middle * factor < LATEST]
    return fits[0] if fits else "s"
