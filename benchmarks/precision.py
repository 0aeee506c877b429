"""A trained generator in float32 and in bfloat16: what the lists lose, and what the search gains.

    python benchmarks/precision.py --run runs/demo      # under a minute
    python benchmarks/precision.py --run runs/demo --json

All users of the test part, lists of 10 with 50 beams, seen items excluded, batches of 64. The two take turns;
speeds are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from genrec.data import Dataset, Examples
from genrec.decoding import Recommender
from genrec_eval.metrics import accuracy

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Row = dict[str, float]


def lists(recommender: Recommender, examples: Examples) -> tuple[np.ndarray, float]:
    """Return the lists of all examples, int64 [examples, 10], and the seconds that they took."""
    histories = [np.asarray(history, dtype=np.int64) for history in examples.histories]
    started = time.perf_counter()
    items = recommender.recommend(histories, 10, 50, histories).items
    return items, time.perf_counter() - started


def compare(run: Path, rounds: int) -> dict[str, Row]:
    """Return Recall@10, NDCG@10, requests a second and the share of lists equal to float32's, by dtype."""
    examples = Dataset.load(run / "dataset").examples("test")
    loaded = {name: Recommender.from_pretrained(run / "generator", dtype=dtype) for name, dtype in DTYPES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in loaded}
    found: dict[str, np.ndarray] = {}
    for _ in range(rounds):
        for name, recommender in loaded.items():
            found[name], taken = lists(recommender, examples)
            seconds[name].append(taken)
    return {
        name: {
            **accuracy(items, examples.targets, ks=(10,)),
            "requests_per_s": round(len(items) / statistics.median(seconds[name]), 1),
            "same_lists": float((items == found["float32"]).all(axis=1).mean()),
        }
        for name, items in found.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = compare(options.run, options.rounds)
    if options.json:
        print(json.dumps(report))
        return
    for name, row in report.items():
        print(name, *(f"{key} {value:.4f}" for key, value in row.items()), sep="  ")


if __name__ == "__main__":
    main()
