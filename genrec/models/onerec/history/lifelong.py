"""The reader of the lifelong pathway (OneRec's technical report, arXiv:2506.13695): a Q-Former over many events.

Learned queries attend to the events, whatever their number, and become a fixed number of vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from genrec.models.onerec.attention import CrossAttention, Rotary, split_heads
from genrec.models.onerec.feed_forward import FeedForward


class ReaderBlock(nn.Module):
    """Cross-attention to the events and a feed-forward part, each added to its input (pre-norm, RMSNorm)."""

    def __init__(self, config: PretrainedConfig, hidden_size: int, intermediate_size: int, heads: int) -> None:
        super().__init__()
        self.head_size = hidden_size // heads
        self.attention = CrossAttention(config, hidden_size, heads, heads)
        self.key = nn.Linear(hidden_size, hidden_size, bias=False)
        self.value = nn.Linear(hidden_size, hidden_size, bias=False)
        self.feed_forward = FeedForward(hidden_size, intermediate_size)
        self.attention_norm, self.feed_norm = nn.RMSNorm(hidden_size, eps=1e-6), nn.RMSNorm(hidden_size, eps=1e-6)
        self.rotary = Rotary(self.head_size)

    def forward(self, queries: Tensor, events: Tensor, mask: Tensor) -> Tensor:
        """Return queries [batch, queries, hidden] that have read events [batch, events, hidden]."""
        keys, values = (split_heads(project(events), self.head_size) for project in (self.key, self.value))
        nowhere = self.rotary(torch.zeros(1, 1, device=events.device))  # a set has no order
        read = self.attention(self.attention_norm(queries), keys, values, nowhere, mask[:, None, None])
        queries = queries + read
        return queries + self.feed_forward(self.feed_norm(queries))


class LifelongReader(nn.Module):
    """Learned queries that read events in a few blocks.

    Args:
        config: the model's configuration.
        hidden_size: width of the events.
        intermediate_size: width inside the feed-forward parts.
        heads: attention heads.
        queries: the number of queries.
        layers: the number of blocks.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        hidden_size: int,
        intermediate_size: int,
        heads: int,
        queries: int,
        layers: int,
    ) -> None:
        super().__init__()
        self.queries = nn.Embedding(queries, hidden_size)
        self.norm = nn.RMSNorm(hidden_size, eps=1e-6)
        self.blocks = nn.ModuleList(
            ReaderBlock(config, hidden_size, intermediate_size, heads) for _ in range(layers)
        )

    def forward(self, events: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return [batch, queries, hidden] and a mask: rows without events have nothing to tell.

        Args:
            events: [batch, events, hidden].
            mask: bool [batch, events].
        """
        some = mask.any(dim=1, keepdim=True)
        events, queries = self.norm(events), self.queries.weight.expand(len(events), -1, -1)
        for block in self.blocks:
            queries = block(queries, events, mask | ~some)
        return queries, some.expand(-1, queries.shape[1])
