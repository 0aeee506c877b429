"""Time and memory of making a very long history short for the lifelong pathway, and what of it is kept.

    python benchmarks/lifelong.py                                 # 10,000 and 100,000 events → 2,000
    python benchmarks/lifelong.py --events 20000 --most 500 --json

A history is that of a user with 4,000 interests of 32 dimensions, the n-th of which comes up in proportion to 1/n.
Reported are the seconds of one history, the memory of its arrays, and the share of the user's interests that still
has an event among the representatives, beside that of as many events drawn by chance and of the latest ones.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc

import numpy as np

from genrec.models.onerec.history.condense import Vectors, clusters, representative

DIM, INTERESTS, NOISE = 32, 4000, 0.2


def history(events: int, rng: np.random.Generator) -> tuple[Vectors, np.ndarray]:
    """Return the vectors of a user's events, float32 [events, DIM], and the interest of each."""
    centres = rng.standard_normal((INTERESTS, DIM)).astype(np.float32)
    weights = 1 / np.arange(1, INTERESTS + 1)
    interests = rng.choice(INTERESTS, events, p=weights / weights.sum())
    return centres[interests] + NOISE * rng.standard_normal((events, DIM)).astype(np.float32), interests


def measure(events: int, most: int) -> dict[str, float]:
    """Return the figures of one history."""
    rng = np.random.default_rng(0)
    vectors, interests = history(events, rng)
    started = time.perf_counter()
    found = clusters(vectors, most)
    chosen = np.array([representative(vectors, rows) for rows in found])
    seconds = time.perf_counter() - started
    tracemalloc.start()
    clusters(vectors, most)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    ways = {
        "kept": chosen,
        "kept_by_chance": rng.choice(events, len(chosen), replace=False),
        "kept_by_latest": np.arange(events)[-len(chosen) :],
    }
    all_of_them = len(np.unique(interests))
    kept = {name: round(len(np.unique(interests[rows])) / all_of_them, 3) for name, rows in ways.items()}
    figures = {"seconds": round(seconds, 2), "peak_mb": round(peak / 1e6, 1), "interests": all_of_them}
    return {"events": events, "representatives": len(chosen), **figures, **kept}


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    rows = [measure(events, options.most) for events in options.events]
    if options.json:
        print(json.dumps({"histories": rows}))
        return
    for row in rows:
        print(f"{row['events']:,} events → {row['representatives']:,}: {row['seconds']} s, {row['peak_mb']} MB")
        print(
            f"  of {row['interests']:,} interests {row['kept']:.1%} are kept; by chance"
            f" {row['kept_by_chance']:.1%}, by the latest events {row['kept_by_latest']:.1%}"
        )


if __name__ == "__main__":
    main()
