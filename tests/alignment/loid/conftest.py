"""A tiny base model, and run folders of domains whose ratings follow the words in the titles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.runs import new_artifact
from tests.alignment.tiny_language import write_tiny_language

ITEMS, USERS = 24, 30


def write_domain(run: Path, word: str, values: bool = True, users: int = USERS) -> Path:
    """Write a dataset: even items bear ``word``, odd ones do not, and each user likes one of the two kinds."""
    rng = np.random.default_rng(len(word))
    rows = []
    for user in range(users):
        for place, item in enumerate(rng.permutation(ITEMS)[:10]):
            value = 5.0 if item % 2 == user % 2 else 1.0
            split = "test" if place == 4 else "valid" if place == 7 else "train"
            rows.append((f"u{user:02}", f"i{item:02}", place, split, value))
    log = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "split", "value"], orient="row")
    titles = [f"{word if item % 2 == 0 else 'plain'} thing {item}" for item in range(ITEMS)]
    items = pl.DataFrame({"item_id": [f"i{item:02}" for item in range(ITEMS)], "title": titles})
    with new_artifact(run / "dataset", "dataset", {"word": word}) as draft:
        draft.details = {"time_unit": "ordinal"}
        items.write_parquet(draft.path / "items.parquet")
        (log if values else log.drop("value")).write_parquet(draft.path / "interactions.parquet")
    return run


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_language(tmp_path_factory.mktemp("base"))
