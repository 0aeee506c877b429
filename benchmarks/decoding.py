"""Tree-attention beam search against transformers' ``generate`` on the same model, in one run.

    python benchmarks/decoding.py                 # the whole table, about ten minutes on 2 CPU cores
    python benchmarks/decoding.py --quick --json  # about a minute; one JSON object as the last line

The work: a 7 M-parameter decoder of Qwen3's shape with random weights, 10,000 items with 3 codes of 256 each,
prompts of 100 tokens, float32. Against the tree search stand the two ways to constrain ``generate``: a
``prefix_allowed_tokens_fn`` over a dictionary of prefixes, and a vectorised logits processor over the same trie.
Prefill alone (one forward pass over the prompts that keeps the cache) is the floor under every method.

The methods take turns within each round, so that a machine that slows down slows all of them; every figure is
the median over the rounds, of times or of the ratios within a round. ``identical`` says whether all methods gave
the same ordered ten items for every prompt at every beam width.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    Qwen3Config,
    Qwen3ForCausalLM,
    logging,
)

from genrec.decoding import TreeBeamSearch, Trie
from genrec.decoding.trie_mask import TrieMask
from genrec.semantic_ids.vocabulary import SIDVocabulary

SIZES = (256, 256, 256)
LEVELS = len(SIZES)
VOCABULARY = SIDVocabulary(SIZES)
ITEMS, MANY_ITEMS, PROMPT = 10_000, 1_000_000, 100
BEAMS = (10, 20, 50)
T = TypeVar("T")
METHODS = ("prefill", "tree", "prefix_fn", "processor")


def catalogue(items: int, seed: int = 0) -> np.ndarray:
    """Return distinct random codes, int32 [items, 3]."""
    ids = np.random.default_rng(seed).choice(256**3, size=items, replace=False)
    return np.stack([ids >> 16, (ids >> 8) & 255, ids & 255], axis=1).astype(np.int32)


def histories(codes: np.ndarray, batch: int) -> torch.Tensor:
    """Return prompts of <bos> and 33 random items, int64 [batch, 100]."""
    items = np.random.default_rng(1).integers(len(codes), size=(batch, PROMPT // LEVELS))
    tokens = VOCABULARY.encode(codes)[items].reshape(batch, -1)
    return torch.from_numpy(np.insert(tokens, 0, VOCABULARY.bos_id, axis=1))


def decoder() -> Qwen3ForCausalLM:
    """Return the benchmark's model: 7.4 M parameters, spread-out scores so that no two items tie."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY.size,
        hidden_size=384,
        intermediate_size=1152,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=3,
        head_dim=64,
        max_position_embeddings=256,
        initializer_range=0.1,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    return Qwen3ForCausalLM(config).eval()


class TrieProcessor(LogitsProcessor):
    """Masks what does not continue an item, vectorised over all beams."""

    def __init__(self, trie: Trie) -> None:
        self.mask = TrieMask(trie, VOCABULARY.offsets, torch.device("cpu"))

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Return ``scores`` [beams, vocabulary] with -inf on every illegal token."""
        return self.mask(scores, input_ids[:, 1 - LEVELS :].tolist())


def prefix_function(codes: np.ndarray, prompt_length: int) -> Callable[[int, torch.Tensor], list[int]]:
    """Return ``generate``'s own hook over a dictionary from every prefix to its next tokens."""
    following: dict[tuple[int, ...], set[int]] = {}
    for item in VOCABULARY.encode(codes).tolist():
        for level in range(LEVELS):
            following.setdefault(tuple(item[:level]), set()).add(item[level])
    lists = {prefix: sorted(tokens) for prefix, tokens in following.items()}
    return lambda _row, tokens: lists[tuple(tokens[prompt_length:].tolist())]


@dataclass
class Bench:
    """The model, the catalogue and the prompts, and the ways to search them."""

    model: Qwen3ForCausalLM
    codes: np.ndarray
    prompts: torch.Tensor
    k: int = 10

    def __post_init__(self) -> None:
        self.trie = Trie.build(self.codes, SIZES)
        self.search = TreeBeamSearch(self.model, self.trie, VOCABULARY.offsets)
        self.mask = torch.ones_like(self.prompts)
        self.hook = prefix_function(self.codes, PROMPT)
        self.processor = LogitsProcessorList([TrieProcessor(self.trie)])
        self.item_of = {tuple(row): item for item, row in enumerate(VOCABULARY.encode(self.codes).tolist())}

    def run(self, method: str, beams: int) -> np.ndarray | None:
        """Run one method over all prompts; return the best ``k`` items of each, if it finds items."""
        if method == "prefill":
            with torch.no_grad():
                self.model(input_ids=self.prompts, use_cache=True, logits_to_keep=1)
            return None
        if method == "tree":
            return self.search((self.prompts, self.mask), beams=beams, k=self.k).items
        return self._generate(method, beams)

    def _generate(self, method: str, beams: int) -> np.ndarray:
        settings = GenerationConfig(
            num_beams=beams,
            num_return_sequences=self.k,
            max_new_tokens=LEVELS,
            length_penalty=0.0,
            do_sample=False,
            pad_token_id=VOCABULARY.pad_id,
        )
        how = (
            {"prefix_allowed_tokens_fn": self.hook}
            if method == "prefix_fn"
            else {"logits_processor": self.processor}
        )
        found = self.model.generate(self.prompts, attention_mask=self.mask, generation_config=settings, **how)
        rows = found[:, PROMPT:].tolist()
        return np.asarray([self.item_of[tuple(row)] for row in rows]).reshape(len(self.prompts), self.k)


def seconds(call: Callable[[], object], times: int) -> float:
    """Return the mean time of a call."""
    return timed(call, times)[0]


def timed(call: Callable[[], T], times: int) -> tuple[float, T]:
    """Return the mean time of a call, and what the last one returned."""
    started = time.perf_counter()
    for _ in range(times):
        found = call()
    return (time.perf_counter() - started) / times, found


def compare(bench: Bench, rounds: int, repeat: int) -> tuple[dict[int, dict[str, np.ndarray]], bool]:
    """Time all methods in turns.

    Returns:
        The times of each method by beam width, float64 [rounds] each, and whether the best ten always agree.
    """
    times: dict[int, dict[str, list[float]]] = {beams: {method: [] for method in METHODS} for beams in BEAMS}
    identical = True
    for beams in BEAMS:
        bench.run("tree", beams)  # the first call of a width sets up memory
        for _ in range(rounds):
            lists = []
            for method in METHODS:
                calls = 1 if method in ("prefix_fn", "processor") else repeat
                spent, found = timed(lambda m=method, b=beams: bench.run(m, b), calls)
                times[beams][method].append(spent)
                lists += [] if found is None else [found]
            identical &= all(np.array_equal(lists[0], other) for other in lists[1:])
    return {b: {m: np.asarray(t) for m, t in of.items()} for b, of in times.items()}, identical


def growth(bench: Bench, rounds: int, repeat: int) -> float:
    """Return the time of the search with 1 M items over that with 10 k, at beam 20."""
    large = TreeBeamSearch(bench.model, Trie.build(catalogue(MANY_ITEMS), SIZES), VOCABULARY.offsets)
    large((bench.prompts, bench.mask), beams=20)
    ratios = []
    for _ in range(max(rounds, 5)):
        small_time = seconds(lambda: bench.search((bench.prompts, bench.mask), beams=20), repeat)
        large_time = seconds(lambda: large((bench.prompts, bench.mask), beams=20), repeat)
        ratios.append(large_time / small_time)
    return float(np.median(ratios))


def bfloat16(bench: Bench, rounds: int, repeat: int) -> dict[int, tuple[float, float, float]]:
    """Return by beam width: prefill and tree times in bfloat16, and the share of float32's best ten it finds."""
    low = Bench(decoder().to(torch.bfloat16), bench.codes, bench.prompts)
    found = {}
    for beams in BEAMS:
        exact, near = bench.run("tree", beams), low.run("tree", beams)
        overlap = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(exact, near, strict=True)])
        timed = [[seconds(lambda m=m, b=beams: low.run(m, b), repeat) for m in METHODS[:2]] for _ in range(rounds)]
        prefill, tree = np.median(timed, axis=0)
        found[beams] = (float(prefill), float(tree), float(overlap))
    return found


def summary(times: dict[int, dict[str, np.ndarray]], catalogue_growth: float, identical: bool) -> dict[str, object]:
    """Return the figures of ``--json``; the speed-up is over the faster of the two forms of ``generate``."""
    speedup = {
        str(beams): round(float(np.median(np.minimum(of["prefix_fn"], of["processor"]) / of["tree"])), 2)
        for beams, of in times.items()
    }
    ratio = float(np.median(times[20]["tree"] / times[20]["prefill"]))
    return {
        "speedup": speedup,
        "prefill_ratio_20": round(ratio, 2),
        "catalogue_growth": round(catalogue_growth, 3),
        "identical": identical,
    }


def show(
    times: dict[int, dict[str, np.ndarray]], low: dict[int, tuple[float, float, float]], result: dict, batch: int
) -> None:
    """Print a table of requests per second."""
    print(f"requests/s, batch of {batch}, {torch.get_num_threads()} threads, float32\n")
    print(f"{'':38}" + "".join(f"{f'beam {beams}':>10}" for beams in BEAMS))
    names = {
        "prefix_fn": "generate + prefix_allowed_tokens_fn",
        "processor": "generate + vectorised trie processor",
        "tree": "tree attention (genrec)",
        "prefill": "prefill alone",
    }
    for method, name in names.items():
        print(f"{name:38}" + "".join(f"{batch / np.median(times[beams][method]):10.1f}" for beams in BEAMS))
    print(f"{'tree attention, bfloat16':38}" + "".join(f"{batch / low[beams][1]:10.1f}" for beams in BEAMS))
    print(f"{'prefill alone, bfloat16':38}" + "".join(f"{batch / low[beams][0]:10.1f}" for beams in BEAMS))
    print(f"{'bfloat16: share of the same ten items':38}" + "".join(f"{low[beams][2]:10.2f}" for beams in BEAMS))
    over = "".join(f"{result['speedup'][str(beams)]:9.1f}×" for beams in BEAMS)
    print(f"\n{'tree over the faster generate':38}{over}")
    ratios = "".join(f"{np.median(times[b]['tree'] / times[b]['prefill']):9.2f}×" for b in BEAMS)
    print(f"{'time over prefill alone':38}{ratios}")
    print(f"time with 1 M items over 10 k: {result['catalogue_growth']}")
    print(f"same ten items in the same order, all methods and prompts: {result['identical']}")


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8, help="prompts in a batch")
    parser.add_argument(
        "--rounds", type=int, help="how often every method is timed (default: 5, or 1 with --quick)"
    )
    parser.add_argument("--quick", action="store_true", help="one round only")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    logging.set_verbosity_error()
    batch, rounds = options.batch, options.rounds or (1 if options.quick else 5)
    codes = catalogue(ITEMS)
    bench = Bench(decoder(), codes, histories(codes, batch))
    repeat = 5
    times, identical = compare(bench, rounds, repeat)
    result = summary(times, growth(bench, rounds, repeat), identical)
    if options.json:
        print(json.dumps(result))
    else:
        show(times, bfloat16(bench, rounds, repeat), result, batch)


if __name__ == "__main__":
    main()
