"""Packing: no token lost, no row cut, no row seen by another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from genrec_alignment.tasks import measure_fill, pack

LENGTH = 12


def rows_of(lengths: list[int]) -> Dataset:
    """Return rows of the given lengths, each of its own tokens, of which the second half is learned."""
    ids = np.split(np.arange(sum(lengths), dtype=np.int32), np.cumsum(lengths)[:-1])
    masks = [(np.arange(length) >= length // 2).astype(np.int8) for length in lengths]
    columns = {"input_ids": ids, "completion_mask": masks, "task": ["x"] * len(lengths)}
    return Dataset.from_dict(columns)


def parts(block: dict[str, list[int]]) -> list[tuple[list[int], list[int]]]:
    """Return the ids and the labels of each row of a block, told by the position ids."""
    starts = [at for at, place in enumerate(block["position_ids"]) if place == 0]
    ends = [*starts[1:], len(block["input_ids"])]
    for start, end in zip(starts, ends, strict=True):
        assert block["position_ids"][start:end] == list(range(end - start))
    return [(block["input_ids"][a:b], block["labels"][a:b]) for a, b in zip(starts, ends, strict=True)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=40), st.integers(1, 50))
def test_every_row_is_in_one_block_whole_or_without_its_oldest_tokens(lengths: list[int], buffer: int) -> None:
    rows = rows_of(lengths)
    blocks = list(pack(rows.to_iterable_dataset(), LENGTH, seed=0, buffer=buffer))
    assert all(0 < len(block["input_ids"]) <= LENGTH for block in blocks)
    packed = sorted(part for block in blocks for part in parts(block))
    expected = []
    for row in rows:
        ids, mask = row["input_ids"][-LENGTH:], row["completion_mask"][-LENGTH:]
        expected.append((ids, [-100, *(i if m else -100 for i, m in zip(ids[1:], mask[1:], strict=True))]))
    assert packed == sorted(expected)


def test_fill_says_what_packing_came_to() -> None:
    rows = rows_of([8, 4, 6, 6, 20, 1])
    fill = measure_fill(rows, pack(rows, LENGTH, seed=0), LENGTH)
    assert fill == (6, 4, 37, 37 / 48, 1)


def test_blocks_of_short_rows_are_nearly_full(rng: np.random.Generator) -> None:
    rows = rows_of(rng.integers(5, 60, 1000).tolist())
    assert measure_fill(rows, pack(rows, 128, seed=0), 128).rate > 0.97


@pytest.mark.parametrize("streamed", [False, True])
def test_blocks_come_in_an_order_of_the_seed(rng: np.random.Generator, streamed: bool) -> None:
    rows = rows_of(rng.integers(1, LENGTH, 300).tolist())
    given = rows.to_iterable_dataset() if streamed else rows
    first, again, other = ([b["input_ids"] for b in pack(given, LENGTH, seed)] for seed in (0, 0, 1))
    assert first == again != other
    assert sorted(first) == sorted(other)
    # Best-fit leaves the shortest rows for the last blocks; shuffled, early and late blocks are alike.
    rows_in = [sum(place == 0 for place in block["position_ids"]) for block in pack(given, LENGTH, 0)]
    half = len(rows_in) // 2
    assert abs(np.mean(rows_in[:half]) - np.mean(rows_in[half:])) < 0.5


def test_a_packed_block_has_the_losses_of_its_rows_alone() -> None:
    shape = LlamaConfig(
        vocab_size=60,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(shape).eval()
    rows = rows_of([7, 5, 6, 4, 2, 9, 11, 12])
    blocks = list(pack(rows, LENGTH, seed=0))
    assert max(len(parts(block)) for block in blocks) > 1

    def losses(ids: list[int], labels: list[int], positions: list[int] | None, cache: bool = False) -> list[float]:
        places = None if positions is None else torch.tensor([positions])
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), position_ids=places, use_cache=cache).logits[0, :-1]
        each = torch.nn.functional.cross_entropy(logits, torch.tensor(labels[1:]), reduction="none")
        return [loss for loss, label in zip(each.tolist(), labels[1:], strict=True) if label >= 0]

    together = [x for b in blocks for x in losses(b["input_ids"], b["labels"], b["position_ids"])]
    each = [part for block in blocks for part in parts(block) if len(part[0]) > 1]
    alone = [loss for ids, labels in each for loss in losses(ids, labels, None)]
    assert len(together) == len(alone) > 20
    assert np.allclose(together, alone, atol=1e-5)
    blind = [x for b in blocks for x in losses(b["input_ids"], b["labels"], None)]
    assert not np.allclose(blind, alone, atol=1e-3)  # without position ids rows see each other
    # A cache, which models make by default, turns the detection off without a word.
    cached = [x for b in blocks for x in losses(b["input_ids"], b["labels"], b["position_ids"], cache=True)]
    assert not np.allclose(cached, alone, atol=1e-3)
