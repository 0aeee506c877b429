"""HSTU: attention without a softmax, gated element by element."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.models.sasrec.next_item import NextItemModel
from genrec_eval.baselines.next_item import NextItemBaseline
from genrec_eval.baselines.settings import HstuConfig


class HstuModel(NextItemModel):
    """Layers of hierarchical sequential transduction units over item embeddings.

    Args:
        items: the number of items.
        config: width, depth, heads, the longest history.
    """

    def __init__(self, items: int, config: HstuConfig) -> None:
        super().__init__(items, config)
        width = config.embedding_size
        self.position = nn.Embedding(config.history_length, width)
        self.layers = nn.ModuleList(HstuLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.draw(self.position)

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the states; see :meth:`NextItemModel.forward`."""
        places = torch.arange(sequences.shape[1], device=sequences.device)
        states = self.dropout(self.embedding(sequences) + self.position(places))
        for layer in self.layers:
            states = layer(states)
        return self.norm(states)


class HstuLayer(nn.Module):
    """``U, V, Q, K = SiLU(f(norm x))``; ``A = SiLU(Q Kᵀ + b)`` over the places seen / n; ``x + g(norm(A V) ∘ U)``.

    b depends on the distance of two places (the paper's relative bias without its part for time, which the
    baselines do not read); n is the longest history, as in the paper.
    """

    def __init__(self, config: HstuConfig) -> None:
        super().__init__()
        width = config.embedding_size
        self.heads, self.longest = config.heads, config.history_length
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project_in, self.project_out = nn.Linear(width, 4 * width), nn.Linear(width, width)
        self.distance = nn.Parameter(torch.zeros(config.history_length))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Return states of the same shape, [batch, length, width]."""
        batch, length, width = states.shape
        split = functional.silu(self.project_in(self.before(states))).view(batch, length, 4, width)
        gate, value, query, key = split.unbind(2)
        query, key, value = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in (query, key, value)
        )
        places = torch.arange(length, device=states.device)
        apart = places[:, None] - places
        bias = self.distance[apart.clamp(min=0)]
        weights = functional.silu(query @ key.transpose(2, 3) + bias) * (apart >= 0) / self.longest
        mixed = (weights @ value).transpose(1, 2).reshape(batch, length, width)
        return states + self.dropout(self.project_out(self.after(mixed) * gate))


class Hstu(NextItemBaseline[HstuConfig]):
    """HSTU (Zhai et al., 2024, arXiv:2402.17152) without times and actions: items and places only.

    Trained like SASRec, full cross-entropy at every place.
    """

    name = "hstu"

    def build(self, items: int) -> HstuModel:
        """Return the network, untrained."""
        return HstuModel(items, self.config)
