"""Small networks over states: a score of every item in a state, and the value of a state."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from genrec_alignment.prefrec.steps import Float32


class ItemScores(nn.Module):
    """A score of an item in a state: the reward, Q, a policy's logits or the logit of a click.

    One hidden layer reads the state, the item's vector and, for each of the state's streams, the inner product of
    the two: how much of the like there was lately.

    Args:
        vectors: float32 [items, dims].
        streams: as :class:`~genrec_alignment.prefrec.memory.Memory` has them.
        hidden: width of the hidden layer.
    """

    vectors: Tensor

    def __init__(self, vectors: Float32, streams: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.from_numpy(np.asarray(vectors, dtype=np.float32)))
        self.streams, dims = streams, vectors.shape[1]
        self.of_state = nn.Linear(streams * dims + 1, hidden)
        self.of_item = nn.Linear(dims, hidden, bias=False)
        self.of_both = nn.Linear(streams, hidden, bias=False)
        self.out = nn.Linear(hidden, 1)

    def forward(self, states: Tensor, items: Tensor) -> Tensor:
        """Return the scores of items int64 [n] in states float32 [n, size], float32 [n]."""
        vectors = self.vectors[items]
        alike = torch.einsum("nsd,nd->ns", self._streams(states), vectors)
        return self._score(self.of_state(states) + self.of_item(vectors) + self.of_both(alike))

    def all_items(self, states: Tensor) -> Tensor:
        """Return the scores of all items, float32 [n, items]."""
        alike = torch.einsum("nsd,id->nis", self._streams(states), self.vectors)
        return self._score(self.of_state(states)[:, None] + self.of_item(self.vectors) + self.of_both(alike))

    def _streams(self, states: Tensor) -> Tensor:
        return states[:, :-1].unflatten(1, (self.streams, -1))

    def _score(self, hidden: Tensor) -> Tensor:
        score: Tensor = self.out(hidden.relu())[..., 0]
        return score


class StateValue(nn.Module):
    """The value of a state.

    Args:
        size: numbers of a state.
        hidden: width of the hidden layer.
    """

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, states: Tensor) -> Tensor:
        """Return the values of states float32 [n, size], float32 [n]."""
        value: Tensor = self.layers(states)[:, 0]
        return value
