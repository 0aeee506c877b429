from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from genrec.data.importers.source import Table
from genrec.data.parsing import guess_time_format, parse_log

NOON = 1_700_049_600_000  # 2023-11-15 12:00 UTC


def parsed(column: str, values: list[Any], time_format: str = "auto") -> pl.DataFrame:
    frame = pl.LazyFrame({"row": range(1, len(values) + 1), column: values}, strict=False)
    return parse_log(Table("log.csv", frame), time_format).collect()


@pytest.mark.parametrize(
    ("time_format", "value"),
    [
        ("auto", "1700049600"),
        ("auto", "1700049600000"),
        ("auto", "1700049600000.0"),
        ("auto", "1700049600000000"),
        ("auto", "1700049600000000000"),
        ("auto", "2023-11-15 12:00"),
        ("auto", "2023-11-15T12:00:00Z"),
        ("auto", "2023/11/15 12:00:00.000"),
        ("auto", "2023-11-15T13:00:00+01:00"),
        ("%d.%m.%Y %H:%M", "15.11.2023 12:00"),
        ("s", " 1700049600 "),
        ("auto", 1_700_049_600),
        ("auto", datetime(2023, 11, 15, 12)),
    ],
)
def test_a_moment_is_read_however_it_is_written(time_format: str, value: object) -> None:
    assert parsed("timestamp", [value, value], time_format)["timestamp"].to_list() == [NOON, NOON]


def test_what_could_not_be_read_is_kept() -> None:
    frame = parsed("timestamp", ["1700049600", "yesterday", None, "inf", "1700049600"])
    assert frame["timestamp"].is_not_null().to_list() == [True, False, False, False, True]
    assert frame["raw_timestamp"].to_list() == [None, "yesterday", "", "inf", None]


def test_a_plain_date_is_midnight_utc() -> None:
    assert parsed("timestamp", ["2023-11-15"])["timestamp"].to_list() == [NOON - 12 * 3_600_000]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_is_told_by_the_size_of_the_numbers(unit: str) -> None:
    factor = {"s": 1e-3, "ms": 1, "us": 1e3, "ns": 1e6}[unit]
    sample = pl.Series([str(int(NOON * factor)), "0", str(int(NOON * factor) + 1)])
    assert guess_time_format(sample) == unit


def test_ids_are_text_without_blanks() -> None:
    assert parsed("user_id", [" 7 ", "", "  ", None])["user_id"].to_list() == ["7", None, None, None]
    assert parsed("user_id", [7.0, 8.5, None])["user_id"].to_list() == ["7", "8.5", None]


def test_an_empty_value_is_null_and_a_wrong_one_is_kept_for_the_message() -> None:
    frame = parsed("value", ["3.3", "", "five", "nan"])
    assert frame["value"].to_list() == [3.3, None, None, None]
    assert frame["raw_number"].to_list() == [None, "", "five", "nan"]
