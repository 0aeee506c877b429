"""What a search must not enter, on the model's device: a request's excluded items, a session's own items.

The nodes that a request's exclusions leave nothing below are known before the search begins. What a session has
taken differs from beam to beam: its leaves travel with the beam, and at each level the few nodes above them are
looked at, those of which the exclusions and the session together leave nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from genrec.decoding.exclusion import DeadNodes, dead_nodes, excluded_leaves
from genrec.decoding.trie import Trie
from genrec.decoding.trie_tables import LevelTable


@dataclass(frozen=True)
class DeadTable:
    """The dead nodes of one level for a batch of requests.

    Args:
        parents: int64 [dead], request · (parents + 1) + parent, ascending.
        ranks: int64 [dead], the position of the node among its parent's children.
        per_row: the number of parents, and one for nowhere.
    """

    parents: torch.Tensor
    ranks: torch.Tensor
    per_row: int

    @classmethod
    def of(cls, dead: DeadNodes, table: LevelTable) -> DeadTable:
        """Copy a level's dead nodes to the device of its table."""
        per_row = len(table.children_of) - 1
        parents = torch.from_numpy(dead.rows * per_row + dead.parents).to(table.codes.device)
        return cls(parents, torch.from_numpy(dead.ranks).to(table.codes.device), per_row)

    def candidates(self, nodes: torch.Tensor, width: int) -> torch.Tensor:
        """Return where the dead nodes stand among the candidates of beams.

        Args:
            nodes: int [batch, beams], the node of each beam at the level above; beams may share one.
            width: the number of candidates of each beam.

        Returns:
            Flat positions in [batch, beams, width], int64.
        """
        rows = torch.arange(len(nodes), device=nodes.device)[:, None]
        wanted = (rows * self.per_row + nodes).view(-1)
        first = torch.searchsorted(self.parents, wanted)
        counts = torch.searchsorted(self.parents, wanted, right=True) - first
        beams = torch.arange(len(wanted), device=nodes.device).repeat_interleave(counts)
        within = torch.arange(len(beams), device=nodes.device) - (counts.cumsum(0) - counts)[beams]
        return beams * width + self.ranks[first[beams] + within]


class Forbidden:
    """What each request of a batch must not be given.

    Args:
        trie: the catalogue.
        tables: its levels on the model's device.
        requests: how many there are.
        exclude: the ``item_index`` values of each request; None for none.

    Raises:
        ValueError: if an ``item_index`` is not in the catalogue.
    """

    def __init__(
        self, trie: Trie, tables: Sequence[LevelTable], requests: int, exclude: Sequence[npt.ArrayLike] | None
    ) -> None:
        exclude = [()] * requests if exclude is None else exclude
        rows, leaves = excluded_leaves(trie, exclude)
        self.left = len(trie) - np.bincount(rows, minlength=requests)  # items for each request, int64 [requests]
        self._items = len(trie)
        self._tables = tables
        self._dead = [
            DeadTable.of(dead, table) if len(dead.nodes) else None
            for dead, table in zip(dead_nodes(trie, exclude), tables, strict=True)
        ]
        self._excluded = torch.from_numpy(rows * len(trie) + leaves).to(tables[0].codes.device)

    def strike(self, scores: torch.Tensor, level: int, nodes: torch.Tensor, taken: torch.Tensor) -> None:
        """Set the scores of candidates that must not be entered to -inf, in place.

        Args:
            scores: float32 [batch, beams, most children].
            level: of the candidates.
            nodes: int [batch, beams], each beam's node at the level above.
            taken: int32 [batch, beams, items], the leaves of the items each beam's session has.
        """
        dead = self._dead[level]
        if dead is not None:
            scores.view(-1)[dead.candidates(nodes, scores.shape[2])] = -torch.inf
        if taken.shape[2]:
            self._strike_taken(scores, self._tables[level], nodes, taken)

    def _strike_taken(
        self, scores: torch.Tensor, table: LevelTable, nodes: torch.Tensor, taken: torch.Tensor
    ) -> None:
        above = torch.searchsorted(table.leaves, taken, right=True).sub_(1).clamp_(max=table.size)
        first, last = table.leaves[above], table.leaves[above + 1]
        by_session = (above[..., None] == above[..., None, :]).sum(dim=-1)
        used_up = by_session + self._count(first, last) == last - first
        begin = table.children_of[nodes][..., None]
        used_up &= (above >= begin) & (above < table.children_of[nodes + 1][..., None])
        # Adding -inf, for a node above two of the items comes up twice.
        penalty = torch.zeros(used_up.shape, device=scores.device).masked_fill_(used_up, -torch.inf)
        scores.scatter_add_(2, (above - begin).clamp_(0, scores.shape[2] - 1), penalty)

    def _count(self, first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Return how many of the leaves from ``first`` to before ``last`` each request's exclusions hold."""
        if not len(self._excluded):
            return torch.zeros_like(first)
        row = torch.arange(len(first), device=first.device)[:, None, None] * self._items
        return torch.searchsorted(self._excluded, row + last) - torch.searchsorted(self._excluded, row + first)
