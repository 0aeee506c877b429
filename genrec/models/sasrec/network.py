"""The network of SASRec (Kang and McAuley, 2018): a small causal transformer over item embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from genrec.models.sasrec.config import SasrecConfig

_LOGITS_AT_ONCE = 1 << 26  # float32 logits held in memory at once: 256 MiB


class SasrecModel(nn.Module):
    """Pre-norm transformer with learned positions; the output layer is the item embedding itself.

    Sequences are padded on the right, so the causal mask alone keeps padding out of sight.

    Args:
        items: the number of items; index ``items`` is the padding.
        config: width, depth, dropout and the longest history.
    """

    def __init__(self, items: int, config: SasrecConfig) -> None:
        super().__init__()
        self.items = items
        width = config.embedding_size
        self.embedding = nn.Embedding(items + 1, width, padding_idx=items)
        self.position = nn.Embedding(config.history_length, width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(items))
        for table in (self.embedding, self.position):
            nn.init.normal_(table.weight, std=width**-0.5)
        with torch.no_grad():
            self.embedding.weight[items] = 0.0

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the states float32 [batch, length, width] of right-padded item indices int64 [batch, length].

        The state of a place depends on that place and the ones before it only.
        """
        sequences = sequences.to(self.position.weight.device)
        places = torch.arange(sequences.shape[1], device=sequences.device)
        states = self.dropout(self.embedding(sequences) + self.position(places))
        for block in self.blocks:
            states = block(states)
        return self.norm(states)

    def logits(self, states: Tensor) -> Tensor:
        """Return the scores of every item, float32 [..., items], for states [..., width]."""
        return functional.linear(states, self.embedding.weight[: self.items], self.bias)

    def loss(self, sequences: Tensor) -> Tensor:
        """Return the mean full cross-entropy of each next item of right-padded sequences [batch, length + 1].

        The logits are made piece by piece and again in the backward pass, so that memory does not grow
        with batch × items.
        """
        sequences = sequences.to(self.position.weight.device)
        states, targets = self(sequences[:, :-1]), sequences[:, 1:]
        real = targets != self.items
        states, targets = states[real], targets[real]
        step = max(1, _LOGITS_AT_ONCE // self.items)
        pieces = zip(states.split(step), targets.split(step), strict=True)
        if len(targets) <= step:
            return self._piece(states, targets) / len(targets)
        return torch.stack([checkpoint(self._piece, *piece, use_reentrant=False) for piece in pieces]).sum() / len(
            targets
        )

    @torch.inference_mode()
    def score(self, sequences: Tensor) -> float:
        """Return the negative loss of right-padded sequences [batch, length + 1], without gradients."""
        parts = sequences.split(64)
        sizes = [int((part[:, 1:] != self.items).sum()) for part in parts]
        return -sum(float(self.loss(part)) * size for part, size in zip(parts, sizes, strict=True)) / sum(sizes)

    def _piece(self, states: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(self.logits(states), targets, reduction="sum")


class Block(nn.Module):
    """One transformer block: causal self-attention, then a feed-forward layer, each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project_in, self.project_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Return states of the same shape, [batch, length, width]."""
        states = states + self.dropout(self._attend(self.attention_norm(states)))
        return states + self.dropout(self.feed(self.feed_norm(states)))

    def _attend(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        split = self.project_in(states).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        # No dropout on the attention weights: drawing its mask took a fifth of the training time.
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.project_out(mixed.transpose(1, 2).reshape(batch, length, width))
