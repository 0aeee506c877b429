"""Packed rows: attention within them, logits where something is learned, and the loss of the rows one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec_alignment.sft.attention import _groups, attending_to_rows
from genrec_alignment.sft.batches import collate
from genrec_alignment.tasks.packing import IGNORED
from tests.models.language.tiny import tiny_model

LENGTHS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=3)


def _blocks(lengths: list[list[int]], seed: int = 0) -> list[dict[str, list[int]]]:
    rng = np.random.default_rng(seed)
    blocks = []
    for block in lengths:
        ids = rng.integers(0, 50, sum(block))
        labels = np.where(rng.random(sum(block)) < 0.6, ids, IGNORED)
        positions = np.concatenate([np.arange(length) for length in block])
        blocks.append({"input_ids": ids.tolist(), "labels": labels.tolist(), "position_ids": positions.tolist()})
    return blocks


@given(lengths=LENGTHS)
def test_a_batch_holds_every_row_once_the_longest_first(lengths: list[list[int]]) -> None:
    blocks = _blocks(lengths)
    batch = collate(blocks)
    rows = sorted(length for block in lengths for length in block)
    assert batch["row_lengths"] == rows[::-1]
    assert sorted(batch["input_ids"][0].tolist()) == sorted(
        token for block in blocks for token in block["input_ids"]
    )
    starts = np.cumsum([0, *batch["row_lengths"][:-1]])
    assert np.array_equal(np.flatnonzero(batch["position_ids"][0].numpy() == 0), starts)
    learned = sum(
        label != IGNORED and place > 0
        for block in blocks
        for label, place in zip(block["labels"], block["position_ids"], strict=True)
    )
    assert len(batch["places"]) == len(batch["targets"]) == learned
    assert torch.equal(batch["input_ids"][0, batch["places"] + 1], batch["targets"])


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=30).map(lambda rows: sorted(rows, reverse=True)))
def test_rows_of_a_group_are_of_about_equal_length(lengths: list[int]) -> None:
    groups = _groups(lengths)
    assert [row for group in groups for row in lengths[group]] == lengths
    assert all(lengths[group][0] <= 1.25 * lengths[group][-1] for group in groups)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_rows_give_the_logits_of_the_rows_alone(dtype: torch.dtype) -> None:
    model = tiny_model(50).to(dtype)
    batch = collate(_blocks([[7, 3, 12], [5, 1, 11]]))
    with attending_to_rows(model), torch.no_grad():
        packed = model(
            input_ids=batch["input_ids"], position_ids=batch["position_ids"], row_lengths=batch["row_lengths"]
        ).logits[0]
    at = 0
    for length in batch["row_lengths"]:
        with torch.no_grad():
            alone = model(input_ids=batch["input_ids"][:, at : at + length]).logits[0]
        assert torch.allclose(packed[at : at + length], alone, atol=1e-4 if dtype == torch.float32 else 0.1)
        at += length


def test_the_models_own_attention_is_back_afterwards() -> None:
    model = tiny_model(50)
    before = model.config._attn_implementation
    with attending_to_rows(model):
        assert model.config._attn_implementation != before
    assert model.config._attn_implementation == before
