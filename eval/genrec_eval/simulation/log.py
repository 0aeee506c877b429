"""A dataset as the simulator reads it: who was shown what and when, whether it was liked, and what is alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from genrec.data import Dataset
from genrec.data.categories import MOST_WORDS, Liked
from genrec.errors import ConfigError, DataError, suggest
from genrec_eval.simulation.arrays import Bools, Floats, Ints
from genrec_eval.simulation.config import UsersConfig

DAY = 86_400_000  # milliseconds
_USUAL_CATEGORIES = ("genres", "genre", "category", "categories", "first_category")


@dataclass(frozen=True)
class Log:
    """Interactions by user and time, one row each.

    Args:
        user_ids: by ``user_index``.
        offsets: int64 [users + 1]; user u has the rows ``offsets[u]:offsets[u + 1]``.
        items: int64 [rows], ``item_index``.
        days: float64 [rows], since the log's first moment; where the log has no times, the place in the history.
        timed: whether it has times.
        known: bool [rows], whether it is known if the user liked the item.
        liked: bool [rows], False where it is not known.
        values: float64 [rows], such as a rating or seconds watched, NaN where not known; None where there are none.
        train: bool [rows], the rows that may be learned from.
        context: bool [rows], rows that belong to no part.
        categories: float64 [items, categories], each item's share in each; a row of zeros where none is known.
        category_names: what the columns are called.
    """

    user_ids: list[str]
    offsets: Ints
    items: Ints
    days: Floats
    timed: bool
    known: Bools
    liked: Bools
    values: Floats | None
    train: Bools
    context: Bools
    categories: Floats
    category_names: tuple[str, ...]

    @cached_property
    def users(self) -> Ints:
        """The user of every row, int64 [rows]."""
        return np.repeat(np.arange(len(self.user_ids)), np.diff(self.offsets))

    @property
    def learned(self) -> Bools:
        """The rows that answers are learned from, bool [rows]."""
        return self.train & self.known

    @property
    def held_out(self) -> Bools:
        """The rows that answers are judged on, bool [rows]."""
        return ~self.train & ~self.context & self.known


def read_log(dataset: Dataset, config: UsersConfig) -> Log:
    """Read a dataset.

    Raises:
        ConfigError: if the settings do not say what a like is, or name a column that the items do not have.
        DataError: if the training part has no likes, or nothing else.
    """
    liked = _answers(dataset, config)
    sequences, timed = dataset.sequences, dataset.manifest.details.get("time_unit") == "ms"
    times = sequences.timestamps
    places = np.arange(len(times)) - np.repeat(sequences.offsets[:-1], np.diff(sequences.offsets))
    matrix, names = _categories(dataset, config.categories)
    log = Log(
        user_ids=dataset.user_ids,
        offsets=sequences.offsets,
        items=sequences.items.astype(np.int64),
        days=(times - times.min(initial=times[0] if len(times) else 0)) / DAY if timed else places.astype(float),
        timed=timed,
        known=liked > 0,
        liked=liked == 2,
        values=sequences.values if _has_values(sequences.values) else None,
        train=sequences.splits == 0,
        context=sequences.splits == 3,
        categories=matrix,
        category_names=names,
    )
    _check_both_answers(log, dataset)
    return log


def _has_values(values: Floats | None) -> bool:
    return values is not None and not np.isnan(values).all()


def _answers(dataset: Dataset, config: UsersConfig) -> Ints:
    """Return 2 for a like, 1 for none, 0 where nothing is known; int [rows]."""
    if not config.behaviors and config.min_value is None:
        raise ConfigError("simulate.users does not say what a like is.", _what_there_is(dataset))
    rows = dataset.interactions
    columns = {"behavior": pl.String, "value": pl.Float64}
    given = [
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in columns.items()
    ]
    events = rows.select(pl.struct(given).alias("event"))["event"]
    return Liked(config.behaviors, config.min_value).encode(events).astype(np.int64)


def _what_there_is(dataset: Dataset) -> str:
    """Return how a like may be told in this log."""
    rows, ways = dataset.interactions, []
    if "value" in rows.columns and rows["value"].count():
        low, high = (rows["value"].cast(pl.Float64).quantile(end) for end in (0.0, 1.0))
        ways.append(f"simulate.users.min_value=X (values here go from {low:g} to {high:g})")
    if "behavior" in rows.columns and rows["behavior"].count():
        found = ", ".join(sorted(rows["behavior"].drop_nulls().unique().cast(pl.String)))
        ways.append(f"simulate.users.behaviors=[X] (behaviors here: {found})")
    return f"Set {' or '.join(ways)}." if ways else "This log has neither values nor behaviors to tell it by."


def _check_both_answers(log: Log, dataset: Dataset) -> None:
    answers = log.liked[log.learned]
    if len(answers) and 0 < answers.sum() < len(answers):
        return
    seen = "no like" if not answers.any() else "nothing but likes"
    raise DataError(
        f"The training part of {dataset.path} holds {seen}, so that nothing tells what is liked and what is not.",
        f"Change simulate.users, or make a dataset that keeps what was not liked. {_what_there_is(dataset)}",
    )


def _categories(dataset: Dataset, column: str | None) -> tuple[Floats, tuple[str, ...]]:
    """Return the share of each item in each of the most frequent categories, and their names."""
    texts = [name for name in dataset.items.columns if name not in ("item_id", "image")]
    if column is not None and column not in texts:
        raise ConfigError(f"simulate.users.categories: no column {column!r}.{suggest(column, texts)}")
    column = column or next((name for name in _USUAL_CATEGORIES if name in texts), None)
    if column is None:
        return np.zeros((len(dataset.items), 0)), ()
    words = dataset.items.select(pl.col(column).cast(pl.String).str.split(",").alias("word"))
    pairs = words.with_row_index("item").explode("word").with_columns(pl.col("word").str.strip_chars())
    pairs = pairs.filter(pl.col("word").fill_null("") != "").unique()
    ranked = pairs.group_by("word").len().sort(["len", "word"], descending=[True, False])
    names = ranked["word"].head(MOST_WORDS).to_list()
    pairs = pairs.filter(pl.col("word").is_in(names))
    place = {name: at for at, name in enumerate(names)}
    matrix = np.zeros((len(dataset.items), len(names)))
    matrix[pairs["item"].to_numpy(), [place[word] for word in pairs["word"]]] = 1.0
    return matrix / matrix.sum(axis=1, keepdims=True).clip(1.0), tuple(names)
