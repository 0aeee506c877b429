"""The lean forward pass against transformers' own, in whole searches of a run's own histories, in turns.

    OMP_NUM_THREADS=1 python benchmarks/forward.py --run runs/demo

Shortest and median milliseconds of a search with 50 beams for batches of 1 to 64, what a history holds left out of
its list, and how many times as fast the lean pass is by either.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from engines import PLACES, histories_of

from genrec.decoding import Recommender
from genrec.decoding.causal_stepper import CausalStepper
from genrec.decoding.lean_qwen3 import LeanQwen3
from genrec.decoding.passes import Pass, TransformersPass

BATCHES, USERS, WIDTH, ROUNDS = (1, 2, 4, 8, 16, 32, 64), 200, 50, 24


def stepper_of(recommender: Recommender) -> CausalStepper:
    """Return what runs the model of a recommender with the tree search."""
    stepper = recommender._serving.search.stepper  # type: ignore[attr-defined]  # as the engine "tree" makes it
    if not isinstance(stepper, CausalStepper) or not isinstance(stepper.forward, LeanQwen3):
        raise SystemExit("The run's generator is not a plain Qwen3 decoder; there is nothing to compare.")
    return stepper


def measure(
    recommender: Recommender, passes: dict[str, Pass], parts: list[list[np.ndarray]]
) -> dict[str, list[float]]:
    """Return the milliseconds of each pass's searches, the passes in turns."""
    stepper, taken = stepper_of(recommender), {name: [] for name in passes}
    lean = stepper.forward
    for part in parts:
        for name, stepper.forward in passes.items():
            started = time.perf_counter()
            recommender.recommend(part, PLACES, WIDTH, part)
            taken[name].append(1000 * (time.perf_counter() - started))
    stepper.forward = lean
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    asked = parser.parse_args()
    recommender = Recommender.from_pretrained(asked.run / "generator", max(BATCHES), "tree")
    histories = histories_of(asked.run, recommender.catalogue, USERS)
    passes = {
        "transformers": TransformersPass(recommender.generator.model),
        "lean": stepper_of(recommender).forward,
    }
    for batch in BATCHES:
        parts = [histories[at % (USERS - batch) :][:batch] for at in range(0, ROUNDS * batch, batch)]
        taken = measure(recommender, passes, parts)
        least, middle = ({name: pick(all_of) for name, all_of in taken.items()} for pick in (min, np.median))
        row = "  ".join(f"{name} {least[name]:6.1f} {middle[name]:6.1f}" for name in passes)
        ratios = (one["transformers"] / one["lean"] for one in (least, middle))
        print(f"batch {batch:2}  {row}  ratio {' '.join(f'{ratio:.2f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
