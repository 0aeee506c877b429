"""EM3's Fusion-Q-Former: learnt queries read whatever modalities an item has (arXiv 2404.06078)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genrec_tokenizers.fusion.trained import TrainedFusion

HEADS = 4


class QFormer(TrainedFusion):
    """A fixed number of learnt queries beside one projected token a source; the queries' outputs make the vector.

    The layers are those of EM3's official public code: self-attention, dropout, and a residual with LayerNorm,
    without a feed-forward part; 4 heads. A source that does not know an item is masked, so the output
    has the same length whatever arrives. Here the losses on item pairs train it, in EM3 the ranking model's.

    Args:
        weights: how much each source counts before training.
        queries: learnt queries; EM3's public code uses 1 or 2.
        layers: layers of self-attention.
        dropout: in training, on what each layer adds.
        **settings: those of :class:`TrainedFusion`; ``dim`` is also the tokens' width, a multiple of 4.
    """

    kind = "qformer"

    def __init__(
        self, weights: Sequence[float], queries: int = 2, layers: int = 1, dropout: float = 0.1, **settings: Any
    ) -> None:
        super().__init__(weights, **settings)
        self.queries, self.layers, self.dropout = queries, layers, dropout

    def network(self, dims: Sequence[int]) -> nn.Module:
        """Return the untrained network; see :meth:`TrainedFusion.network`."""
        return FusionQFormer(dims, self.dim, self.queries, self.layers, self.dropout)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().settings() | {"queries": self.queries, "layers": self.layers, "dropout": self.dropout}


class FusionQFormer(nn.Module):
    """The network: queries and modality tokens attend to each other, the queries' outputs become one vector.

    Args:
        dims: dimensions of each source.
        dim: width of the tokens and of the result.
        queries: learnt queries.
        layers: layers of self-attention.
        dropout: on what each layer adds.
    """

    def __init__(self, dims: Sequence[int], dim: int, queries: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.dims = tuple(dims)
        self.tokens = nn.ModuleList(nn.Linear(width, dim) for width in dims)
        self.queries = nn.Parameter(torch.randn(queries, dim) * dim**-0.5)
        self.layers = nn.ModuleList(_Layer(dim, dropout) for _ in range(layers))
        self.out = nn.Linear(queries * dim, dim)

    def forward(self, plain: Tensor, known: Tensor) -> Tensor:
        """Return float32 [batch, dim] for sources side by side and bool [batch, sources], which of them know."""
        # An item's part has length about 1; without the factor the biases drown it and training hardly starts.
        parts = [part * part.shape[1] ** 0.5 for part in plain.split(self.dims, dim=1)]
        tokens = [token(part)[:, None] for token, part in zip(self.tokens, parts, strict=True)]
        queries = self.queries.expand(len(plain), -1, -1)
        states = torch.cat([queries, *tokens], dim=1)
        hidden = torch.cat([known.new_zeros(queries.shape[:2]), ~known], dim=1)
        for layer in self.layers:
            states = layer(states, hidden)
        return self.out(states[:, : queries.shape[1]].flatten(1))


class _Layer(nn.Module):
    """Self-attention, a dense map, dropout, and a residual with LayerNorm; no token sees a ``hidden`` one."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, HEADS, batch_first=True)  # its output map is the dense one
        self.dropout, self.norm = nn.Dropout(dropout), nn.LayerNorm(dim)

    def forward(self, states: Tensor, hidden: Tensor) -> Tensor:
        mixed, _ = self.attention(states, states, states, key_padding_mask=hidden, need_weights=False)
        return self.norm(states + self.dropout(mixed))
