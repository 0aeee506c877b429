"""The network of SASRec (Kang and McAuley, 2018): a small causal transformer over item embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.models.sasrec.config import SasrecConfig
from genrec.models.sasrec.next_item import NextItemModel


class SasrecModel(NextItemModel):
    """Pre-norm transformer with learned positions; the output layer is the item embedding itself.

    Sequences are padded on the right, so the causal mask alone keeps padding out of sight.

    Args:
        items: the number of items; index ``items`` is the padding.
        config: width, depth, dropout and the longest history.
    """

    def __init__(self, items: int, config: SasrecConfig) -> None:
        super().__init__(items, config)
        width = config.embedding_size
        self.position = nn.Embedding(config.history_length, width)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.draw(self.position)

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the states; see :meth:`NextItemModel.forward`."""
        places = torch.arange(sequences.shape[1], device=sequences.device)
        states = self.dropout(self.embedding(sequences) + self.position(places))
        for block in self.blocks:
            states = block(states)
        return self.norm(states)


class Block(nn.Module):
    """One transformer block: self-attention, then a feed-forward layer, each added to its input.

    Args:
        width: of the states.
        heads: attention heads.
        dropout: on what each half adds.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project_in, self.project_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return states of the same shape, [batch, length, width].

        Args:
            states: float32 [batch, length, width].
            visible: bool, broadcast to [batch, heads, length, length]; None: each place sees what is not after it.
        """
        states = states + self.dropout(self._attend(self.attention_norm(states), visible))
        return states + self.dropout(self.feed(self.feed_norm(states)))

    def _attend(self, states: Tensor, visible: Tensor | None) -> Tensor:
        batch, length, width = states.shape
        split = self.project_in(states).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        # No dropout on the attention weights: drawing its mask took a fifth of the training time.
        mixed = functional.scaled_dot_product_attention(query, key, value, visible, is_causal=visible is None)
        return self.project_out(mixed.transpose(1, 2).reshape(batch, length, width))
