"""Run by test_vllm.py in a process of its own, since vLLM allows one engine a process.

    python vllm_program.py FOLDER

FOLDER holds one generator whose model has tokens for both catalogues of :data:`WORLDS`. Every engine gets the same
requests; what it found is written to FOLDER/ENGINE.npz, and what vLLM itself wrote through the logits processor, by
stock beam search and by sampling, to FOLDER/stock.npz.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from genrec.decoding import ENGINES, Recommender, Sessions
from genrec.decoding.engines.opening import open_engine
from genrec.decoding.engines.vllm import VllmEngine
from genrec.models import Generator
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import random_codes

# Codebook sizes and items. Few prefixes and many items below each, told apart by the last code.
WORLDS = {"three": ((6, 5, 64), 1100), "four": ((4, 3, 4, 48), 1200)}
PROMPTS, WIDE, SESSION, WIDTH = 22, 250, 3, 12


def catalogue_of(world: str, items: int | None = None) -> Catalogue:
    """Return a random catalogue, or the first items of it."""
    sizes, most = WORLDS[world]
    names = [f"item {row}" for row in range(items or most)]
    codes = random_codes(sizes, most, np.random.default_rng(0))[: items or most]
    return Catalogue(names, codes, sizes, names)


def requests(catalogue: Catalogue) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return histories, and for each what to leave out: items at random, and all but one below one prefix."""
    rng = np.random.default_rng(1)
    histories = [rng.integers(len(catalogue), size=1 + row % 7) for row in range(PROMPTS)]
    below = np.flatnonzero((catalogue.codes[:, :2] == catalogue.codes[0, :2]).all(axis=1))[1:]
    return histories, [np.union1d(rng.integers(len(catalogue), size=60), below) for _ in histories]


def answers(generator: Generator, engine: object) -> Iterator[tuple[str, Sessions]]:
    """Yield the name of each kind of request, and what the engine found."""
    for world in WORLDS:
        catalogue = catalogue_of(world)
        served = Recommender(replace(generator, catalogue=catalogue, trained=catalogue), 8, engine)
        histories, exclude = requests(catalogue)
        yield f"{world}_lists", as_sessions(served.recommend(histories, WIDE, WIDE))
        histories, exclude = histories[:4], exclude[:4]
        yield f"{world}_excluded", as_sessions(served.recommend(histories, 40, 40, exclude))
        yield f"{world}_sessions", served.sessions(histories, SESSION, WIDTH, WIDTH, exclude, distinct=False)
        served.use(catalogue_of(world, 500))  # another version of the catalogue
        yield f"{world}_version", as_sessions(served.recommend([one % 500 for one in histories], 40, 40))


def as_sessions(ranking: tuple[np.ndarray, np.ndarray]) -> Sessions:
    """Return a ranking as sessions of one item."""
    items, scores = ranking
    return Sessions(items[..., None], scores, scores[..., None])


def stock(engine: VllmEngine, generator: Generator) -> dict[str, np.ndarray]:
    """Return what vLLM's own beam search and its sampling write: items, scores, and tokens [items, levels]."""
    from vllm import SamplingParams

    from genrec.decoding.vllm import search

    prompts = [generator.prompt(history) for history in requests(generator.catalogue)[0]]
    found = search(engine.llm, generator.catalogue, prompts[:4], 16, generator.vocabulary)
    sampling = SamplingParams(n=240, temperature=1.0, max_tokens=6, ignore_eos=True, detokenize=False)
    given = [{"prompt_token_ids": prompt} for prompt in prompts]
    sampled = engine.llm.generate(given, sampling, use_tqdm=False)
    tokens = [list(one.token_ids) for of in sampled for one in of.outputs]
    return {"items": found.items, "scores": found.scores, "tokens": np.asarray(tokens).reshape(-1, 3)}


def main(folder: Path) -> None:
    """Ask every engine."""
    for name in ENGINES:
        generator, engine = open_engine(name, folder)
        found = {
            f"{kind}_{part}": value
            for kind, one in answers(generator, engine)
            for part, value in one._asdict().items()
        }
        np.savez(folder / f"{name}.npz", **found)
        if isinstance(engine, VllmEngine):
            np.savez(folder / "stock.npz", **stock(engine, generator))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
