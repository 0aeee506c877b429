"""InfoNCE between two views of the same entities."""

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
