"""BERT4Rec: a transformer that sees both ways and fills in masked items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from genrec.models.sasrec.network import Block
from genrec.models.sasrec.next_item import NextItemModel, pad
from genrec_eval.baselines.next_item import NextItemBaseline
from genrec_eval.baselines.settings import Bert4recConfig


class Bert4recModel(NextItemModel):
    """A transformer over items in which every place sees all others; item ``items + 1`` is the mask.

    Args:
        items: the number of items.
        config: width, depth, heads, the longest history, what is masked.
    """

    def __init__(self, items: int, config: Bert4recConfig) -> None:
        super().__init__(items, config, extra=1)
        width = config.embedding_size
        self.masked, self.last_only = config.masked, config.last_only
        self.position = nn.Embedding(config.history_length + 1, width)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.draw(self.position)

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the states float32 [batch, length, width] of right-padded items, masks among them."""
        places = torch.arange(sequences.shape[1], device=sequences.device)
        states = self.dropout(self.embedding(sequences) + self.position(places))
        visible = (sequences != self.items)[:, None, None]
        for block in self.blocks:
            states = block(states, visible)
        return self.norm(states)

    def last_states(self, histories: Sequence[npt.NDArray[np.integer]]) -> Tensor:
        """Return the state of a mask after each history, float32 [histories, width]."""
        recent = [np.append(history[-self.config.history_length :], self.items + 1) for history in histories]
        last = torch.tensor([len(history) - 1 for history in recent], device=self.bias.device)
        return self(pad(recent, self.items).to(self.bias.device))[torch.arange(len(recent)), last]

    def loss(self, sequences: Tensor) -> Tensor:
        """Return the mean cross-entropy of the masked items of right-padded sequences [batch, length + 1]."""
        sequences = sequences.to(self.bias.device)
        hidden = self._hidden(sequences)
        states = self(sequences.masked_fill(hidden, self.items + 1))
        return self.loss_of(states[hidden], sequences[hidden])

    def _hidden(self, sequences: Tensor) -> Tensor:
        """Draw what is masked: a share of every row, or its last item alone; at least the last item."""
        real = sequences != self.items
        places = torch.arange(sequences.shape[1], device=sequences.device)
        last = places == real.sum(1, keepdim=True) - 1
        drawn = real & (torch.rand(sequences.shape, device=sequences.device) < self.masked)
        alone = torch.rand(len(sequences), 1, device=sequences.device) < self.last_only
        return torch.where(alone | ~drawn.any(1, keepdim=True), last, drawn)


class Bert4rec(NextItemBaseline[Bert4recConfig]):
    """BERT4Rec (Sun et al., 2019): masked items of a window are predicted from both sides.

    A row sees a window once an epoch, so it needs more epochs than a causal model, of which every place is a
    target (Petrov and Macdonald, 2022).
    """

    name = "bert4rec"

    def build(self, items: int) -> Bert4recModel:
        """Return the network, untrained."""
        return Bert4recModel(items, self.config)
