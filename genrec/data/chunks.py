"""Bounded memory: a log as files of whole users, each small enough to be held, in order of ``user_id``.

The streaming engine of polars writes each user's rows to the file of the user's chunk; what stays in memory is
the list of users, one chunk, and, for the k-core, two 32-bit integers an interaction (a temporal split adds
the timestamp).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.console import track
from genrec.data.filters import repeated
from genrec.data.importers.source import ORDER, ROW
from genrec.data.validation import SHOWN

T = TypeVar("T")

CHUNK_ROWS = 500_000  # roughly how many rows a file holds; a user is never divided


@dataclass(frozen=True)
class Chunks:
    """Sorted chunk files, and the compact columns of all their rows together.

    Args:
        files: Parquet files of whole users' rows, sorted by user, time, position and place in the log.
        users: int32 [rows], numbered in order of ``user_id``.
        items: int32 [rows], numbered in order of ``item_id``.
        timestamps: int64 [rows], or empty where they are not needed.
        repetitions: how many repeated interactions were met, and left out unless they were to be kept.
        examples: the first few of them.
    """

    files: list[Path]
    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    timestamps: npt.NDArray[np.int64]
    repetitions: int
    examples: list[str]

    def __iter__(self) -> Iterator[tuple[pl.DataFrame, slice]]:
        """Yield each chunk's rows and their place among all rows."""
        start = 0
        for file in self.files:
            frame = pl.read_parquet(file)
            yield frame, slice(start, start + len(frame))
            start += len(frame)


def sort_into_chunks(
    log: pl.LazyFrame, item_ids: pl.Series, work: Path, *, keep_repeated: bool, with_times: bool
) -> Chunks:
    """Divide a log into sorted chunk files.

    Args:
        log: a checked and filtered log with ``row``.
        item_ids: every item, sorted.
        work: a folder for the files.
        keep_repeated: keep interactions that equal another in everything but their place in the log.
        with_times: also hold all timestamps, which a temporal split needs.
    """
    files, rows = _divide(log, work / "parts")
    columns = log.collect_schema().names()
    order = [name for name in ("user_id", "timestamp", "position", *ORDER) if name in columns]
    where = [name for name in ORDER if name in columns]
    index = pl.DataFrame({"item_id": item_ids, "item": pl.int_range(len(item_ids), dtype=pl.Int32, eager=True)})
    users, items = np.empty(rows, np.int32), np.empty(rows, np.int32)
    times = np.empty(rows if with_times else 0, np.int64)
    examples: list[str] = []
    repetitions = first_user = start = 0
    for file in track_many(files, "Sorting", len(files)):
        frame = pl.read_parquet(file).sort(order)
        # Where two rows tie in everything, a sort may put either first: an importer must tell them apart.
        assert not frame.select(where).is_duplicated().any()
        if "timestamp" in columns:
            again = repeated(frame)
            repetitions += int(again.sum())
            examples += _show(frame.filter(again).head(SHOWN))
            frame = frame if keep_repeated else frame.filter(~again)
        place = slice(start, start + len(frame))
        users[place] = frame["user_id"].rle_id().to_numpy() + first_user
        items[place] = frame.join(index, on="item_id", how="left", maintain_order="left")["item"].to_numpy()
        if with_times:
            times[place] = frame["timestamp"].to_numpy()
        frame.drop(ORDER, strict=False).write_parquet(file, compression="lz4")
        start, first_user = place.stop, int(users[place.stop - 1]) + 1
    return Chunks(files, users[:start], items[:start], times[:start], repetitions, examples[:SHOWN])


def track_many(work: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Show a progress bar, unless there is only one thing to do."""
    return track(work, description, total) if total > 1 else work


def _divide(log: pl.LazyFrame, folder: Path) -> tuple[list[Path], int]:
    """Write whole users' rows into files of about ``CHUNK_ROWS``, in order of ``user_id``; count all rows."""
    counts = log.group_by("user_id").len().collect(engine="streaming").sort("user_id")
    counts = counts.with_columns(
        chunk=((pl.col("len").cum_sum() - 1) // CHUNK_ROWS).rank("dense").cast(pl.Int32) - 1
    )
    number, rows = counts["chunk"].n_unique(), int(counts["len"].sum())
    files = [folder / f"{chunk}.parquet" for chunk in range(number)]
    folder.mkdir()
    if number <= 1:
        for file in files:
            log.sink_parquet(file, compression="lz4")
        return files, rows
    place = pl.PartitionBy(
        folder,
        key="chunk",
        include_key=False,
        file_path_provider=lambda part: f"{part.partition_keys['chunk'][0]}.parquet",
        approximate_bytes_per_file=None,
    )
    users = counts.lazy().select("user_id", "chunk")
    log.join(users, on="user_id", how="left").sink_parquet(place, compression="lz4")
    return files, rows


def _show(frame: pl.DataFrame) -> list[str]:
    rows = frame.select(ROW, "user_id", "item_id").iter_rows()
    return [f"row {row} (user {user}, item {item})" for row, user, item in rows]
