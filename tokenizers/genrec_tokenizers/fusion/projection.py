"""Projection: the sources side by side through a small network, as QARM's item alignment before its codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genrec_tokenizers.fusion.trained import TrainedFusion


class Projection(TrainedFusion):
    """A linear map of the sources side by side plus a two-layer correction, trained on item pairs.

    QARM (arXiv 2411.11739, from notes) fine-tunes a multimodal model with in-batch contrast on item pairs; this is
    the scaled-down form that trains a head on frozen encoders. Arguments: :class:`TrainedFusion`.
    """

    kind = "projection"

    def network(self, dims: Sequence[int]) -> nn.Module:
        """Return the untrained network; see :meth:`TrainedFusion.network`."""
        return _Head(sum(dims), self.dim)


class _Head(nn.Module):
    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.straight = nn.Linear(width, dim, bias=False)
        last = nn.Linear(2 * dim, dim)
        self.bent = nn.Sequential(nn.Linear(width, 2 * dim), nn.GELU(), last)
        nn.init.orthogonal_(self.straight.weight)  # so that it starts near the distances that are there
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, plain: Tensor, known: Tensor) -> Tensor:
        del known  # what is unknown is zero in ``plain`` already, the source's mean
        return torch.add(self.straight(plain), self.bent(plain))
