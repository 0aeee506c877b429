"""Packed rows: attention within them, logits where something is learned, and the loss of the rows one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec_alignment.sft.attention import attending_to_rows, similar
from genrec_alignment.sft.batches import collate
from genrec_alignment.tasks.packing import IGNORED
from tests.models.language.tiny import tiny_model

# Of each row: which of three prompts it begins with (0: one of its own), and how many tokens it learns.
ROWS = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=5), min_size=1, max_size=3
)
PROMPTS = {1: 5, 2: 9}
Row = tuple[list[int], list[int]]


def _rows(drawn: list[list[tuple[int, int]]], seed: int = 0) -> list[list[Row]]:
    """Return blocks of rows, each its tokens and its labels."""
    rng = np.random.default_rng(seed)
    prompts = {kind: rng.integers(0, 50, length).tolist() for kind, length in PROMPTS.items()}

    def row(kind: int, learned: int) -> Row:
        prompt = prompts.get(kind) or rng.integers(0, 50, 3).tolist()
        answer = rng.integers(0, 50, learned).tolist()
        return [*prompt, *answer], [IGNORED] * len(prompt) + answer

    return [[row(*each) for each in block] for block in drawn]


def _blocks(rows: list[list[Row]]) -> list[dict[str, list[int]]]:
    return [
        {
            "input_ids": [token for ids, _ in block for token in ids],
            "labels": [label for _, labels in block for label in labels],
            "position_ids": [place for ids, _ in block for place in range(len(ids))],
        }
        for block in rows
    ]


def _loss_alone(model: torch.nn.Module, rows: list[list[Row]]) -> torch.Tensor:
    """The summed loss of the rows, each read by itself."""
    total = torch.zeros(())
    for ids, labels in (row for block in rows for row in block):
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].float()
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(labels[1:]), reduction="sum")
    return total


def _loss_packed(model: torch.nn.Module, rows: list[list[Row]]) -> torch.Tensor:
    batch = collate(_blocks(rows))
    with attending_to_rows(model):  # type: ignore[arg-type]
        logits = model(
            input_ids=batch["input_ids"],
            position_ids=batch["position_ids"],
            row_groups=batch["row_groups"],
            logits_to_keep=batch["places"],
        ).logits[0]
    return torch.nn.functional.cross_entropy(logits.float(), batch["targets"], reduction="sum")


@given(drawn=ROWS)
def test_a_batch_holds_every_rows_targets_and_a_shared_prompt_once(drawn: list[list[tuple[int, int]]]) -> None:
    rows = _rows(drawn)
    batch = collate(_blocks(rows))
    learned = sorted(label for block in rows for _, labels in block for label in labels if label != IGNORED)
    assert sorted(batch["targets"].tolist()) == learned
    assert batch["row_tokens"] == sum(len(ids) for block in rows for ids, _ in block)
    kinds = [kind for block in drawn for kind, _ in block]
    spared = sum(PROMPTS[kind] * (kinds.count(kind) - 1) for kind in PROMPTS if kind in kinds)
    assert batch["input_ids"].shape[1] == batch["row_tokens"] - spared
    assert sum(map(sum, batch["row_groups"])) == batch["input_ids"].shape[1] == batch["position_ids"].shape[1]


@pytest.mark.parametrize("tied", [True, False])
def test_the_loss_and_its_gradients_are_those_of_the_rows_one_by_one(tied: bool) -> None:
    rows = _rows([[(1, 7), (0, 3), (1, 2)], [(2, 5), (1, 4), (0, 9), (2, 1)]])
    gradients = []
    for loss in (_loss_alone, _loss_packed):
        model = tiny_model(50, tied)
        value = loss(model, rows)
        value.backward()
        gradients.append([value.detach(), *(weight.grad for weight in model.parameters())])
    for alone, packed in zip(*gradients, strict=True):
        assert torch.allclose(alone, packed, rtol=1e-4, atol=1e-4)


def test_bfloat16_changes_the_loss_by_its_rounding_alone() -> None:
    rows = _rows([[(1, 7), (0, 3), (1, 2)], [(2, 5), (1, 4)]])
    with torch.no_grad():
        exact = _loss_alone(tiny_model(50), rows)
        rounded = _loss_packed(tiny_model(50).to(torch.bfloat16), rows)
    assert rounded == pytest.approx(float(exact), rel=0.02)


@given(lengths=st.lists(st.integers(1, 300), max_size=30).map(lambda rows: sorted(rows, reverse=True)))
def test_rows_of_a_group_are_of_about_equal_length(lengths: list[int]) -> None:
    groups = similar(lengths)
    assert [row for group in groups for row in lengths[group]] == lengths
    assert all(lengths[group][0] <= 1.25 * lengths[group][-1] for group in groups)


def test_the_models_own_attention_is_back_afterwards() -> None:
    model = tiny_model(50)
    before = model.config._attn_implementation
    with attending_to_rows(model):
        assert model.config._attn_implementation != before
    assert model.config._attn_implementation == before
