"""One engine over the histories of a run's users, in a process of its own; ``benchmarks/serving.py`` calls it.

    python benchmarks/engines.py vllm --run runs/demo --histories 32 --rounds 3

Prints one JSON object: by beam width requests per second and CPU seconds a request (medians over the rounds), the
items of every list, and the process's peak memory with the model in it; of ``tree`` also the seconds a request that
its products of matrices alone would take at the rate of a large one. Nothing is excluded from the lists, and the
first call of each width is not counted. ``tree`` searches 8 requests at once, vLLM gets all of them, ``generate``
takes them one by one. vLLM's prefix cache is emptied before every round, for its prompts would be in it otherwise.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from floor import product_flops, product_rate

from genrec.data import Dataset
from genrec.decoding import Ranking, Recommender
from genrec.decoding.engines.vllm import VllmEngine
from genrec.semantic_ids import Catalogue

METHODS = ("tree", "vllm", "vllm_stock", "generate")
BEAMS, PLACES = (10, 20, 50, 128), 10
ENGINES = {"tree": "tree", "vllm": "vllm", "vllm_stock": "vllm", "generate": "hf"}
Ask = Callable[[int], Ranking]


def histories_of(run: Path, catalogue: Catalogue, count: int) -> list[np.ndarray]:
    """Return what users have consumed of a catalogue; the generator cuts it to what it reads."""
    dataset = Dataset.load(run / "dataset")
    names = [[dataset.item_ids[item] for item in dataset.history(user)] for user in dataset.user_ids[:count]]
    return [catalogue.indices(name for name in one if name in catalogue.index_of) for one in names]


def asker(method: str, recommender: Recommender, histories: list[np.ndarray]) -> Ask:
    """Return what asks for the lists of all histories with a beam width."""
    if method != "vllm_stock":
        return lambda beams: recommender.recommend(histories, PLACES, max(PLACES, beams))
    from genrec.decoding.vllm import search

    assert isinstance(recommender.engine, VllmEngine)
    generator, llm = recommender.generator, recommender.engine.llm
    prompts = [generator.prompt(history) for history in histories]

    def stock(beams: int) -> Ranking:
        found = search(llm, generator.catalogue, prompts, beams, generator.vocabulary)
        return Ranking(found.items[:, :PLACES], found.scores[:, :PLACES])

    return stock


def measure(method: str, recommender: Recommender, histories: list[np.ndarray], rounds: int) -> dict[str, object]:
    """Return the figures of one engine."""
    ask, engine, rows = asker(method, recommender, histories), recommender.engine, {}
    for beams in BEAMS:
        ask(beams)
        speeds, costs = [], []
        for _ in range(rounds):
            if isinstance(engine, VllmEngine):
                engine.llm.reset_prefix_cache()
            started, worked = time.perf_counter(), time.process_time()
            found = ask(beams)
            speeds.append(len(histories) / (time.perf_counter() - started))
            costs.append((time.process_time() - worked) / len(histories))
        row: dict[str, object] = {
            "requests_per_s": round(statistics.median(speeds), 2),
            "cpu_s": round(statistics.median(costs), 4),
            "items": found.items.tolist(),
        }
        if method == "tree":
            row["floor_s"] = product_flops(lambda: ask(beams)) / product_rate() / len(histories)  # noqa: B023
        rows[str(beams)] = row
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"beams": rows, "peak_mib": round(peak)}


def main() -> None:
    """Measure one engine and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--histories", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    batch = 8 if asked.method == "tree" else max(1, asked.histories)
    recommender = Recommender.from_pretrained(asked.run / "generator", batch, ENGINES[asked.method])
    histories = histories_of(asked.run, recommender.catalogue, asked.histories)
    print(json.dumps(measure(asked.method, recommender, histories, asked.rounds)))


if __name__ == "__main__":
    main()
