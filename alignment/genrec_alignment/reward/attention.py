"""The two attentions of OneRec's reward model (arXiv:2502.18965, section on the reward model)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class TargetAttention(nn.Module):
    """A user as one item sees them: the item's attention over the behaviours, and a sink that is always there.

    The sink, a learned vector, is what an empty history comes to.

    Args:
        width: of items and behaviours.
        heads: must divide ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.sink = nn.Parameter(torch.zeros(width))

    def forward(self, items: Tensor, behaviors: Tensor, mask: Tensor) -> Tensor:
        """Return float [batch, items, width].

        Args:
            items: float [batch, items, width].
            behaviors: float [batch, events, width].
            mask: bool [batch, events], False on padding.
        """
        sink = self.sink.expand(len(items), 1, -1)
        memory = torch.cat([sink, behaviors], dim=1)
        seen = functional.pad(mask, (1, 0), value=True)
        query, key, value = self.query(items), self.key(memory), self.value(memory)
        return _attend(query, key, value, seen[:, None, None], self.heads)


class SessionAttention(nn.Module):
    """Self-attention across a session: h_f = SelfAttention(h W_Q, h W_K, h W_V), without positions.

    Args:
        width: of the items' vectors.
        heads: must divide ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))

    def forward(self, items: Tensor, mask: Tensor) -> Tensor:
        """Return float [sessions, items, width] for vectors of that shape and a mask bool [sessions, items]."""
        # A session without any item attends to its padding: what it comes to is masked afterwards.
        seen = mask | ~mask.any(dim=-1, keepdim=True)
        return _attend(self.query(items), self.key(items), self.value(items), seen[:, None, None], self.heads)


def _attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor, heads: int) -> Tensor:
    query, key, value = (states.unflatten(-1, (heads, -1)).transpose(1, 2) for states in (query, key, value))
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    return mixed.transpose(1, 2).flatten(-2)
