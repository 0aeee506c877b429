"""A log with a taste that all share: half of the items are liked, and what is chosen last is one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from tests.alignment.reward.worlds import ITEMS, write

USERS, SHOWN = 60, 20


def make_world(run: Path, shown: int = SHOWN) -> Path:
    """Write dataset and semantic IDs; even items are rated 5, odd ones 1, and held-out targets are even."""
    rng, rows = np.random.default_rng(0), []
    for user in range(USERS):
        items = [*rng.permutation(ITEMS)[:shown], *rng.permutation(ITEMS // 2)[:2] * 2]
        for step, item in enumerate(items):
            split = "test" if step == shown + 1 else "valid" if step == shown else "train"
            value = 1.0 if item % 2 else 5.0
            rows.append((f"u{user:03}", f"i{item:02}", step, split, value, user * 10 + step // 4))
    columns = ["user_id", "item_id", "timestamp", "split", "value", "session"]
    write(run, pl.DataFrame(rows, schema=columns, orient="row"))
    return run
