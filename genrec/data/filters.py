"""Which interactions stay: row filters, repeated rows, and the iterative k-core."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data.config import Filters
from genrec.data.importers.source import ORDER
from genrec.errors import DataError, suggest


def row_filters(config: Filters, columns: list[str]) -> dict[str, pl.Expr]:
    """Return, by name, the condition a row must meet for each filter that is switched on.

    Raises:
        DataError: if a filter needs a column that the log lacks.
    """
    keep: dict[str, tuple[str, pl.Expr]] = {}
    if config.since:
        keep["before data.filters.since"] = ("timestamp", pl.col("timestamp") >= _milliseconds(config.since))
    if config.until:
        keep["at or after data.filters.until"] = ("timestamp", pl.col("timestamp") < _milliseconds(config.until))
    if config.behaviors:
        keep["of another behavior"] = ("behavior", pl.col("behavior").is_in(config.behaviors))
    if config.min_value is not None:
        keep["below data.filters.min_value"] = ("value", pl.col("value") >= config.min_value)
    lacking = sorted({column for column, _ in keep.values() if column not in columns})
    if lacking:
        raise DataError(
            [f"data.filters asks for the column {name!r}, which the log does not have." for name in lacking],
            "Remove the filter, or map the column under data.columns.",
        )
    return {name: condition.fill_null(False) for name, (_, condition) in keep.items()}


def check_behaviors(wanted: tuple[str, ...], present: list[str]) -> None:
    """Check that every behavior a filter names occurs in the log.

    Raises:
        DataError: naming those that do not.
    """
    unknown = [name for name in wanted if name not in present]
    if unknown:
        raise DataError([f"No interaction has the behavior {name!r}.{suggest(name, present)}" for name in unknown])


def repeated(frame: pl.DataFrame) -> pl.Series:
    """Mark the rows that equal an earlier row in everything but their place in the file."""
    key = [name for name in frame.columns if name not in ORDER]
    return frame.select((~pl.struct(key).is_first_distinct()).alias("repeated"))["repeated"]


def k_core(
    users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], min_user: int, min_item: int
) -> npt.NDArray[np.bool_]:
    """Return which interactions belong to the k-core.

    The k-core is the largest set of interactions in which every user has at least ``min_user`` and every item
    at least ``min_item`` of them. Dropping whoever falls short until no one does reaches it, in any order
    (Seidman 1983, doi:10.1016/0378-8733(83)90028-X).

    Args:
        users: int32 [interactions], ``user_index``.
        items: int32 [interactions], ``item_index``.
        min_user: interactions a user must have.
        min_item: interactions an item must have.

    Returns:
        bool [interactions].
    """
    kept = np.ones(len(users), dtype=bool)
    if min_user <= 1 and min_item <= 1:
        return kept
    while kept.any():
        before = kept.sum()
        for side, least in ((users, min_user), (items, min_item)):
            counts = np.bincount(side[kept], minlength=int(side.max()) + 1)
            kept &= (counts >= least)[side]
        if kept.sum() == before:
            break
    return kept


def _milliseconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
