"""Contrast between the ID vector and the semantic vector of one user, or of one item."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def infonce_both_ways(one: Tensor, other: Tensor, temperature: float, who: Tensor) -> Tensor:
    """Return the mean of both directions of -log softmax_j(cos(a_i, b_j) / t) at j = i, a scalar.

    Args:
        one: float [batch, width].
        other: float [batch, width]; row i is of the same entity as row i of ``one``.
        temperature: t.
        who: int64 [batch], the entity of each row. One that occurs twice is no negative of itself.
    """
    logits = functional.normalize(one, dim=-1) @ functional.normalize(other, dim=-1).T / temperature
    same = (who[:, None] == who[None, :]) & ~torch.eye(len(who), dtype=torch.bool, device=who.device)
    logits = logits.masked_fill(same, torch.finfo(logits.dtype).min)
    own = torch.arange(len(who), device=who.device)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def task_loss(scores: Tensor, items: Tensor, values: Tensor | None) -> Tensor:
    """Return the squared error of ratings, or the cross-entropy of the first of several items.

    Args:
        scores: float [batch, candidates].
        items: int64 [batch, candidates]; the target first. Where it is drawn again it does not count.
        values: float [batch], the ratings; None for the next item.
    """
    if values is not None:
        return functional.mse_loss(scores[:, 0], values)
    again = items == items[:, :1]
    again[:, 0] = False
    scores = scores.masked_fill(again, torch.finfo(scores.dtype).min)
    return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))
