"""What measuring costs: the metric code against ranx and RecBole on the same lists, memory, a whole evaluation.

    python benchmarks/evaluation.py                          # most of the time is ranx's
    python benchmarks/evaluation.py --shape 22363x20 --json
    genrec data --run runs/beauty data.source=sequences data.path=Beauty.seq.txt
    genrec tokenize --run runs/beauty --config alignment/recipes/beauty-decoder.yaml
    python benchmarks/evaluation.py --shape --run runs/beauty     # the generator alone

Metrics: recall, NDCG and MRR at 5, 10 and 20, of random lists as arrays; medians of several rounds. ``all`` is the
whole of what `genrec evaluate` sums up, in batches of 1,024: coverage, Gini, entropy, novelty and so on as well.
Ours is on one thread. ranx reads its own dictionaries: ``convert`` is what it takes to make them, ``evaluate`` what
follows, after a first call, so without compiling, on as many threads as NUMBA_NUM_THREADS says. RecBole's evaluator
takes hits, [users, 20]; it is left out where recbole or what it needs is not installed. Everyone must find the same
figures, to nine digits.

Memory: a million users, lists of 100, a catalogue of 100,000, in a process of its own: by how much its peak grows.

The generator: a decoder of the demo's settings over the run's semantic IDs, untrained, since what it has learnt
does not change the time; `genrec evaluate` as a person calls it, 20 beams, all users of the test part.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from evaluators import ranx_row, recbole_seconds, timed
from trie import status_kib

from genrec_eval.metrics import MetricsAccumulator, accuracy

ROOT = Path(__file__).resolve().parents[1]
KS, ITEMS, BATCH = (5, 10, 20), 12_101, 1024
MANY_USERS, MANY_ITEMS, LONG = 1_000_000, 100_000, 100
BEAMS = 20
Lists = tuple[np.ndarray, np.ndarray]
Row = dict[str, Any]


def main() -> None:
    """Measure what is asked for and print it."""
    options = _options()
    found: Row = {"metrics": {f"{users}x{width}": metrics_row(users, width) for users, width in options.shape}}
    if options.shape:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found["memory"] = pool.submit(memory_row).result()
    if options.run:
        found["generator"] = generator_row(options.run)
    print(json.dumps(found) if options.json else _text(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = [(22_363, 20), (100_000, 100)]
    parser.add_argument("--shape", nargs="*", type=_shape, default=usual, metavar="USERSxPLACES", help="none: skip")
    parser.add_argument("--run", type=Path, help="a run with dataset and semantic IDs: measure a generator on it")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _shape(text: str) -> tuple[int, int]:
    users, width = text.split("x")
    return int(users), int(width)


def random_lists(users: int, width: int, items: int = ITEMS, seed: int = 0) -> Lists:
    """Return lists [users, width] without repeated items, and targets [users], a third of them in their list."""
    rng = np.random.default_rng(seed)
    # Steps prime to the catalogue's size: no item comes again before all have come.
    steps = rng.choice([step for step in range(1, 200) if np.gcd(step, items) == 1], users)
    lists = (rng.integers(0, items, users)[:, None] + steps[:, None] * np.arange(width)) % items
    there = lists[np.arange(users), rng.integers(0, width, users)]
    return lists, np.where(rng.random(users) < 1 / 3, there, rng.integers(0, items, users))


def metrics_row(users: int, width: int) -> Row:
    """Return seconds of everyone on the same lists, and how many times faster ours is."""
    lists, targets = random_lists(users, width)
    ours, figures = timed(lambda: accuracy(lists, targets, KS))
    everything, _ = timed(lambda: _accumulated(lists, targets))
    row = {"accuracy": ours, "all": everything, "ranx": ranx_row(lists, targets, figures)}
    row["ratio"] = {"to_accuracy": row["ranx"]["evaluate"] / ours, "to_all": row["ranx"]["evaluate"] / everything}
    recbole = recbole_seconds(lists, targets, figures, KS)
    return row if recbole is None else {**row, "recbole": recbole, "recbole_ratio": recbole / ours}


def _accumulated(lists: np.ndarray, targets: np.ndarray, ks: Sequence[int] = KS) -> dict[str, float]:
    metrics = MetricsAccumulator(ks, ITEMS, np.ones(ITEMS, np.int64))
    for start in range(0, len(lists), BATCH):
        metrics.update(lists[start : start + BATCH], targets[start : start + BATCH])
    return metrics.result()


def memory_row() -> Row:
    """Return by how many MiB this process's peak grows while a million users' lists go through, and the seconds."""
    metrics = MetricsAccumulator((10, 50, LONG), MANY_ITEMS, np.ones(MANY_ITEMS, np.int64))
    lists, targets = random_lists(BATCH, LONG, MANY_ITEMS)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, started = status_kib("VmRSS"), time.perf_counter()
    for _ in range(0, MANY_USERS, BATCH):
        metrics.update(lists, targets)
    streamed = status_kib("VmHWM")
    metrics.result()
    seconds = time.perf_counter() - started
    grown = [(peak - before) / 1024 for peak in (streamed, status_kib("VmHWM"))]
    return {"streamed_mib": grown[0], "with_result_mib": grown[1], "seconds": seconds}


def generator_row(run: Path) -> Row:
    """Return the seconds that `genrec evaluate` takes with an untrained generator of the demo's size."""
    missing = [name for name in ("dataset", "semantic_ids") if not (run / name).is_dir()]
    if missing:
        raise SystemExit(f"{run} has no {' and no '.join(missing)}; the head of this file says how to make them.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("dataset", "semantic_ids"):
            shutil.copytree(run / name, copy / name)
        parameters = _untrained(copy)
        settings = ["evaluate.baselines=[]", "evaluate.examples=0", f"evaluate.beams={BEAMS}"]
        command = [sys.executable, "-m", "genrec", "evaluate", "--run", folder, "--json", *settings]
        started = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results = json.loads(done.stdout)
        return {
            "parameters": parameters,
            "users": results["examples"],
            "beams": BEAMS,
            "minutes": (time.monotonic() - started) / 60,
            "minutes_recommending": results["seconds"]["generator"]["recommend"] / 60,
            "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        }


def _untrained(run: Path) -> int:
    """Write a generator of the demo's settings with random weights, and return its number of parameters."""
    import torch

    from genrec.data import Dataset
    from genrec.models.build import build_generator
    from genrec.runs import new_artifact
    from genrec.semantic_ids import Catalogue
    from genrec_alignment.pretraining.config import TrainConfig

    recipe = yaml.safe_load((ROOT / "genrec" / "recipes" / "demo.yaml").read_text(encoding="utf-8"))
    config = TrainConfig(**recipe["train"])
    torch.manual_seed(0)
    generator = build_generator(config.model, Catalogue.load(run / "semantic_ids"), config.history_length)
    inputs = {"dataset": Dataset.load(run / "dataset").manifest.digest}
    with new_artifact(run / "generator", "generator", {}, inputs) as draft:
        generator.save_pretrained(draft.path)
    return sum(weight.numel() for weight in generator.model.parameters())


def _text(found: Row) -> str:
    lines = []
    for shape, row in found["metrics"].items():
        lines.append(
            f"{shape}: accuracy {row['accuracy'] * 1e3:.1f} ms, all {row['all'] * 1e3:.1f} ms; "
            f"ranx {row['ranx']['convert']:.1f} s to convert, {row['ranx']['evaluate']:.2f} s to evaluate: "
            f"{row['ratio']['to_accuracy']:.0f} times accuracy, {row['ratio']['to_all']:.0f} times all"
        )
        if "recbole" in row:
            lines.append(f"  RecBole's evaluator {row['recbole']:.3f} s: {row['recbole_ratio']:.1f} times accuracy")
    if "memory" in found:
        memory = found["memory"]
        lines.append(
            f"{MANY_USERS:,} users × {LONG}: {memory['streamed_mib']:.0f} MiB while they come, "
            f"{memory['with_result_mib']:.0f} MiB with the result, {memory['seconds']:.1f} s"
        )
    if "generator" in found:
        row = found["generator"]
        lines.append(
            f"generator of {row['parameters']:,} parameters, {row['users']:,} users × {row['beams']} beams, "
            f"{row['threads']} threads: {row['minutes']:.1f} minutes, "
            f"{row['minutes_recommending']:.1f} of them searching"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
