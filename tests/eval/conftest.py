"""Datasets made on the fly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from genrec.data import Dataset
from genrec.data.config import DataConfig, Sessions, Split
from genrec.data.make import write_dataset as write
from genrec.runs import new_artifact

MakeDataset = Callable[..., Dataset]


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Return :func:`write_dataset` with a run folder of the test's own."""
    return partial(write_dataset, run=tmp_path / "run")


def write_dataset(sequences: Sequence[Sequence[int]], items: int, *, run: Path, title: str = "Film") -> Dataset:
    """Write users' sequences as a leave-one-out dataset artefact."""
    rows = [
        (f"u{user:03}", f"i{item:03}", at, _split(at, len(sequence)))
        for user, sequence in enumerate(sequences)
        for at, item in enumerate(sequence)
    ]
    names = {"item_id": [f"i{item:03}" for item in range(items)], "title": [f"{title} {i}" for i in range(items)]}
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "split": pl.String}
    with new_artifact(run / "dataset", "dataset", {}) as draft:
        pl.DataFrame(names).write_parquet(draft.path / "items.parquet")
        table = pl.DataFrame(rows, schema=schema, orient="row")
        table.write_parquet(draft.path / "interactions.parquet")
        draft.details["time_unit"] = "ms"
    return Dataset.load(run / "dataset")


def _split(at: int, length: int) -> str:
    return {length - 1: "test", length - 2: "valid"}.get(at, "train")


def write_sessions(users: Sequence[Sequence[Sequence[int]]], items: int, *, run: Path) -> Dataset:
    """Write users' sessions of items as a dataset artefact that leaves each user's last sessions out."""
    rows = [
        (f"u{user:03}", f"{number}", f"i{item:03}")
        for user, sessions in enumerate(users)
        for number, session in enumerate(sessions)
        for item in session
    ]
    log = pl.DataFrame(rows, schema=["user_id", "request_id", "item_id"], orient="row")
    names = pl.DataFrame(
        {"item_id": [f"i{item:03}" for item in range(items)], "title": [f"Film {i}" for i in range(items)]}
    )
    config = DataConfig(
        sessions=Sessions(by="request"), split=Split(by="leave_one_session_out"), keep_unseen_items=True
    )
    write(run / "dataset", names, log, config)
    return Dataset.load(run / "dataset")
