"""Write interactions.parquet chunk by chunk, and count on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from genrec.data.chunks import Chunks, track_many
from genrec.data.config import Sessions
from genrec.data.sessions import session_numbers
from genrec.data.splits import SplitPlan, assign

_ORDER = (
    "user_id",
    "item_id",
    "timestamp",
    "split",
    "behavior",
    "value",
    "domain",
    "request_id",
    "position",
    "session",
)


@dataclass
class Figures:
    """What is counted while interactions are written.

    Args:
        item_counts: int64 [items], all interactions.
        learned: int64 [items], interactions in training.
        aimed_at: int64 [items], interactions in validation and test.
        users: how many users there are.
        sessions: how many sessions there are.
        only_train: users with nothing but training rows.
        only_context: users with nothing but context.
        splits: interactions by split.
        behaviors: interactions by behavior.
        domains: interactions by domain.
        times: the first and the last timestamp.
    """

    item_counts: npt.NDArray[np.int64]
    learned: npt.NDArray[np.int64]
    aimed_at: npt.NDArray[np.int64]
    users: int = 0
    sessions: int = 0
    only_train: int = 0
    only_context: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    behaviors: Counter[str] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)
    times: tuple[int, int] | None = None

    def add(self, frame: pl.DataFrame, items: npt.NDArray[np.int32]) -> None:
        """Count a chunk of whole users."""
        split = frame["split"].to_numpy()
        target = np.isin(split, ["valid", "test"])
        size = len(self.item_counts)
        self.item_counts += np.bincount(items, minlength=size)
        self.learned += np.bincount(items[split == "train"], minlength=size)
        self.aimed_at += np.bincount(items[target], minlength=size)
        only = frame.group_by("user_id").agg(pl.col("split").unique())["split"].list
        for name, count in only.first().filter(only.len() == 1).value_counts().iter_rows():
            self.only_train += count if name == "train" else 0
            self.only_context += count if name == "context" else 0
        self.users += only.len().len()
        for column, counter in (("split", self.splits), ("behavior", self.behaviors), ("domain", self.domains)):
            if column in frame.columns:
                counter.update(dict(frame[column].drop_nulls().value_counts().iter_rows()))
        if "session" in frame.columns:
            self.sessions += frame["session"].n_unique()
        ends = (int(frame["timestamp"].min()), int(frame["timestamp"].max()))  # type: ignore[arg-type]
        self.times = (min(ends[0], self.times[0]), max(ends[1], self.times[1])) if self.times else ends


def write_interactions(
    chunks: Chunks, kept: npt.NDArray[np.bool_], plan: SplitPlan, sessions: Sessions, items: int, file: Path
) -> Figures:
    """Write the rows that are kept, with their split and session.

    Args:
        chunks: the sorted log.
        kept: bool [rows], at least one of them true.
        plan: how rows are split.
        sessions: how sessions are cut.
        items: the number of items in the catalogue.
        file: the Parquet file to write.
    """
    figures = Figures(np.zeros(items, np.int64), np.zeros(items, np.int64), np.zeros(items, np.int64))
    writer: pq.ParquetWriter | None = None
    try:
        for frame, place in track_many(chunks, "Writing", len(chunks.files)):
            rows = frame.filter(pl.Series(kept[place]))
            if rows.is_empty():
                continue
            rows = _finish(rows, plan, sessions, figures)
            figures.add(rows, chunks.items[place][kept[place]])
            table = rows.to_arrow()
            writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer:
            writer.close()
    return figures


def _finish(frame: pl.DataFrame, plan: SplitPlan, sessions: Sessions, figures: Figures) -> pl.DataFrame:
    if "timestamp" not in frame.columns:
        frame = frame.with_columns(timestamp=pl.int_range(pl.len(), dtype=pl.Int64).over("user_id"))
    if sessions.by != "none":
        frame = frame.with_columns(session=session_numbers(frame, sessions, figures.sessions))
    numbered = frame.with_columns(user_index=pl.col("user_id").rle_id().cast(pl.Int64) + figures.users)
    frame = frame.with_columns(split=assign(numbered, plan))
    return frame.select(name for name in _ORDER if name in frame.columns)
