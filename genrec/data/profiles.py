"""Who the users are, where the data says so: ``users.parquet`` of a dataset, one row a user.

It holds ``user_id`` and columns of text in the order of ``user_index``; a user of whom nothing is known has
nulls. What a model learns from it are features of the form ``user:COLUMN`` (:mod:`genrec.data.features`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from genrec.data.dataset import Dataset
from genrec.data.importers.readers import first_line
from genrec.data.importers.source import ROW, Table
from genrec.data.parsing import as_id
from genrec.data.validation import SHOWN
from genrec.errors import DataError

FILE = "users.parquet"


def write_users(users: Table, interactions: Path, file: Path) -> dict[str, Any]:
    """Write what is known of a dataset's users, and return what the manifest says about it.

    Args:
        users: ``user_id`` and columns that say who the user is.
        interactions: the dataset's interactions, whose users are looked at.
        file: where to write.

    Raises:
        DataError: if the table cannot be read, or a user stands in it twice with different contents.
    """
    schema = users.rows.collect_schema()
    columns = [name for name in schema.names() if name not in (ROW, "user_id")]
    typed = users.rows.select(as_id(schema[name], name) for name in ("user_id", *columns))
    wanted = pl.scan_parquet(interactions).select("user_id").unique()
    try:
        found = typed.join(wanted, on="user_id", how="semi").unique().collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(users.diagnose() or f"{users.file} cannot be read: {first_line(error)}.") from error
    _check_once(found, users.file)
    everyone = wanted.collect(engine="streaming").join(found, on="user_id", how="left").sort("user_id")
    everyone.write_parquet(file)
    return {"columns": columns, "unknown": len(everyone) - len(found)}


def read_users(dataset: Dataset) -> pl.DataFrame:
    """Return the columns that say who the users are, one row a ``user_index``; none where the data has no such."""
    file = dataset.path / FILE
    return pl.read_parquet(file).drop("user_id") if file.is_file() else pl.DataFrame()


def _check_once(users: pl.DataFrame, file: str) -> None:
    twice = users.group_by("user_id").len().filter(pl.col("len") > 1).sort("user_id")["user_id"].to_list()
    if twice:
        shown = ", ".join(twice[:SHOWN]) + (", …" if len(twice) > SHOWN else "")
        raise DataError(
            f"{file}: {len(twice):,} users listed again with other contents: {shown}.", "Leave one of each."
        )
