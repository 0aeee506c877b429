"""Time and peak memory of importing a large CSV: ``python benchmarks/import.py --rows 10000000 --json``.

Writes a log of users, items, ratings and times to a temporary folder, imports it in a process of its own with a
5-core and the leave-one-out split, and reports that process's peak resident memory. The last line with
``--json`` is one object: ``{"rows": …, "csv_mb": …, "seconds": …, "rows_per_second": …, "peak_mb": …,
"start_mb": …}``; ``start_mb`` is what Python and the imported libraries take before the first row.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

BLOCK = 1_000_000


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(_import(options.child)))
        return
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "log.csv"
        write_log(csv, options.rows)
        child = [sys.executable, __file__, "--child", str(csv)]
        done = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)
        measured = json.loads(done.stdout.splitlines()[-1])
        size = csv.stat().st_size / 1e6
    rate = round(options.rows / measured["seconds"])
    result = {"rows": options.rows, "csv_mb": round(size), **measured, "rows_per_second": rate}
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:16} {value:,}")


def write_log(file: Path, rows: int) -> None:
    """Write a log with 50 interactions a user, in random order, over 100,000 items, some far more liked."""
    rng = np.random.default_rng(0)
    with file.open("wb") as stream:
        for start in range(0, rows, BLOCK):
            count = min(BLOCK, rows - start)
            block = pl.DataFrame(
                {
                    "user_id": rng.integers(0, max(1, rows // 50), count),
                    "item_id": (rng.random(count) ** 3 * 100_000).astype(np.int64),
                    "value": rng.integers(1, 6, count),
                    "timestamp": rng.integers(1_300_000_000, 1_600_000_000, count),
                }
            )
            ids = [pl.format(f"{name[0]}{{}}", name).alias(name) for name in ("user_id", "item_id")]
            block.with_columns(ids).write_csv(stream, include_header=start == 0)


def _import(csv: Path) -> dict[str, float]:
    from genrec.data.config import DataConfig, Filters
    from genrec.data.make import make_dataset

    before, started = _peak_mb(), time.monotonic()
    filters = Filters(min_user_interactions=5, min_item_interactions=5)
    make_dataset(DataConfig(source="table", path=csv, filters=filters), csv.parent / "run", 0)
    seconds = time.monotonic() - started
    return {"seconds": round(seconds, 1), "peak_mb": round(_peak_mb()), "start_mb": round(before)}


def _peak_mb() -> float:
    """Return this process's peak resident memory since its start, in MB; Linux keeps it apart from its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the log")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
