"""Logs as files: a table of one row an action, or one row a place of a list."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.errors import ConfigError, DataError, suggest
from genrec_eval.off_policy.estimators import Estimate, estimate_all
from genrec_eval.off_policy.log import BanditLog
from genrec_eval.off_policy.slates import SlateLog, slate_ips

NEEDED = ("reward", "propensity", "target_propensity")
MODEL = ("estimated_reward", "estimated_value")
LISTS = ("slate", "position")


def estimate_file(path: Path, *, max_weight: float | None = None, level: float = 0.95) -> list[Estimate]:
    """Return every estimate that a file's columns allow.

    ``reward``, ``propensity`` and ``target_propensity`` give IPS and SNIPS; with ``estimated_reward`` and
    ``estimated_value`` also the direct method and doubly robust. With ``slate`` and ``position`` a row is a place
    of a list instead, and the estimates are those of lists. Further columns are not looked at.

    Args:
        path: a Parquet or CSV file.
        max_weight: cuts larger weights of single actions; None cuts none.
        level: of the intervals.

    Raises:
        DataError: if the file cannot be read or is no such log, with everything that is wrong.
        ConfigError: if weights of lists are to be cut.
    """
    table = _read(path)
    columns = {name: _numbers(table[name]) for name in (*NEEDED, *MODEL) if name in table.columns}
    if not set(LISTS) & set(table.columns):
        log = BanditLog.of(*(columns.get(name) for name in (*NEEDED, *MODEL)))  # type: ignore[arg-type]
        return estimate_all(log, max_weight=max_weight, level=level)
    if max_weight is not None:
        raise ConfigError("Weights of lists are not cut.", "Leave --max-weight out.")
    slates = SlateLog.of(table["slate"].to_numpy(), table["position"], *(columns[name] for name in NEEDED))
    return [
        slate_ips(slates, "independent", level=level),
        slate_ips(slates, "cascade", level=level),
        slate_ips(slates, "standard", level=level),
    ]


def _read(path: Path) -> pl.DataFrame:
    """Return a file's table, which has the columns that are needed."""
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    try:
        table = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{path} cannot be read: {error}.", "It must be Parquet, or CSV with the ending .csv."
        ) from error
    needed = (*NEEDED, *LISTS) if set(LISTS) & set(table.columns) else NEEDED
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise DataError([f"{path} has no column {name!r}.{suggest(name, table.columns)}" for name in missing])
    return table


def _numbers(column: pl.Series) -> pl.Series:
    """Return a column as numbers, missing ones as NaN, which the check of the log names."""
    return column.cast(pl.Float64, strict=False).fill_null(float("nan"))
