"""Cut users' interactions into sessions."""

from __future__ import annotations

import polars as pl

from genrec.data.config import Sessions
from genrec.errors import DataError


def check_sessions(config: Sessions, columns: list[str], time_unit: str) -> None:
    """Check that the log has what the way of cutting needs.

    Raises:
        DataError: if it has no ``request_id``, or no times.
    """
    if config.by == "request" and "request_id" not in columns:
        raise DataError(
            "data.sessions.by is 'request', but the log has no request_id.", "Use gap or count instead."
        )
    if config.by == "gap" and time_unit != "ms":
        raise DataError(
            "data.sessions.by is 'gap', but the log has no times.", "Use data.sessions.by=count instead."
        )


def session_numbers(frame: pl.DataFrame, config: Sessions, first: int = 0) -> pl.Series:
    """Return the session of every row, int64, numbered in order of first appearance from ``first`` on.

    Args:
        frame: whole users' rows, sorted by user and time.
        config: how sessions are cut. ``request``: rows of one user and request_id, wherever they stand;
            rows without a request_id are sessions of their own. ``gap``: a pause longer than the limit
            starts a new session. ``count``: every ``size`` interactions.
        first: the number of the first session.
    """
    if config.by == "request":
        rows = frame.select("user_id", "request_id").with_row_index("row")
        alone = pl.when(pl.col("request_id").is_null()).then("row")
        start = rows.select(pl.col("row").first().over("user_id", "request_id", alone))["row"]
        return (start.rank("dense").cast(pl.Int64) - 1 + first).alias("session")
    new_user = (pl.col("user_id") != pl.col("user_id").shift()).fill_null(True)
    if config.by == "gap":
        starts = new_user | (pl.col("timestamp").diff() > config.gap_minutes * 60_000)
    else:
        starts = pl.int_range(pl.len()).over("user_id") % config.size == 0
    return frame.select((starts.cum_sum().cast(pl.Int64) - 1 + first).alias("session"))["session"]
