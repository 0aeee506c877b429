"""A run folder with a planted truth: after item i comes item i + 1, so that learning can be told from luck."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue

ITEMS, USERS = 30, 48


def make_planted_run(run: Path) -> Path:
    """Write a dataset and semantic IDs of a log in which every user walks around a ring of items."""
    rows = []
    for user in range(USERS):
        length = 6 + user % 7
        for step in range(length):
            split = "test" if step == length - 1 else "valid" if step == length - 2 else "train"
            rows.append((f"u{user:02}", f"i{(user * 5 + step) % ITEMS:02}", step, split))
    columns = ["user_id", "item_id", "timestamp", "split"]
    return write_planted_run(run, pl.DataFrame(rows, schema=columns, orient="row"))


def make_planted_sessions(run: Path) -> Path:
    """Write the same for sessions of three items; a user's last is for test, the one before for validation.

    A third of the users only glance at the items of their first session, which then is none to learn from.
    """
    rows = []
    for user in range(USERS):
        sessions = 4 + user % 3
        for step in range(3 * sessions):
            session = step // 3
            split = "test" if session == sessions - 1 else "valid" if session == sessions - 2 else "train"
            behavior = "glance" if session == 0 and user % 3 == 0 else "like"
            item = f"i{(user * 7 + step) % ITEMS:02}"  # sessions begin at every item
            rows.append((f"u{user:02}", item, step, split, 100 * user + session, behavior, float(1 + step % 3)))
    columns = ["user_id", "item_id", "timestamp", "split", "session", "behavior", "value"]
    return write_planted_run(run, pl.DataFrame(rows, schema=columns, orient="row"))


def write_planted_run(run: Path, interactions: pl.DataFrame) -> Path:
    """Write the dataset of a log over the ring's items, and their semantic IDs."""
    ids = [f"i{item:02}" for item in range(ITEMS)]
    titles = [f"Item {item}" for item in range(ITEMS)]
    with new_artifact(run / "dataset", "dataset", {}) as draft:
        draft.details = {"time_unit": "ordinal"}
        pl.DataFrame({"item_id": ids, "title": titles}).write_parquet(draft.path / "items.parquet")
        interactions.write_parquet(draft.path / "interactions.parquet")
    codes = np.stack([np.arange(ITEMS) // 6, np.arange(ITEMS) % 6], axis=1).astype(np.int32)
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        Catalogue(ids, codes, (5, 6), titles).save(draft.path)
    return run


@pytest.fixture
def planted_run(tmp_path: Path) -> Path:
    return make_planted_run(tmp_path / "run")


@pytest.fixture
def planted_catalogue(planted_run: Path) -> Catalogue:
    return Catalogue.load(planted_run / "semantic_ids")
