"""Training speed of our encoder-decoder against transformers' T5 of equal size, in one run.

    python benchmarks/training.py                 # about ten minutes on 2 CPU cores
    python benchmarks/training.py --small --json  # about a minute; one JSON object as the last line

The work: the examples (history, next item) of users with geometrically distributed histories of at most 50 items,
3 codes of 256 an item. All methods train on the same examples, with the same AdamW; the making of batches counts.

t5       what scripts with T5 do: every code of the history is a token, examples in random order, padded to the
         longest of the batch; gated feed-forward blocks, transformers' own attention
ours     the encoder-decoder that reads both ways: an event is one vector; a step's examples sorted by length and
         read in four parts; without a table of item vectors, which T5 has not either
windows  the same with a causal encoder: all examples of a user in one row

``tokens/s`` counts the code tokens of the examples, 3 · (events of the history + 1) each, the same for all methods
and whatever a method makes of them: padding, BOS and end tokens do not count. Since a window holds all examples of
a user at once, its figure says how fast it gets through examples, not how many tokens it reads.

The floor: the products of matrices that one batch of ``ours`` needs, counted by torch's own counter, at the rate of
one large product measured beside it. The methods take turns within each round; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from floor import product_flops, product_rate
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import T5Config, T5ForConditionalGeneration

from genrec.models import build_generator
from genrec.models.onerec.config import EncoderDecoderConfig, HistoryConfig
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.item_tasks import ItemWindows, NextItems
from genrec_alignment.pretraining.tasks import Tasks, TrainingLog
from genrec_alignment.pretraining.windows import IGNORED, StepSampler

SIZES, ITEMS, HISTORY, MEAN_LENGTH = (256, 256, 256), 10_000, 50, 12
LEVELS, PAD, FIRST, PARTS = len(SIZES), 0, 2, 4  # T5's token 1 is its end token
Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Size:
    """How large the models and the rounds are."""

    width: int
    layers: int
    users: int
    batch: int
    rounds: int


FULL, SMALL = Size(256, 4, 384, 128, 3), Size(64, 2, 48, 64, 2)


def training_log(users: int) -> tuple[TrainingLog, Catalogue]:
    """Return random histories over random codes."""
    rng = np.random.default_rng(0)
    ids = rng.choice(256**3, size=ITEMS, replace=False)
    codes = np.stack([ids >> 16, (ids >> 8) & 255, ids & 255], axis=1).astype(np.int32)
    lengths = np.minimum(1 + rng.geometric(1 / MEAN_LENGTH, users), HISTORY)
    rows = np.split(np.arange(lengths.sum()), np.cumsum(lengths)[:-1])
    items = rng.integers(ITEMS, size=lengths.sum()).astype(np.int32)
    return TrainingLog(items, rows), Catalogue([str(at) for at in range(ITEMS)], codes, SIZES, [""] * ITEMS)


def ours(size: Size, catalogue: Catalogue, causal: bool) -> nn.Module:
    """Return our encoder-decoder, without a table of item vectors."""
    shape = EncoderDecoderConfig(
        hidden_size=size.width,
        intermediate_size=4 * size.width,
        heads=size.width // 32,
        encoder_layers=size.layers,
        decoder_layers=size.layers,
        causal_encoder=causal,
        history=HistoryConfig(item_embeddings=False),
    )
    return build_generator(shape, catalogue, HISTORY, dropout=0.1).model


def t5(size: Size) -> nn.Module:
    """Return T5 with as many layers, of the same width and vocabulary."""
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=FIRST + sum(SIZES),
            d_model=size.width,
            d_ff=4 * size.width,
            num_heads=size.width // 32,
            d_kv=32,
            num_layers=size.layers,
            num_decoder_layers=size.layers,
            feed_forward_proj="gated-silu",
            dropout_rate=0.1,
            tie_word_embeddings=False,
            pad_token_id=PAD,
            decoder_start_token_id=PAD,
        )
    )


def in_parts(tasks: Tasks, rows: int) -> Iterator[list[Batch]]:
    """Yield the parts of each step of an epoch as our trainer makes them."""
    order = list(StepSampler(tasks.lengths, rows, 0, tasks))
    size = max(1, rows // PARTS)
    for start in range(0, len(order), rows):
        step = order[start : start + rows]
        parts = [tasks(step[at : at + size]) for at in range(0, len(step), size)]
        count = sum(int((part["target_codes"][..., 0] != IGNORED).sum()) for part in parts)
        yield [part | {"num_items_in_batch": torch.tensor(count)} for part in parts]


def padded(tasks: Tasks, codes: np.ndarray, rows: int) -> Iterator[list[Batch]]:
    """Yield the same examples as token sequences in random order, padded to the longest of each batch."""
    tokens = codes + FIRST + np.cumsum([0, *SIZES[:-1]])
    order = np.random.default_rng(1).permutation(len(tasks))
    for at in range(0, len(order), rows):
        examples = [tasks.task(int(row)) for row in order[at : at + rows]]
        sources = [torch.from_numpy(tokens[tasks.log.items[one.history]].ravel()) for one in examples]
        # An empty history still needs a token to attend to: T5 ends every input with one.
        ended = [torch.cat([source, torch.ones(1, dtype=torch.int64)]) for source in sources]
        ids = nn.utils.rnn.pad_sequence(ended, batch_first=True, padding_value=PAD)
        labels = torch.from_numpy(tokens[[int(one.targets[0, 0]) for one in examples]])
        yield [{"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": labels}]


class Method:
    """A model with its optimizer and its way to make the batches of each step."""

    def __init__(self, model: nn.Module, steps: Callable[[], Iterator[list[Batch]]], math: bool) -> None:
        self.model, self.steps, self.math = model.train(), steps, math
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def loss(self, batch: Batch, bfloat16: bool) -> torch.Tensor:
        """Return the loss of a batch."""
        kernel = sdpa_kernel(SDPBackend.MATH) if self.math and bfloat16 else contextlib.nullcontext()
        with kernel, torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss: torch.Tensor = self.model(**batch).loss
        return loss

    def epoch(self, bfloat16: bool) -> float:
        """Train on all examples once; return the seconds."""
        started = time.perf_counter()
        for step in self.steps():
            for batch in step:
                self.loss(batch, bfloat16).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return time.perf_counter() - started

    def flops(self) -> int:
        """Return the operations of the matrix products of one epoch's forward and backward passes."""
        batches = itertools.chain.from_iterable(self.steps())
        found = product_flops(lambda: [self.loss(batch, False).backward() for batch in batches])
        self.optimizer.zero_grad()
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="small models and few examples")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    size = SMALL if options.small else FULL
    log, catalogue = training_log(size.users)
    item_rows = np.zeros(ITEMS, np.int64)
    examples = NextItems(log, catalogue, item_rows, HISTORY, 0)
    windows = ItemWindows(log, catalogue, item_rows, HISTORY, 0)
    tokens = LEVELS * int((examples.lengths + 1).sum())
    torch.manual_seed(0)
    window_batch = max(1, size.batch * len(windows) // len(examples))
    methods = {
        "t5": Method(t5(size), lambda: padded(examples, catalogue.codes, size.batch), math=False),
        "ours": Method(ours(size, catalogue, False), lambda: in_parts(examples, size.batch), math=True),
        "windows": Method(ours(size, catalogue, True), lambda: in_parts(windows, window_batch), math=True),
    }
    print(f"{len(examples):,} examples, {tokens:,} code tokens, {torch.get_num_threads()} threads")
    for name, method in methods.items():
        print(f"{name}: {sum(weight.numel() for weight in method.model.parameters()):,} parameters")
    results = {kind: measure(methods, tokens, size.rounds, kind == "bfloat16") for kind in ("float32", "bfloat16")}
    for kind, row in results.items():
        show(kind, row)
    if options.json:
        print(json.dumps(results))


def measure(methods: dict[str, Method], tokens: int, rounds: int, bfloat16: bool) -> dict[str, Any]:
    """Return tokens a second of every method, ratios to T5, and the floor."""
    for method in methods.values():
        batch = next(method.steps())[0]
        method.loss(batch, bfloat16).backward()  # warm
    times = [{name: method.epoch(bfloat16) for name, method in methods.items()} for _ in range(rounds)]
    row: dict[str, Any] = {"tokens_per_second": {}, "over_t5": {}, "gflops": {}}
    for name, method in methods.items():
        row["tokens_per_second"][name] = round(tokens / float(np.median([one[name] for one in times])))
        row["over_t5"][name] = round(float(np.median([one["t5"] / one[name] for one in times])), 2)
        row["gflops"][name] = round(method.flops() / 1e9, 1)
    floor = row["gflops"]["ours"] * 1e9 / product_rate(torch.bfloat16 if bfloat16 else torch.float32)
    row["floor_tokens_per_second"] = round(tokens / floor)
    return row


def show(kind: str, row: dict[str, Any]) -> None:
    """Print one precision's figures as a table."""
    print(f"\n{kind}\n| method | code tokens/s | over t5 | GFLOP of an epoch |\n|---|---|---|---|")
    for name, speed in row["tokens_per_second"].items():
        print(f"| {name} | {speed:,} | {row['over_t5'][name]:.2f} | {row['gflops'][name]:,} |")
    print(f"floor of ours: {row['floor_tokens_per_second']:,} code tokens/s")


if __name__ == "__main__":
    main()
