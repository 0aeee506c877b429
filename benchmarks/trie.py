"""Time and memory of building the trie of a large catalogue.

    python benchmarks/trie.py                    # 1,000,000 items, 4 levels of 256 codes
    python benchmarks/trie.py --items 100000 --json

Memory is the peak of the build over what the codes themselves take: the larger of the arrays numpy asked for
(tracemalloc) and the growth of the resident set (VmHWM, reset before the build through /proc/self/clear_refs),
each in a run of its own, since tracing costs time.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import tracemalloc
from pathlib import Path

import numpy as np

from genrec.decoding.trie import Trie

CODEBOOK, LEVELS = 256, 4


def unique_codes(items: int, seed: int = 0) -> np.ndarray:
    """Return distinct random semantic IDs, int32 [items, LEVELS], in no order."""
    rng = np.random.default_rng(seed)
    ids = np.unique(rng.integers(0, CODEBOOK**LEVELS, size=items + items // 50))
    while len(ids) < items:
        ids = np.unique(np.concatenate([ids, rng.integers(0, CODEBOOK**LEVELS, size=items)]))
    ids = rng.permutation(ids)[:items]
    return np.stack([(ids >> shift) & 255 for shift in (24, 16, 8, 0)], axis=1).astype(np.int32)


def status_kib(field: str) -> int:
    """Return a memory figure of this process, KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def resident_growth(codes: np.ndarray, sizes: list[int]) -> int:
    """Return by how many bytes the resident set grew at the peak of a build; 0 where that cannot be seen."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    before = status_kib("VmRSS")
    trie = Trie.build(codes, sizes)
    grown = (status_kib("VmHWM") - before) * 1024
    del trie
    return grown


def traced_peak(codes: np.ndarray, sizes: list[int]) -> int:
    """Return the most bytes that a build held at once, as numpy reports its arrays."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    trie = Trie.build(codes, sizes)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    del trie
    return peak


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    codes, sizes = unique_codes(options.items), [CODEBOOK] * LEVELS
    grown = resident_growth(codes, sizes)
    started = time.perf_counter()
    trie = Trie.build(codes, sizes)
    seconds = time.perf_counter() - started
    kept = trie.nbytes
    del trie
    traced = traced_peak(codes, sizes)
    per_item = max(grown, traced) / options.items
    if options.json:
        print(
            json.dumps({"items": options.items, "seconds": round(seconds, 3), "bytes_per_item": round(per_item, 1)})
        )
        return
    print(f"items × levels         {options.items:,} × {LEVELS}")
    print(f"build                  {seconds:.2f} s")
    print(f"peak, numpy arrays     {traced / options.items:.0f} bytes an item")
    print(f"peak, resident set     {grown / options.items:.0f} bytes an item")
    print(f"kept                   {kept / options.items:.0f} bytes an item")


if __name__ == "__main__":
    main()
