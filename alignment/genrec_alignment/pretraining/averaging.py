"""A running average of the weights: it is what is validated and kept, while what is trained goes on beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

_KEY = "average"


class AverageWeights(TrainerCallback):
    """Keeps an exponential moving average of every weight in the optimizer's state.

    There FSDP divides it as it divides the weights, and every checkpoint has it without a file of its own. After
    step t the average moves by ``1 - min(decay, (1 + t) / (10 + t))`` towards the weights, so that it soon forgets
    the random start.

    Args:
        decay: how much of the average stays at a step, once there were many.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the averages."""
        del args, control
        # The step that was just taken is counted afterwards.
        follow(kwargs["optimizer"], self.decay, state.global_step + 1)


def follow(optimizer: torch.optim.Optimizer, decay: float, done: int) -> None:
    """Move the averages towards the weights, after ``done`` steps."""
    share = 1 - min(decay, (1 + done) / (10 + done))
    with torch.no_grad():
        weights = _weights(optimizer)
        for weight in weights:  # not before their first step: a state that is not empty is not made again
            if _KEY not in optimizer.state[weight]:
                optimizer.state[weight][_KEY] = weight.detach().clone()
        torch._foreach_lerp_([optimizer.state[weight][_KEY] for weight in weights], weights, share)


def swap(optimizer: torch.optim.Optimizer | None) -> None:
    """Put the averages where the weights are, and the weights where the averages are."""
    assert optimizer is not None
    with torch.no_grad():
        for weight in _weights(optimizer):
            average = optimizer.state[weight].get(_KEY)
            if average is not None:
                kept = weight.detach().clone()
                weight.copy_(average)
                average.copy_(kept)


@contextmanager
def averaged(optimizer: torch.optim.Optimizer | None) -> Iterator[None]:
    """Have the averages in the model for a while; without an optimizer nothing happens."""
    if optimizer is None:
        yield
        return
    swap(optimizer)
    try:
        yield
    finally:
        swap(optimizer)


def _weights(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Return the weights that have been stepped."""
    return [weight for group in optimizer.param_groups for weight in group["params"] if optimizer.state.get(weight)]
