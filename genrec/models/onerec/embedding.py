"""Events of a history as vectors, and the codes of what is generated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genrec.models.onerec.config import HistoryConfig
from genrec.models.onerec.configuration import HistoryModelConfig


class CodeEmbedding(nn.Embedding):
    """One vector for each decoder token: 0 is BOS, ``1 + offset[level] + code`` a code.

    Args:
        codebook_sizes: the number of codes of each level.
        hidden_size: the width of a vector.
    """

    def __init__(self, codebook_sizes: list[int], hidden_size: int) -> None:
        super().__init__(1 + sum(codebook_sizes), hidden_size)
        self.codebook_sizes = codebook_sizes
        self._first: Tensor | None = None  # not a buffer, which would not survive loading on the meta device

    @property
    def first(self) -> Tensor:
        """The token of code 0 of each level, int64 [levels]."""
        device = self.weight.device
        if self._first is None or self._first.device != device:  # to copy it at every call would halt a GPU
            self._first = torch.tensor([1, *self.codebook_sizes[:-1]], device=device).cumsum(0)
        return self._first


class EventEmbedding(nn.Module):
    """One vector for each event: the sum of its item's codes, its item's own vector, and its features.

    The technical report concatenates the fields and reads them by an MLP (arXiv:2506.13695). The sum takes less
    work; the two were not compared.

    Args:
        config: the model's configuration.
        history: the ``history`` section of its shape.
        codes: the vectors of the codes, shared with the decoder.
    """

    def __init__(self, config: HistoryModelConfig, history: HistoryConfig, codes: CodeEmbedding) -> None:
        super().__init__()
        width = codes.embedding_dim
        self.item_dropout = history.item_dropout
        self.items = nn.Embedding(config.items + 1, width, padding_idx=0) if config.items else None
        self.columns = _columns_of_events(config, history)
        sizes = [config.feature_sizes[column] for column in self.columns]
        self.features = nn.ModuleList(nn.Embedding(size, width, padding_idx=0) for size in sizes)
        self.sink = nn.Parameter(torch.zeros(width))

    def forward(self, codes: CodeEmbedding, history_codes: Tensor, rows: Tensor, features: Tensor) -> Tensor:
        """Return [batch, 1 + events, hidden]: the sink, which is always there to attend to, then the events."""
        if self.training and self.item_dropout and self.items is not None:
            rows = rows.masked_fill(torch.rand(rows.shape, device=rows.device) < self.item_dropout, 0)
        states = self.of_items(codes, history_codes, rows)
        for column, feature in zip(self.columns, self.features, strict=True):
            states = states + feature(features[..., column])
        return torch.cat([self.sink.expand(len(states), 1, -1), states], dim=1)

    def of_items(self, codes: CodeEmbedding, item_codes: Tensor, rows: Tensor) -> Tensor:
        """Return items' own part, [..., hidden], for their codes int64 [..., levels] and rows int64 [...]."""
        states = codes(item_codes + codes.first).sum(dim=-2)
        return states if self.items is None else states + self.items(rows)


def _columns_of_events(config: HistoryModelConfig, history: HistoryConfig) -> list[int]:
    """Return the features that events are made of: all but who the user is, where that is a view of its own."""
    apart = history.pathways is not None and history.pathways.profile
    return [at for at, name in enumerate(config.feature_names) if not (apart and name.startswith("user:"))]
