"""The trie's arrays on a model's device, ready for the search."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from genrec.decoding.trie import Trie


@dataclass(frozen=True)
class LevelTable:
    """One level of the trie.

    Node ``size`` stands for "nowhere": it has no children, no leaves, and a code that is never used.

    Args:
        codes: int32 [size + 1].
        children_of: int32 [parents + 2].
        leaves: int32 [size + 2], as in :class:`~genrec.decoding.trie.TrieLevel`.
        ranks: int32 [most_children], 0, 1, 2, …
        size: the number of nodes.
    """

    codes: torch.Tensor
    children_of: torch.Tensor
    leaves: torch.Tensor
    ranks: torch.Tensor
    size: int


def level_tables(trie: Trie, device: torch.device) -> list[LevelTable]:
    """Copy the trie to ``device``: a few dozen bytes an item, once."""
    tables = []
    for level in trie.levels:
        codes = torch.from_numpy(level.codes).to(device)
        children_of = torch.from_numpy(level.children_of).to(device)
        leaves = torch.from_numpy(level.leaves).to(device)
        tables.append(
            LevelTable(
                codes=torch.cat([codes, codes.new_zeros(1)]),
                children_of=torch.cat([children_of, children_of[-1:]]),
                leaves=torch.cat([leaves, leaves[-1:]]),
                ranks=torch.arange(level.most_children, dtype=torch.int32, device=device),
                size=len(level),
            )
        )
    return tables
