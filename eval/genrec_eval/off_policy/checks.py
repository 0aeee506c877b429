"""Checks of logs, whose problems are gathered so that all of them are shown at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError

Floats = npt.NDArray[np.float64]
_SHOWN = 5


def as_columns(columns: Mapping[str, npt.ArrayLike]) -> dict[str, Floats]:
    """Return columns of numbers as float64 [rows].

    Raises:
        DataError: naming every column that is no list of numbers or has another length than the first, and if
            there are no rows.
    """
    problems, found = [], {}
    for name, values in columns.items():
        try:
            found[name] = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            problems.append(f"{name} holds something that is no number.")
            continue
        if found[name].ndim != 1:
            problems.append(f"{name} has the shape {found[name].shape}, but must be one number a row.")
    if not problems:
        first, rows = next((name, len(column)) for name, column in found.items())
        problems = [
            f"{name} has {len(column):,} rows, and {first} {rows:,}."
            for name, column in found.items()
            if len(column) != rows
        ]
        if not rows:
            problems.append("There are no rows.")
    if problems:
        raise DataError(problems)
    return found


def rows_where(wrong: npt.NDArray[np.bool_], what: str) -> list[str]:
    """Return one line that says how many rows are wrong and which come first, or none."""
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return []
    shown = ", ".join(str(row) for row in rows[:_SHOWN]) + (", …" if len(rows) > _SHOWN else "")
    return [f"{what} (rows: {len(rows):,}, counted from 0: {shown})."]


def not_finite(columns: Mapping[str, Floats]) -> list[str]:
    """Return a line for every column with missing or infinite numbers."""
    return [
        line
        for name, column in columns.items()
        for line in rows_where(~np.isfinite(column), f"{name} is missing or infinite")
    ]


def wrong_propensities(name: str, column: Floats, *, zero_allowed: bool) -> list[str]:
    """Return a line each for numbers that are no probabilities, and for zeros where something was shown."""
    problems = rows_where((column < 0) | (column > 1), f"{name} is not between 0 and 1")
    if not zero_allowed:
        problems += rows_where(column == 0, f"{name} is 0 for something that was shown")
    return problems
