"""Sessions as targets: which of them are good enough to learn from, and what lies before them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data import Dataset
from genrec.data.dataset import SPLITS
from genrec.errors import DataError, suggest
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.config import SessionConfig
from genrec_alignment.pretraining.tasks import Task, Tasks, TrainingLog

REASONS = ("too_few_items", "too_little_value", "no_strong_behavior")


def good_sessions(dataset: Dataset, config: SessionConfig) -> tuple[list[npt.NDArray[np.int64]], dict[str, float]]:
    """Return the training sessions that OneRec's filter keeps, and what became of the others.

    Args:
        dataset: with a ``session`` column.
        config: the filter. Values that are missing count as 0; the quantile is taken over all training sessions.

    Returns:
        The rows of each kept session's first ``length`` different items, in order; and the counts ``sessions``,
        ``kept``, and one for each of ``REASONS``: a session is counted under the first reason that holds. With a
        threshold on values also ``value_threshold``.

    Raises:
        DataError: if the dataset lacks what the filter reads, or the filter keeps nothing.
    """
    _check(dataset, config)
    sessions = _summaries(dataset, config)
    least = config.min_items or config.length
    threshold = config.min_value
    if config.min_value_quantile is not None:
        threshold = float(sessions["value"].quantile(config.min_value_quantile, "linear") or 0.0)
    sessions = sessions.with_columns(
        reason=pl.when(pl.col("rows").list.len() < least)
        .then(pl.lit(REASONS[0]))
        .when(pl.col("value") < (float("-inf") if threshold is None else threshold))
        .then(pl.lit(REASONS[1]))
        .when(~pl.col("strong"))
        .then(pl.lit(REASONS[2]))
    )
    kept = sessions.filter(pl.col("reason").is_null())["rows"].list.head(config.length)
    report: dict[str, float] = {"sessions": len(sessions), "kept": len(kept)}
    report |= {reason: int((sessions["reason"] == reason).sum()) for reason in REASONS}
    if threshold is not None:
        report["value_threshold"] = threshold
    if not len(kept):
        raise DataError(
            f"{dataset.path}: no training session passes the filter; {describe(report)}",
            "Loosen train.session (length, min_items, min_value, strong_behaviors) or data.sessions.",
        )
    return [rows.to_numpy().astype(np.int64) for rows in kept], report


def describe(report: dict[str, float]) -> str:
    """Return the counts of :func:`good_sessions` in words."""
    fallen = ", ".join(f"{report[reason]:,} {reason.replace('_', ' ')}" for reason in REASONS)
    bound = f" (below {report['value_threshold']:g})" if "value_threshold" in report else ""
    return f"{report['kept']:,} of {report['sessions']:,} training sessions kept; left out: {fallen}{bound}."


def _check(dataset: Dataset, config: SessionConfig) -> None:
    """Refuse a dataset that lacks a column the filter reads, or a behavior it names; all at once."""
    columns, problems = dataset.interactions.columns, []
    if "session" not in columns:
        problems.append("it has no sessions: make it with data.sessions.by=request, gap or count.")
    if "value" not in columns and (config.min_value is not None or config.min_value_quantile is not None):
        problems.append("its log has no values: leave out train.session.min_value and min_value_quantile.")
    if config.strong_behaviors and "behavior" not in columns:
        problems.append("its log has no behaviors: leave out train.session.strong_behaviors.")
    elif config.strong_behaviors:
        known = dataset.interactions["behavior"].drop_nulls().unique().to_list()
        unknown = [name for name in config.strong_behaviors if name not in known]
        problems += [f"no interaction has the behavior {name!r}.{suggest(name, known)}" for name in unknown]
    if problems:
        raise DataError([f"{dataset.path}: {problem}" for problem in problems])


def _summaries(dataset: Dataset, config: SessionConfig) -> pl.DataFrame:
    """Return for each training session the rows of its different items, its sum of values, and if it is strong."""
    columns = dataset.interactions.columns
    value = pl.col("value").sum() if "value" in columns else pl.lit(0.0)
    strong = pl.col("behavior").is_in(config.strong_behaviors).any() if config.strong_behaviors else pl.lit(True)
    rows = dataset.interactions.with_row_index("row").filter(pl.col("split") == SPLITS[0])
    return rows.group_by("session", maintain_order=True).agg(
        rows=pl.col("row").filter(pl.col("item_id").is_first_distinct()), value=value, strong=strong
    )


class SessionTasks(Tasks):
    """One row for every kept session; its history is every training event of its user before its first one.

    Args:
        log: the training part.
        sessions: the rows of each session's items, from :func:`good_sessions`.
        arguments: as for :class:`Tasks`.
    """

    def __init__(
        self,
        log: TrainingLog,
        sessions: list[npt.NDArray[np.int64]],
        catalogue: Catalogue,
        item_rows: npt.NDArray[np.integer],
        history_length: int,
        seed: int,
        order_noise: float = 0.0,
    ) -> None:
        super().__init__(log, catalogue, item_rows, history_length, seed, order_noise)
        self.sessions = sessions

    @cached_property
    def _bounds(self) -> npt.NDArray[np.int64]:
        """Where each session's history begins and ends in the training rows of all users, int64 [sessions, 2]."""
        counts = np.cumsum([0, *(len(rows) for rows in self.log.users)])
        firsts = np.array([rows[0] for rows in self.sessions], dtype=np.int64)
        stops = np.searchsorted(self._rows, firsts)
        starts = counts[np.searchsorted(counts, stops, side="right") - 1]
        return np.stack([np.maximum(starts, stops - self.history_length), stops], axis=1)

    @cached_property
    def _rows(self) -> npt.NDArray[np.int64]:
        return np.concatenate(self.log.users)

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Events before each session, as far as the model reads back."""
        return self._bounds[:, 1] - self._bounds[:, 0]

    def task(self, row: int) -> Task:
        """Return one session and the history before it."""
        start, stop = self._bounds[row]
        rng = self._rng(row) if self.order_noise else None
        items = self.log.items[self.sessions[row]].astype(np.int64)
        return Task(self._noisy(self._rows[start:stop], rng), items[None])
