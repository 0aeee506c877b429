"""Events as one table with every column that a feature may read, from a dataset or typed in.

``item_id, behavior, value, domain``, ``gap`` (seconds since the user's event before, null for the first), and a
column ``user:NAME`` for each column of the users that is asked for. What is not known is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from genrec.data.dataset import Dataset
from genrec.data.profiles import read_users
from genrec.errors import DataError, suggest

ITEM, USER = "item:", "user:"
LOG_FEATURES = ("behavior", "value", "gap", "domain")
_LOG = {"behavior": pl.String, "value": pl.Float64, "domain": pl.String}


def events_of(dataset: Dataset, names: Sequence[str]) -> pl.DataFrame:
    """Return all interactions of a dataset, in their order.

    Args:
        dataset: the dataset.
        names: the features that will be read; of the users only their columns are looked up.
    """
    rows = dataset.interactions
    rows = rows.with_columns(
        pl.lit(None, dtype=kind).alias(name) for name, kind in _LOG.items() if name not in rows
    )
    has_times = dataset.manifest.details["time_unit"] == "ms"
    gap = pl.col("timestamp").diff().over("user_id") / 1000 if has_times else pl.lit(None, dtype=pl.Float64)
    return pl.concat([rows.with_columns(gap=gap), _users_of(dataset, names)], how="horizontal")


def _users_of(dataset: Dataset, names: Sequence[str]) -> pl.DataFrame:
    wanted = [name.removeprefix(USER) for name in names if name.startswith(USER)]
    people = read_users(dataset).select(pl.col(name).alias(USER + name) for name in wanted)
    owners = np.repeat(np.arange(len(dataset.user_ids)), np.diff(dataset.sequences.offsets))
    return people[owners] if wanted else pl.DataFrame()


def typed_events(
    items: Sequence[str],
    behaviors: Sequence[str | None] | None,
    values: Sequence[float | None] | None,
    timestamps: Sequence[int | None] | None,
    domains: Sequence[str | None] | None,
    user: Mapping[str, str],
) -> pl.DataFrame:
    """Return one user's events, oldest first; see :meth:`genrec.data.features.Features.encode`.

    Raises:
        DataError: naming every argument that is not one value an event, or not of the right kind.
    """
    given = {
        "behavior": (behaviors, pl.String),
        "value": (values, pl.Float64),
        "timestamp": (timestamps, pl.Int64),
        "domain": (domains, pl.String),
    }
    columns, problems = {"item_id": pl.Series(items, dtype=pl.String)}, []
    for name, (column, kind) in given.items():
        if column is not None and len(column) != len(items):
            problems.append(f"{len(column)} {name}s for {len(items)} events.")
        try:
            columns[name] = pl.Series(column if column is not None else [None] * len(items), dtype=kind)
        except TypeError:
            problems.append(f"{name}s must be {'text' if kind == pl.String else 'numbers'}: {column!r}.")
    if problems:
        raise DataError(problems, "Give one value an event, or None where it is not known.")
    profile = {USER + name: pl.lit(str(value)) for name, value in user.items()}
    return pl.DataFrame(columns).with_columns(gap=pl.col("timestamp").diff() / 1000, **profile)


def first_words(dataset: Dataset, column: str) -> pl.Series:
    """Return each item's first of the values that a column lists, such as Action of ``Action, Comedy``."""
    first = dataset.items[column].cast(pl.String).str.split(",").list.first().str.strip_chars()
    return first.set(first == "", None)


def check_names(names: Sequence[str], learned: pl.DataFrame, dataset: Dataset) -> list[str]:
    """Return what is wrong with the names of features, one line each.

    Args:
        names: the features that are asked for.
        learned: the training part of :func:`events_of`, without the users' columns.
        dataset: the dataset.
    """
    of_items = [ITEM + name for name in dataset.items.columns if name not in ("item_id", "image")]
    known = [*LOG_FEATURES, *of_items, *(USER + name for name in read_users(dataset).columns)]
    problems = [f"Unknown feature {name!r}.{suggest(name, known)}" for name in names if name not in known]
    for name in LOG_FEATURES:
        if name in names and not learned[name].count():
            needs = "times" if name == "gap" else f"column {name}"
            problems.append(f"Feature {name!r}: the training part of {dataset.path} has no {needs}.")
    problems += [f"Feature {name!r} is named twice." for name in sorted(set(names)) if list(names).count(name) > 1]
    return problems
