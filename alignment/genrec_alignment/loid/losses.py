"""What the network is trained for: ratings, or the next item among others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
