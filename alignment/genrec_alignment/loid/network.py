"""The network: ID and semantic vectors of a user and an item exchange what they know, then a head scores the pair.

LoID's abstract (arXiv 2404.00236) names the parts: ID vectors and semantic vectors, an attention layer between
them, a contrastive loss. Their form here is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.models.contrast import entity_infonce
from genrec_alignment.loid.config import NetworkConfig
from genrec_alignment.loid.examples import Batch

Pair = tuple[Tensor, Tensor]


class Scored(NamedTuple):
    """What the network says of a batch.

    scores: float [batch, candidates].
    users: ID and semantic vectors, each [batch, width], of the users; None without semantic vectors.
    items: the same of every row's first candidate.
    """

    scores: Tensor
    users: Pair | None
    items: Pair | None


class LoidNetwork(nn.Module):
    """Scores users and items.

    A user's semantic vector is made of the items of the history: their mean, and their mean weighted by what the
    user thought of them. An item's is its text's. Without semantic vectors two ID vectors exchange.

    Args:
        users: how many there are.
        items: how many there are.
        vectors: float [items, dim], from the language model; None: without.
        config: shape and training.
        mean: added to every score; the training part's mean rating.
    """

    vectors: Tensor

    def __init__(
        self, users: int, items: int, vectors: Tensor | None, config: NetworkConfig, mean: float = 0.0
    ) -> None:
        super().__init__()
        width = config.hidden_size
        self.config, self.mean, self.semantic = config, mean, vectors is not None
        self.user_id, self.item_id = nn.Embedding(users, width), nn.Embedding(items, width)
        self.user_bias, self.item_bias = nn.Embedding(users, 1), nn.Embedding(items, 1)
        for table in (self.user_id, self.item_id):
            nn.init.normal_(table.weight, std=0.05)
        for table in (self.user_bias, self.item_bias):
            nn.init.zeros_(table.weight)
        if vectors is not None:
            self.register_buffer("vectors", vectors, persistent=False)
            self.user_semantic = nn.Linear(2 * vectors.shape[1], width)
            self.item_semantic = nn.Linear(vectors.shape[1], width)
        self.places = nn.Parameter(torch.zeros(4 if self.semantic else 2, width))
        self.dropout = nn.Dropout(config.dropout)
        self.exchange = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, batch: Batch) -> Scored:
        """Return the scores of a batch's candidates, and the vectors of its users and first candidates."""
        rows, candidates = batch.items.shape
        user = [self.user_id(batch.users)]
        item = [self.item_id(batch.items)]
        if self.semantic:
            user.append(self.user_semantic(self._read(batch)))
            item.append(self.item_semantic(self.vectors[batch.items]))
        sides = len(user)
        tokens = torch.stack([*(part[:, None].expand(-1, candidates, -1) for part in user), *item], dim=2)
        tokens = self.dropout(tokens + self.places).flatten(0, 1)  # [batch * candidates, 2 or 4, width]
        seen, _ = self.exchange(tokens, tokens, tokens, need_weights=False)
        tokens = self.norm(tokens + seen).view(rows, candidates, 2 * sides, -1)
        scores = self._score(tokens[:, :, :sides].sum(dim=2), tokens[:, :, sides:].sum(dim=2))
        scores = scores + self.mean + self.user_bias(batch.users) + self.item_bias(batch.items).squeeze(-1)
        if not self.semantic:
            return Scored(scores, None, None)
        if self.config.contrast_at == "after":
            ids = tokens[:, 0]  # of each row's first candidate, [batch, 4, width]
            return Scored(scores, (ids[:, 0], ids[:, 1]), (ids[:, 2], ids[:, 3]))
        return Scored(scores, (user[0], user[1]), (item[0][:, 0], item[1][:, 0]))

    @torch.no_grad()
    def blank_unseen(self, users: npt.NDArray[np.int64], items: npt.NDArray[np.int64]) -> None:
        """Take the random ID vectors from all users and items but these, which are those that training shows."""
        for table, known in ((self.user_id, users), (self.item_id, items)):
            unseen = torch.ones(table.num_embeddings, dtype=torch.bool)
            unseen[torch.from_numpy(known)] = False
            table.weight[unseen] = 0.0

    def contrast(self, scored: Scored, batch: Batch) -> Tensor:
        """Return InfoNCE of users plus that of items; 0 without semantic vectors."""
        if scored.users is None or scored.items is None:
            return scored.scores.new_zeros(())
        temperature = self.config.temperature
        users = entity_infonce(*scored.users, temperature, batch.users)
        return users + entity_infonce(*scored.items, temperature, batch.items[:, 0])

    def _score(self, user: Tensor, item: Tensor) -> Tensor:
        return self.head(torch.cat([user * item, user, item], dim=-1)).squeeze(-1)

    def _read(self, batch: Batch) -> Tensor:
        """Return both means over each history, float [batch, 2 dim]; zeros for an empty one."""
        real = (batch.history >= 0).to(self.vectors.dtype)
        share = real / real.sum(dim=1, keepdim=True).clamp(min=1)
        means = [
            functional.embedding_bag(
                batch.history.clamp(min=0), self.vectors, mode="sum", per_sample_weights=weights
            )
            for weights in (share, share * batch.weights)
        ]
        return torch.cat(means, dim=1)
