"""Sessions per second of the tree search against a beam search with repeated and reordered caches, in one run.

    python benchmarks/sessions.py                 # all models and widths, a few minutes on 2 CPU cores
    python benchmarks/sessions.py --quick --json  # one round; one JSON object as the last line

The work: sessions of 5 items of 3 codes of 256, 10,000 items, histories of 50 items (for the decoder 150 tokens),
random weights, float32. The other search is the usual one: the prompt is read once, what was made of it is repeated
for every beam, each beam is a row of its own, and after every level the rows of the cache are put in the order of
the beams that go on. It shares the trie, the exclusions and the choice of the best beams with the tree search, so
that the difference is the way the model is run. ``identical`` says whether both found the same sessions.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from genrec.decoding import TreeBeamSearch, Trie
from genrec.decoding.causal_stepper import CausalStepper
from genrec.decoding.history_stepper import HistoryStepper
from genrec.decoding.steppers import Decoding
from genrec.models import DecoderConfig, Generator, HistoryBatch, ModelConfig, build_generator
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.onerec.encoder import Memory
from genrec.semantic_ids import Catalogue

SIZES, ITEMS, HISTORY, LENGTH = (256, 256, 256), 10_000, 50, 5
BEAMS = (10, 50)
SHAPE = {"hidden_size": 128, "intermediate_size": 512, "heads": 4}
MODELS: dict[str, ModelConfig] = {
    "decoder": DecoderConfig(**SHAPE, layers=4),
    "encoder_decoder": EncoderDecoderConfig(**SHAPE, encoder_layers=2, decoder_layers=2),
    "lazy_decoder": LazyDecoderConfig(**SHAPE, layers=4),
}
Prompts = list[list[int]] | HistoryBatch
T = TypeVar("T")


class RepeatedCausal:
    """A decoder whose beams are rows of the batch, each with a cache of its own."""

    def __init__(self, stepper: CausalStepper, prompts: list[list[int]]) -> None:
        self.model, self.offsets = stepper.model, stepper.offsets
        tokens = torch.tensor(prompts)
        self.position, self.width = tokens.shape[1], 1
        self.cache = DynamicCache(config=self.model.config)
        out = self.model(input_ids=tokens, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        self.logits = out.logits

    def extend(self, origin: torch.Tensor, codes: torch.Tensor, level: int) -> torch.Tensor:
        """Reorder the cache, run one token a row, and return [batch, width, vocabulary]."""
        self.cache.reorder_cache(rows_of(origin, self.width))
        self.width = origin.shape[1]
        tokens = codes.view(-1, 1).long() + self.offsets[level]
        where = torch.full_like(tokens, self.position)
        out = self.model(input_ids=tokens, position_ids=where, past_key_values=self.cache, use_cache=True)
        self.position += 1
        return out.logits.view(*codes.shape, -1)


class RepeatedHistory:
    """A model of the OneRec family whose beams are rows of the batch, the memory repeated for each."""

    def __init__(self, stepper: HistoryStepper, histories: HistoryBatch) -> None:
        self.model, sizes = stepper.model, stepper.model.config.codebook_sizes
        self.first = [1 + sum(sizes[:level]) for level in range(len(sizes))]
        self.cache, self.memory = DynamicCache(), self.model.encode(histories)
        self.written = self.width = 0
        self.logits = self._run(torch.zeros((len(histories), 1), dtype=torch.int64), 0)[:, None]
        self.width = 1

    def extend(self, origin: torch.Tensor, codes: torch.Tensor, level: int) -> torch.Tensor:
        """Reorder cache and memory, run one or two tokens a row, and return [batch, width, codes]."""
        rows = rows_of(origin, self.width)
        self.cache.reorder_cache(rows)
        if origin.shape[1] != self.width:  # the memory is the same for all beams of a prompt
            keys, values = (tuple(part[rows] for part in parts) for parts in self.memory[:2])
            self.memory = Memory(keys, values, self.memory.mask[rows], self.memory.states[rows])
        self.width = origin.shape[1]
        tokens, following = codes.view(-1, 1).long() + self.first[level], (level + 1) % len(self.first)
        if not following:
            tokens = torch.cat([tokens, torch.zeros_like(tokens)], dim=1)
        return self._run(tokens, following).view(*codes.shape, -1)

    def _run(self, tokens: torch.Tensor, level: int) -> torch.Tensor:
        rows, new = tokens.shape
        positions = (self.written + torch.arange(new)).expand(rows, -1)
        mask = torch.ones(new, self.written + new, dtype=torch.bool).tril(self.written).expand(rows, -1, -1)
        self.written += new
        states = self.model.decode(tokens, positions, mask, self.memory, self.cache)
        return self.model.logits(states, level)[:, -1]


class Repeated:
    """Stands in for a search's own stepper."""

    def __init__(self, stepper: CausalStepper | HistoryStepper) -> None:
        self.stepper, self.offsets, self.device = stepper, stepper.offsets, stepper.device
        self.over_children, self.normalized = stepper.over_children, stepper.normalized

    def start(self, prompts: Prompts, items: int) -> Decoding:  # noqa: ARG002 (the interface has it)
        """Read prompts once."""
        if isinstance(prompts, HistoryBatch):
            assert isinstance(self.stepper, HistoryStepper)
            return RepeatedHistory(self.stepper, prompts)
        assert isinstance(self.stepper, CausalStepper)
        return RepeatedCausal(self.stepper, prompts)


def rows_of(origin: torch.Tensor, width: int) -> torch.Tensor:
    """Return the row of each beam's parent where a prompt's beams are rows one after another, int64 [rows]."""
    return (torch.arange(len(origin))[:, None] * width + origin).view(-1)


def world(kind: str, batch: int) -> tuple[TreeBeamSearch, TreeBeamSearch, Prompts]:
    """Return both searches over one random model, and prompts."""
    rng = np.random.default_rng(0)
    ids = rng.choice(256**3, size=ITEMS, replace=False)
    codes = np.stack([ids >> 16, (ids >> 8) & 255, ids & 255], axis=1).astype(np.int32)
    names = [str(item) for item in range(ITEMS)]
    torch.manual_seed(0)
    generator = spread(
        build_generator(MODELS[kind], Catalogue(names, codes, SIZES, names), HISTORY, session_length=LENGTH)
    )
    prompts = generator.prompts([rng.integers(ITEMS, size=HISTORY) for _ in range(batch)])
    tree = TreeBeamSearch(generator.model, Trie.build(codes, SIZES), generator.catalogue.vocabulary.offsets)
    rows = copy.copy(tree)
    rows.stepper = Repeated(tree.stepper)
    return tree, rows, prompts


def spread(generator: Generator) -> Generator:
    """Draw weights large enough that no two sessions tie."""
    for parameter in generator.model.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.1)
    generator.model.eval()
    return generator


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Return the time of a call, and what it returned."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


def compare(kind: str, beams: int, batch: int, rounds: int) -> dict[str, object]:
    """Time both searches in turns."""
    tree, rows, prompts = world(kind, batch)
    calls = [lambda s=search: s.sessions(prompts, LENGTH, beams, k=5) for search in (tree, rows)]
    lists = [call() for call in calls]  # the first call sets up memory
    times = np.array([[timed(call)[0] for call in calls] for _ in range(rounds)])
    tree_time, rows_time = np.median(times, axis=0)
    return {
        "model": kind,
        "beams": beams,
        "tree": round(batch / tree_time, 2),
        "repeated": round(batch / rows_time, 2),
        "ratio": round(float(np.median(times[:, 1] / times[:, 0])), 2),
        "identical": bool((lists[0].items == lists[1].items).all()),
    }


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8, help="histories in a batch")
    parser.add_argument("--rounds", type=int, help="how often each is timed (default: 5, or 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="one round only")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 5)
    results = [compare(kind, beams, options.batch, rounds) for kind in MODELS for beams in BEAMS]
    if options.json:
        print(json.dumps({"sessions": results}))
        return
    print(
        f"requests/s for a session of {LENGTH} items, batch of {options.batch}, {torch.get_num_threads()} threads\n"
    )
    print(f"{'model':16}{'beams':>6}{'tree':>9}{'repeated':>10}{'ratio':>7}  same sessions")
    for row in results:
        print("{model:16}{beams:6}{tree:9.2f}{repeated:10.2f}{ratio:7.2f}  {identical}".format(**row))


if __name__ == "__main__":
    main()
