"""The running average of the weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import TrainerControl, TrainerState, TrainingArguments

from genrec_alignment.pretraining.averaging import AverageWeights, averaged, swap
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.make import make_generator
from tests.alignment.test_history_training import MODELS, QUICK


def _trained(steps: int, decay: float) -> tuple[nn.Linear, torch.optim.Optimizer, list[torch.Tensor]]:
    """Take some steps; return the model, its optimizer and what the weights were after each step."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer, callback = torch.optim.AdamW(model.parameters(), lr=0.1), AverageWeights(decay)
    seen = []
    for step in range(steps):
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        state = TrainerState(global_step=step)
        callback.on_optimizer_step(TrainingArguments(use_cpu=True), state, TrainerControl(), optimizer=optimizer)
        seen.append(model.weight.detach().clone())
    return model, optimizer, seen


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_the_average_is_that_of_the_formula(decay: float) -> None:
    model, optimizer, seen = _trained(6, decay)
    expected = seen[0]
    for done, weight in enumerate(seen[1:], start=2):
        expected = torch.lerp(expected, weight, 1 - min(decay, (1 + done) / (10 + done)))
    with averaged(optimizer):
        assert torch.allclose(model.weight, expected, atol=1e-6)
    assert torch.equal(model.weight, seen[-1])


def test_swapping_twice_changes_nothing_and_none_does_nothing() -> None:
    model, optimizer, seen = _trained(3, 0.9)
    swap(optimizer)
    assert not torch.equal(model.weight, seen[-1])
    swap(optimizer)
    assert torch.equal(model.weight, seen[-1])
    with averaged(None):
        assert torch.equal(model.weight, seen[-1])


def test_the_generator_holds_the_average_and_not_the_last_weights(planted_run: Path) -> None:
    """One validation, at the end: the weights trained are the same, what is kept is not."""
    kept = {}
    for name, average in {"average": 0.999, "last": 0.0}.items():
        settings = QUICK | {"model": MODELS["lazy_decoder"], "epochs": 4, "validate_every": 4, "average": average}
        make_generator(TrainConfig(**settings), planted_run, seed=0, force=True)
        losses = json.loads((planted_run / "generator" / "training_log.json").read_text())["log"]
        kept[name] = (
            load_file(planted_run / "generator" / "model.safetensors"),
            [row["loss"] for row in losses if "loss" in row],
        )
    assert kept["average"][1] == kept["last"][1]
    assert any(not torch.equal(weight, kept["last"][0][name]) for name, weight in kept["average"][0].items())


def test_a_training_too_short_for_a_validation_keeps_the_average_too(planted_run: Path) -> None:
    weights = []
    for validate_every in (2, 10):
        settings = QUICK | {"model": MODELS["lazy_decoder"], "epochs": 2, "validate_every": validate_every}
        make_generator(TrainConfig(**settings), planted_run, seed=0, force=True)
        weights.append(load_file(planted_run / "generator" / "model.safetensors"))
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())
