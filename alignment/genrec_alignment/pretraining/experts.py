"""Sparse experts in training: their loads are evened out after every step, and logged."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import TrainerCallback
from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

from genrec.models.onerec.moe import expert_loads, update_balance


class BalanceExperts(TrainerCallback):
    """Moves the balancing biases after every optimizer step, by the loads of all processes."""

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take one step of the biases."""
        del args, state, control
        update_balance(kwargs["model"])


def load_figures(model: nn.Module) -> dict[str, float]:
    """Return how evenly each sparse block's experts were used in the last step.

    For each block ``experts/BLOCK/entropy`` (1 is even, 0 one expert for all) and ``experts/BLOCK/largest`` (the
    largest share times the experts: 1 is even); nothing for a model without sparse blocks.
    """
    figures = {}
    for name, load in expert_loads(model).items():
        figures[f"experts/{name}/entropy"] = round(load.entropy, 4)
        figures[f"experts/{name}/largest"] = round(load.largest, 4)
    return figures
