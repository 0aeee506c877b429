"""A log of users whose laws are known: what they like, what tires them, when they leave and when they return."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data import Dataset
from genrec.data.config import DataConfig, Filters, Split
from genrec.data.make import write_dataset

DAY = 86_400_000
START = 1_600_000_000_000
PAUSE = 30 / (24 * 60)
CATEGORIES = 4


@dataclass(frozen=True)
class World:
    """The laws, in the terms of the simulator.

    Args:
        users, items: how many.
        fatigue: weight of log(1 + load), which halves in a day.
        leaving: effect on leaving of an answer better than usual.
        returning: effect on coming back of a visit better than usual.
    """

    users: int = 250
    items: int = 60
    fatigue: float = 1.0
    leaving: float = -1.0
    returning: float = 2.0

    def write(self, run: Path, seed: int = 0) -> Dataset:
        """Write a log of users who were shown items at random."""
        rng = np.random.default_rng(seed)
        rows = [row for user in range(self.users) for row in self._life(user, rng)]
        columns = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "value": pl.Float64}
        log = pl.DataFrame(rows, schema=columns, orient="row")
        items = pl.DataFrame(
            {
                "item_id": [f"i{item:03}" for item in range(self.items)],
                "title": [f"Film {item}" for item in range(self.items)],
                "genres": [f"genre {item % CATEGORIES}" for item in range(self.items)],
            }
        )
        split = Split(by="temporal", valid=0.05, test=0.1)
        write_dataset(run / "dataset", items, log, DataConfig(split=split, filters=Filters()))
        return Dataset.load(run / "dataset")

    def appeal(self, item: int) -> float:
        """Return what an item adds to the logit of a like: from −1 to 1, the first items least."""
        return 2 * item / (self.items - 1) - 1

    def _life(self, user: int, rng: np.random.Generator) -> list[tuple[str, str, int, float]]:
        lenient, tastes = rng.normal(scale=0.7), rng.normal(size=CATEGORIES)
        usual = _sigmoid(lenient)
        load, day, rested, rows = np.zeros(CATEGORIES), rng.uniform(0, 20), 0.0, []
        while day < 60:
            load *= 0.5 ** (day - rested)
            rested, better = day, []
            while True:
                item = int(rng.integers(self.items))
                kind = item % CATEGORIES
                logit = lenient + tastes[kind] + self.appeal(item) - self.fatigue * np.log1p(load[kind])
                liked = rng.random() < _sigmoid(logit)
                load[kind] += 1
                value = float(rng.integers(4, 6) if liked else rng.integers(1, 4))
                at = START + round(day * DAY) + len(better)
                rows.append((f"u{user:03}", f"i{item:03}", at, value))
                better.append(liked - usual)
                if rng.random() < _sigmoid(-1.5 + self.leaving * better[-1]):
                    break
            day += self._away(float(np.mean(better)), rng)
        return rows

    def _away(self, better: float, rng: np.random.Generator) -> float:
        for doubling in range(10):
            if rng.random() < _sigmoid(-1.0 + self.returning * better):
                return float(PAUSE * 2 ** (doubling + rng.random()))
        return 1000.0


def _sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
