"""What a thought costs before a recommendation, and what Think-Ahead serving saves of a search.

    python benchmarks/thinking.py --run runs/films            a thought of SmolLM2, then the search
    python benchmarks/thinking.py --run runs/films --ahead    the full search against the search below prefixes

The weights that matter for the time are there, those of the SID tokens are untrained: nothing here says how good a
recommendation is. Times are CPU seconds of this process on one thread, so that a busy machine does not change them
much; medians, the ways in turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from genrec.decoding.think import ThinkingConfig
from genrec.decoding.think.recommender import ThinkingRecommender, search_of
from genrec.models import DecoderConfig, Generator, LanguageConfig, build_generator
from genrec.semantic_ids import Catalogue

HISTORY = 20
ONLINE = DecoderConfig(hidden_size=128, intermediate_size=512, layers=4, heads=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a run with semantic IDs")
    parser.add_argument("--base", default="smollm2", help="the language model that thinks")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--tokens", type=int, default=64, help="tokens of a thought")
    parser.add_argument("--ahead", action="store_true", help="time the search below prefixes")
    parser.add_argument("--beams", type=int, default=50)
    parser.add_argument("--batch", type=int, default=8, help="requests at once, with --ahead")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    catalogue = Catalogue.load(options.run / "semantic_ids")
    if options.ahead:
        time_ahead(build_generator(ONLINE, catalogue, HISTORY), options)
    else:
        dtype = getattr(torch, options.dtype)
        config = LanguageConfig(base=options.base, sid_start="noise")
        time_thought(build_generator(config, catalogue, HISTORY, dtype=dtype), options)


def time_thought(generator: Generator, options: argparse.Namespace) -> None:
    """Print the seconds of a thought, of the search after it, and of the same search without one."""
    thinking = ThinkingRecommender(generator, ThinkingConfig(tokens=options.tokens))
    history = [np.random.default_rng(0).integers(len(generator.catalogue), size=HISTORY)]
    [prompt], _ = thinking.think(history)
    [asked] = generator.prompts(history)
    search = search_of(generator)
    ways = {
        f"thought of {options.tokens} tokens": lambda: thinking.think(history),
        f"search after it ({len(prompt)} tokens)": lambda: search([prompt], beams=options.beams, k=10),
        f"search without it ({len(asked)} tokens)": lambda: search([asked], beams=options.beams, k=10),
    }
    report(ways, options.rounds)


def time_ahead(generator: Generator, options: argparse.Namespace) -> None:
    """Print the seconds of a batch: the full search, and the search below as many prefixes as stated."""
    rng, codes = np.random.default_rng(0), generator.catalogue.codes
    histories = [rng.integers(len(codes), size=HISTORY) for _ in range(options.batch)]
    prompts, search = generator.prompts(histories), search_of(generator)
    ways: dict[str, Callable[[], object]] = {"full search": lambda: search(prompts, beams=options.beams, k=10)}
    for count in (8, 16, 32, 64):
        within = [codes[rng.choice(len(codes), count, replace=False), :-1] for _ in histories]
        ways[f"below {count} prefixes"] = lambda within=within: search(
            prompts, beams=options.beams, k=10, within=within
        )
    report(ways, options.rounds)


def report(ways: dict[str, Callable[[], object]], rounds: int) -> None:
    """Time every way in turns and print the medians as a table."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            started = time.process_time()
            way()
            seconds[name].append(time.process_time() - started)
    print("| what | seconds |\n|---|---|")
    for name, taken in seconds.items():
        print(f"| {name} | {median(taken[1:]):.3f} |")


if __name__ == "__main__":
    main()
