"""The scorer of genrec.reranking.scorer, to train: the same numbers from the same weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.reranking.marks import MARKS, Float32
from genrec.reranking.scorer import Shape
from genrec_alignment.reranking.batches import Window


class ScorerNetwork(nn.Module):
    """Logits of going on, viewing and liking.

    Args:
        shape: sizes.
        mean: float32 [features], of the training log.
        scale: float32 [features], its standard deviations.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, shape: Shape, mean: Float32, scale: Float32) -> None:
        super().__init__()
        self.shape = shape
        sizes = shape.weights()
        seen, read = sizes["keys.weight"][1], sizes["experts.weight"][1]
        self.query = nn.Linear(shape.dims, shape.hidden, bias=False)
        self.keys = nn.Linear(seen, shape.hidden, bias=False)
        self.values = nn.Linear(seen, shape.hidden, bias=False)
        self.alike = nn.Parameter(torch.full((shape.heads,), 4.0))  # at first, events of items like this one count
        self.decay = nn.Parameter(torch.linspace(-2, 1, shape.heads))  # heads start with memories of other lengths
        self.sink = nn.Parameter(torch.zeros(shape.heads))
        self.register_buffer("feature_mean", torch.from_numpy(mean))
        self.register_buffer("feature_scale", torch.from_numpy(scale))
        self.experts = nn.Linear(read, shape.experts * shape.hidden)
        self.gates = nn.Linear(read, 3 * shape.experts, bias=False)
        self.heads = nn.Linear(shape.hidden, 3)

    def forward(self, window: Window) -> Tensor:
        """Return the logits, float32 [n, 3]."""
        query, features = self.query(window.vectors), (window.features - self.feature_mean) / self.feature_scale
        read = torch.cat([query, self._attend(query, window), features, window.position[:, None]], dim=1)
        hidden = self.experts(read).relu().unflatten(1, (self.shape.experts, -1))
        gates = self.gates(read).unflatten(1, (3, -1)).softmax(dim=2)
        logits: Tensor = ((gates @ hidden) * self.heads.weight).sum(dim=2) + self.heads.bias
        return logits

    def _attend(self, query: Tensor, window: Window) -> Tensor:
        heads, events = (self.shape.heads, -1), window.events
        keys, values = self.keys(events).unflatten(2, heads), self.values(events).unflatten(2, heads)
        marks = events[:, :, None, -len(MARKS) :].expand(-1, -1, self.shape.heads, -1)
        query = query.unflatten(1, heads)
        logits = torch.einsum("nhe,nthe->nht", query, keys) / math.sqrt(query.shape[2])
        similar = torch.einsum("nd,ntd->nt", window.vectors, events[:, :, : self.shape.dims])
        logits = logits + self.alike[:, None] * similar[:, None]
        ages = torch.arange(events.shape[1], 0, -1, device=events.device)
        logits = logits - functional.softplus(self.decay)[:, None] * ages.log()
        logits = logits.masked_fill(~window.there[:, None], -torch.inf)
        sink = self.sink[:, None].expand(query.shape[0], -1, 1)  # len() would be a constant to the ONNX exporter
        weights = torch.cat([logits, sink], dim=2).softmax(dim=2)[:, :, :-1]
        return torch.einsum("nht,nthv->nhv", weights, torch.cat([values, marks], dim=3)).flatten(1)
