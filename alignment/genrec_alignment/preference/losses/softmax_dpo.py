"""Softmax-DPO (S-DPO, arXiv:2406.09215): one winner against several losers at once."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_dpo_loss(policy: Tensor, reference: Tensor, beta: float, real: Tensor | None = None) -> Tensor:
    """Return −log σ(−log Σ_l exp(β log[π(l)/π_ref(l)] − β log[π(w)/π_ref(w)])) of each row, float [batch].

    That is the cross-entropy of the winner among all candidates by their implicit rewards, which is how it is
    computed. With one loser it is DPO; with k, and the policy still the reference, it is ln(1 + k).

    Args:
        policy: float [batch, 1 + losers], log-probabilities under the policy; the winner first.
        reference: of the same shape, under the reference; without gradients.
        beta: how much a log-ratio weighs.
        real: bool of the same shape, False where a row has fewer losers; None where all have all. A row without
            any loser has loss 0.

    Raises:
        ValueError: if the shapes are not those, a row has no winner, or beta is not positive.
    """
    rewards = implicit_rewards(policy, reference, beta)
    if real is not None:
        if real.shape != rewards.shape or not bool(real[:, 0].all()):
            raise ValueError(f"real must be {tuple(rewards.shape)}, with a winner first in every row")
        rewards = rewards.masked_fill(~real, -torch.inf)
    return -rewards.log_softmax(dim=1)[:, 0]


def implicit_rewards(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Return β log[π/π_ref] of every candidate, float [batch, candidates].

    Raises:
        ValueError: if the two are not of one shape [batch, 2 or more], or beta is not positive.
    """
    if policy.shape != reference.shape or policy.ndim != 2 or policy.shape[1] < 2:
        raise ValueError(
            f"policy {tuple(policy.shape)} and reference {tuple(reference.shape)} must both be [batch, 2 or more]"
        )
    if not beta > 0:
        raise ValueError(f"beta is {beta}, but must be positive")
    return beta * (policy - reference)
