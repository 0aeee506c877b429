"""What an item head adds to a search: at every node of the trie the probability of all items below it.

A generator with an item head (:mod:`genrec.models.onerec.item_head`) gives an item two log-probabilities, one code
by code and one as a whole, of the head's logits times two; its score is their sum. For the beams to find the best
sums, the second one is handed out along the way: a hypothesis at a node has the logarithm of the probability, as
wholes, of the items that it can still become. At a leaf that is the item's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genrec.decoding.trie import Trie

if TYPE_CHECKING:
    from genrec.models.onerec.base import OneRecBase
    from genrec.models.onerec.encoder import Memory
    from genrec.models.onerec.item_head import ItemHead

WEIGHT = 2.0  # of the head's logits; on Beauty 2 % better than 1, and 8 adds next to nothing (docs/experiments.md)
_SMALLEST = 1e-30  # of a probability whose logarithm is taken


class ItemScores:
    """The item head's view of a catalogue.

    Args:
        model: has an item head.
        trie: the catalogue; items that the model was not trained on are known by their codes alone.
    """

    def __init__(self, model: OneRecBase, trie: Trie) -> None:
        assert model.items is not None
        self._model = model
        codes = leaf_codes(trie)
        rows = 1 + _places(codes, model.items.codes.cpu().numpy())
        self._codes, self._rows = torch.from_numpy(codes), torch.from_numpy(rows)
        spans = [np.diff(level.leaves) for level in trie.levels[:-1]]
        self._nodes = [torch.from_numpy(np.repeat(np.arange(len(span)), span)) for span in spans]
        self._counts = [len(span) for span in spans]

    def after(self, memory: Memory) -> list[Tensor]:
        """Return what nodes add to a score after histories; see :meth:`__call__`."""
        return self(self._model.newest(memory)[:, 0])

    def __call__(self, states: Tensor) -> list[Tensor]:
        """Return what each level's nodes add to a score, float32 [batch, nodes + 1]; "nowhere" adds 0.

        Args:
            states: [batch, hidden], what the encoder made of each history's newest event.
        """
        head, device = self._model.items, states.device
        assert head is not None
        codes, rows = self._codes.to(device), self._rows.to(device)
        vectors = self._model.events.of_items(self._model.codes, codes, rows)
        scores = sharpened(head, states, vectors)
        chances = scores.exp()
        levels = []
        for nodes, count in zip(self._nodes, self._counts, strict=True):
            sums = chances.new_zeros((len(states), count)).index_add_(1, nodes.to(device), chances)
            levels.append(sums.clamp_(min=_SMALLEST).log_())
        return [torch.nn.functional.pad(level, (0, 1)) for level in (*levels, scores)]


def sharpened(head: ItemHead, states: Tensor, vectors: Tensor) -> Tensor:
    """Return what the search adds to the scores of items, float32 [batch, items], for states [batch, hidden]."""
    return (WEIGHT * head(states, vectors)).log_softmax(dim=-1)


def leaf_codes(trie: Trie) -> npt.NDArray[np.int64]:
    """Return the codes of every leaf, int64 [leaves, levels]."""
    columns = [np.repeat(level.codes, np.diff(level.leaves)) for level in trie.levels]
    return np.stack(columns, axis=1).astype(np.int64)


def _places(codes: npt.NDArray[np.int64], among: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row of each ID [leaves, levels] among others [items, levels], -1 where it is not there."""
    both, where = np.unique(np.concatenate([among, codes]), axis=0, return_inverse=True)
    row_of = np.full(len(both), -1, dtype=np.int64)
    row_of[where[: len(among)].ravel()] = np.arange(len(among))
    return row_of[where[len(among) :].ravel()]
