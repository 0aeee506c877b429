"""Sparse experts against a dense block of equal active parameters, and against a loop over masks, in one run.

    python benchmarks/moe.py                  # a few minutes on one CPU core
    python benchmarks/moe.py --quick --json   # about half a minute; one JSON object as the last line

The work: one feed-forward block forward and backward, with 24 experts of which a token goes through 2. Against
:class:`~genrec.models.onerec.moe.SparseMoE` stand a dense SwiGLU block as wide as the active experts together (its
parameters are the active ones; it has no router), the loop of most published code (each expert reads the tokens
whose mask names it), and the loop over whole batches (each expert reads all tokens, weighted by 0 where it was not
chosen). All have the same weights and give the same values.

The methods take turns within each round, so that a machine that slows down slows all of them; every figure is the
median over the rounds, of tokens a second or of the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrec.models.onerec.feed_forward import FeedForward
from genrec.models.onerec.moe import SparseMoE

EXPERTS, ACTIVE = 24, 2
SHAPES = (
    (4096, 128, 256),
    (1024, 128, 256),
    (4096, 256, 512),
    (2048, 512, 1024),
)  # tokens, hidden, inside an expert


def experts(block: SparseMoE) -> list[Callable[[Tensor], Tensor]]:
    """Each expert alone; taken apart once, since the gradient of ``weights[at]`` is as large as all weights."""

    def alone(gate: Tensor, up: Tensor, down: Tensor, rows: Tensor) -> Tensor:
        return (functional.silu(rows @ gate) * (rows @ up)) @ down

    weights = zip(block.gate.unbind(), block.up.unbind(), block.down.unbind(), strict=True)
    return [partial(alone, *own) for own in weights]


def loop_over_masks(block: SparseMoE, rows: Tensor) -> Tensor:
    """Each expert reads the tokens that its mask names."""
    gates, chosen = block.route(rows)
    mixed = torch.zeros_like(rows)
    for at, expert in enumerate(experts(block)):
        token, place = torch.where(chosen == at)
        mixed = mixed.index_add(0, token, expert(rows.index_select(0, token)) * gates[token, place, None])
    return mixed


def loop_over_batches(block: SparseMoE, rows: Tensor) -> Tensor:
    """Each expert reads all tokens; the mask makes the gates of the others 0."""
    gates, chosen = block.route(rows)
    mixed = torch.zeros_like(rows)
    for at, expert in enumerate(experts(block)):
        mixed = mixed + expert(rows) * (gates * (chosen == at)).sum(dim=-1, keepdim=True)
    return mixed


def methods(hidden: int, inner: int) -> dict[str, Callable[[Tensor], Tensor]]:
    block = SparseMoE(hidden, inner, EXPERTS, ACTIVE)
    block.initialise(hidden**-0.5)
    return {
        "sparse": block,
        "dense": FeedForward(hidden, ACTIVE * inner),
        "mask loop": lambda rows: loop_over_masks(block, rows),
        "batch loop": lambda rows: loop_over_batches(block, rows),
    }


def seconds(method: Callable[[Tensor], Tensor], rows: Tensor) -> float:
    started = time.perf_counter()
    method(rows).sum().backward()
    return time.perf_counter() - started


def measure(tokens: int, hidden: int, inner: int, rounds: int) -> dict[str, float]:
    """Return tokens a second of each method, and the ratios of the sparse block to the others."""
    torch.manual_seed(0)
    known = methods(hidden, inner)
    rows = torch.randn(tokens, hidden, requires_grad=True)
    torch.testing.assert_close(known["sparse"](rows), known["batch loop"](rows), atol=1e-4, rtol=1e-4)
    for method in known.values():
        seconds(method, rows)  # the first pass makes the gradients
    times = {name: np.empty(rounds) for name in known}
    for at in range(rounds):
        for name, method in known.items():
            times[name][at] = seconds(method, rows)
    speeds = {name: float(tokens / np.median(taken)) for name, taken in times.items()}
    ratios = {f"sparse / {name}": float(np.median(times[name] / times["sparse"])) for name in list(times)[1:]}
    return {"tokens": tokens, "hidden": hidden, "inner": inner} | speeds | ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two shapes and few rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    results = []
    for shape in SHAPES[:2] if arguments.quick else SHAPES:
        result = measure(*shape, rounds=5 if arguments.quick else 15)
        results.append(result)
        print(
            "  ".join(
                f"{name} {value:,.2f}" if "/" in name else f"{name} {value:,.0f}" for name, value in result.items()
            )
        )
    if arguments.json:
        print(json.dumps({"threads": torch.get_num_threads(), "torch": torch.__version__, "results": results}))


if __name__ == "__main__":
    main()
