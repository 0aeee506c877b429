"""What may follow a prefix: the codes that the catalogue has after it.

A softmax over a whole level makes the model learn which codes exist after which, item by item; the catalogue knows
that already. Over the codes that exist, the product of an item's probabilities is a distribution over the items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from genrec.decoding.trie import Trie


class _Level(NamedTuple):
    """The nodes of a level: codes int64 [nodes], children_of int64 [parents + 1], as in ``TrieLevel``."""

    codes: Tensor
    children_of: Tensor
    size: int


class Continuations:
    """The codes that a catalogue has after every prefix.

    Args:
        trie: the catalogue's.
    """

    def __init__(self, trie: Trie) -> None:
        self._levels = [
            _Level(torch.from_numpy(level.codes).long(), torch.from_numpy(level.children_of).long(), size)
            for level, size in zip(trie.levels, trie.codebook_sizes, strict=True)
        ]

    def masks(self, codes: Tensor) -> Iterator[Tensor]:
        """Yield for each level which codes may follow those before, bool [items, codes of the level].

        Args:
            codes: int64 [items, levels], the IDs of items of the catalogue.
        """
        if self._levels[0].codes.device != codes.device:
            self._levels = [
                level._replace(codes=level.codes.to(codes.device), children_of=level.children_of.to(codes.device))
                for level in self._levels
            ]
        parents = torch.zeros(len(codes), dtype=torch.int64, device=codes.device)
        for at, level in enumerate(self._levels):
            legal = _children(level, parents)
            yield legal
            before = torch.arange(level.size, device=codes.device) < codes[:, at, None]
            parents = level.children_of[parents] + (legal & before).sum(dim=1)


def _children(level: _Level, parents: Tensor) -> Tensor:
    """Return the codes of the children of each parent, bool [parents, codes of the level]."""
    first = level.children_of[parents]
    counts = level.children_of[parents + 1] - first
    rows = torch.arange(len(parents), device=parents.device).repeat_interleave(counts)
    # The children of a parent stand side by side: its first one, and how far the row has come since.
    begun = counts.cumsum(0) - counts
    nodes = first[rows] + torch.arange(len(rows), device=parents.device) - begun[rows]
    legal = torch.zeros((len(parents), level.size), dtype=torch.bool, device=parents.device)
    legal[rows, level.codes[nodes]] = True
    return legal


def code_loss(logits: Tensor, codes: Tensor, legal: Tensor | None, label_smoothing: float) -> Tensor:
    """Return the summed cross-entropy of codes.

    Args:
        logits: float [items, codes of the level].
        codes: int64 [items].
        legal: bool [items, codes of the level], what each code competes with; None for all of the level.
        label_smoothing: share of the probability spread over what it competes with.
    """
    if legal is None:
        return functional.cross_entropy(logits, codes, reduction="sum", label_smoothing=label_smoothing)
    scores = logits.masked_fill(~legal, -torch.inf).log_softmax(dim=-1)
    loss = -scores.gather(1, codes[:, None]).sum()
    if not label_smoothing:
        return loss
    even = -(scores.masked_fill(~legal, 0).sum(dim=1) / legal.sum(dim=1)).sum()
    return (1 - label_smoothing) * loss + label_smoothing * even
