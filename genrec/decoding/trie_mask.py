"""The trie as a mask over a vocabulary, for engines that generate one token at a time.

The tree search needs no such mask: it scores a node's children and nothing else. An engine such as vLLM, or
transformers' ``generate``, scores the whole vocabulary and has to be told what is legal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from genrec.decoding.trie import Trie, TrieLevel
from genrec.decoding.trie_tables import level_tables


class TrieMask:
    """Sets the scores of all tokens that do not continue an item to -inf, for many sequences at once.

    Where a sequence stands is read from its last tokens alone: SID tokens of different levels differ, so a tail
    such as ``… <b_3><c_1> <a_7><b_2>`` says that two codes of an item are written. After a whole item, or after
    any other token, the next item begins.

    Args:
        trie: the catalogue.
        level_offsets: int [levels], the token id of code 0 of each level.
        device: where the scores will be.
    """

    def __init__(self, trie: Trie, level_offsets: Sequence[int] | npt.NDArray, device: torch.device) -> None:
        self.levels = len(trie.levels)
        self._sizes = trie.codebook_sizes
        self._offsets = [int(offset) for offset in level_offsets]
        self._tables = level_tables(trie, device)
        self._keys = [
            torch.from_numpy(_keys(*pair)).to(device) for pair in zip(trie.levels, self._sizes, strict=True)
        ]
        self.device = device

    def __call__(self, scores: torch.Tensor, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return ``scores`` with -inf on every token that is not legal.

        Args:
            scores: float [sequences, vocabulary].
            sequences: the tokens of each sequence so far; only the last ``levels - 1`` are looked at. A sequence
                that has left the catalogue has no legal token.
        """
        return self.after(scores, self.tails(sequences))

    def tails(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the last ``levels - 1`` tokens of each sequence, int64 [sequences, levels - 1]; -1 before them."""
        longest = self.levels - 1
        tails = [[-1] * longest + list(sequence[max(0, len(sequence) - longest) :]) for sequence in sequences]
        tail = torch.tensor([row[len(row) - longest :] for row in tails], dtype=torch.int64, device=self.device)
        return tail.view(len(sequences), longest)

    def after(self, scores: torch.Tensor, tails: torch.Tensor) -> torch.Tensor:
        """As a call, of sequences whose :meth:`tails` are known.

        Args:
            scores: float [sequences, vocabulary].
            tails: int64 [sequences, levels - 1].
        """
        depth, nodes = self._walk(tails)
        masked = torch.full_like(scores, -torch.inf)
        for level, table in enumerate(self._tables):
            rows = (depth == level).nonzero().flatten()
            first, last = table.children_of[nodes[rows]], table.children_of[nodes[rows] + 1]
            children = first[:, None] + table.ranks
            row, rank = (children < last[:, None]).nonzero(as_tuple=True)
            row, token = rows[row], table.codes[children[row, rank]].long() + self._offsets[level]
            masked[row, token] = scores[row, token]
        return masked

    def _walk(self, tail: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return how many codes of an item each sequence has written, and the node it stands at.

        Both int64 [sequences]. The node belongs to the level above the next code; the number of nodes of that
        level stands for "nowhere".
        """
        longest = self.levels - 1
        depth = torch.zeros(len(tail), dtype=torch.int64, device=self.device)
        for level in range(longest):
            depth.masked_fill_(self._is_of(tail[:, -1], level), level + 1)
        nodes = torch.zeros_like(depth)
        for level in range(longest):
            rows = (depth > level).nonzero().flatten()
            token = tail[rows, longest - depth[rows] + level]
            nodes[rows] = self._child(level, nodes[rows], token)
        return depth, nodes

    def _is_of(self, tokens: torch.Tensor, level: int) -> torch.Tensor:
        return (tokens >= self._offsets[level]) & (tokens < self._offsets[level] + self._sizes[level])

    def _child(self, level: int, parents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Return the child of each parent that a token leads to, or nowhere."""
        wanted = parents * self._sizes[level] + (tokens - self._offsets[level])
        place = torch.searchsorted(self._keys[level], wanted)
        found = self._keys[level][place.clamp(max=len(self._keys[level]) - 1)] == wanted
        return torch.where(found & self._is_of(tokens, level), place, self._tables[level].size)


def _keys(level: TrieLevel, size: int) -> npt.NDArray[np.int64]:
    """Return parent · codebook size + code of every node, which rises from node to node; int64 [nodes]."""
    parents = np.repeat(np.arange(len(level.children_of) - 1, dtype=np.int64), np.diff(level.children_of))
    return parents * size + level.codes
