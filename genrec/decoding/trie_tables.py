"""The trie's arrays on a model's device, ready for the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from genrec.decoding.exclusion import DeadNodes
from genrec.decoding.trie import Trie


@dataclass(frozen=True)
class LevelTable:
    """One level of the trie.

    Node ``size`` stands for "nowhere": it has no children, and a code that is never used.

    Args:
        codes: int32 [size + 1].
        children_of: int32 [parents + 2].
        ranks: int32 [most_children], 0, 1, 2, …
        size: the number of nodes.
    """

    codes: torch.Tensor
    children_of: torch.Tensor
    ranks: torch.Tensor
    size: int


@dataclass(frozen=True)
class DeadTable:
    """The dead nodes of one level for a batch of requests.

    Args:
        parents: int64 [dead], request · (parents + 1) + parent.
        ranks: int64 [dead], the position of the node among its parent's children.
        per_row: the number of parents, and one for nowhere.
    """

    parents: torch.Tensor
    ranks: torch.Tensor
    per_row: int

    def candidates(self, nodes: torch.Tensor, width: int) -> torch.Tensor:
        """Return where the dead nodes stand among the candidates of beams.

        Args:
            nodes: int64 [batch, beams], the node of each beam at the level above.
            width: the number of candidates of each beam.

        Returns:
            Flat positions in [batch, beams, width], int64 [at most dead].
        """
        rows = torch.arange(len(nodes), device=nodes.device)[:, None]
        beams, order = (rows * self.per_row + nodes).view(-1).sort()
        place = torch.searchsorted(beams, self.parents).clamp_(max=len(beams) - 1)
        reached = beams[place] == self.parents
        return (order[place] * width + self.ranks)[reached]


def level_tables(trie: Trie, device: torch.device) -> list[LevelTable]:
    """Copy the trie to ``device``: a few dozen bytes an item, once."""
    tables = []
    for level in trie.levels:
        codes = torch.from_numpy(level.codes).to(device)
        children_of = torch.from_numpy(level.children_of).to(device)
        tables.append(
            LevelTable(
                codes=torch.cat([codes, codes.new_zeros(1)]),
                children_of=torch.cat([children_of, children_of[-1:]]),
                ranks=torch.arange(level.most_children, dtype=torch.int32, device=device),
                size=len(level),
            )
        )
    return tables


def dead_tables(dead: Sequence[DeadNodes], tables: Sequence[LevelTable]) -> list[DeadTable | None]:
    """Copy the dead nodes of every level to the device of ``tables``; None for a level without any."""
    found: list[DeadTable | None] = []
    for level, table in zip(dead, tables, strict=True):
        if not len(level.nodes):
            found.append(None)
            continue
        per_row = len(table.children_of) - 1
        parents = torch.from_numpy(level.rows * per_row + level.parents).to(table.codes.device)
        ranks = torch.from_numpy(level.ranks).to(table.codes.device)
        found.append(DeadTable(parents, ranks, per_row))
    return found
