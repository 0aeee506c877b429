"""A log with a planted taste: a user likes the items of their own half of the catalogue and rates them so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue

ITEMS, USERS, SHOWN = 24, 90, 24
LIKES = [{"name": "like", "min_value": 4.0}, {"name": "dislike", "max_value": 2.5, "weight": -1.0}]
SMALL = {"hidden_size": 16, "heads": 2, "history_length": 16, "dropout": 0.0}


def make_world(run: Path, *, planted: bool = True, sessions: bool = True, values: bool = True) -> Path:
    """Write dataset and semantic IDs; where nothing is planted, ratings are drawn by lot."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        shown = rng.permutation(ITEMS)[:SHOWN]
        for step, item in enumerate(shown):
            liked = (item % 2 == user % 2) if planted else bool(rng.integers(2))
            split = "test" if step >= SHOWN - 2 else "valid" if step >= SHOWN - 4 else "train"
            rows.append((f"u{user:03}", f"i{item:02}", step, split, 5.0 if liked else 1.0, user * 10 + step // 4))
    columns = ["user_id", "item_id", "timestamp", "split", "value", "session"]
    log = pl.DataFrame(rows, schema=columns, orient="row")
    log = log.drop([*([] if sessions else ["session"]), *([] if values else ["value"])])
    write(run, log)
    return run


def write(run: Path, log: pl.DataFrame) -> None:
    ids = [f"i{item:02}" for item in range(ITEMS)]
    with new_artifact(run / "dataset", "dataset", {}) as draft:
        draft.details = {"time_unit": "ordinal"}
        pl.DataFrame({"item_id": ids, "title": ids}).write_parquet(draft.path / "items.parquet")
        log.write_parquet(draft.path / "interactions.parquet")
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        small_catalogue().save(draft.path)
        save_file({"embeddings": np.eye(ITEMS, dtype=np.float32)}, draft.path / "embeddings.safetensors")


def small_catalogue() -> Catalogue:
    ids = [f"i{item:02}" for item in range(ITEMS)]
    codes = np.stack([np.arange(ITEMS) // 6, np.arange(ITEMS) % 6], axis=1).astype(np.int32)
    return Catalogue(ids, codes, (4, 6), ids)
