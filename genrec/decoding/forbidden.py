"""What a search must not enter, on the model's device: a request's excluded items, a session's own items.

The nodes that a request's exclusions leave nothing below are known before the search begins. What a session has
taken differs from beam to beam: its leaves travel with the beam, and at each level the few nodes above them are
looked at, those of which the exclusions and the session together leave nothing.

A request may also be restricted to some items (:mod:`genrec.decoding.restriction`). These are few, so the nodes
above them are kept in place of those above all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from genrec.decoding.exclusion import dead_nodes, excluded_leaves
from genrec.decoding.restriction import Prefixes, allowed_leaves, live_nodes
from genrec.decoding.trie import Trie
from genrec.decoding.trie_tables import LevelTable


@dataclass(frozen=True)
class NodeTable:
    """Some nodes of one level for each of a batch of requests.

    Args:
        parents: int64 [nodes], request · (parents + 1) + parent, ascending.
        ranks: int64 [nodes], the position of the node among its parent's children.
        per_row: the number of parents, and one for nowhere.
    """

    parents: torch.Tensor
    ranks: torch.Tensor
    per_row: int

    @classmethod
    def of(
        cls,
        rows: npt.NDArray[np.int64],
        parents: npt.NDArray[np.int64],
        ranks: npt.NDArray[np.int64],
        table: LevelTable,
    ) -> NodeTable:
        """Copy a level's nodes, sorted by request and parent, to the device of its table."""
        per_row = len(table.children_of) - 1
        keys = torch.from_numpy(rows * per_row + parents).to(table.codes.device)
        return cls(keys, torch.from_numpy(ranks).to(table.codes.device), per_row)

    def candidates(self, nodes: torch.Tensor, width: int) -> torch.Tensor:
        """Return where the nodes stand among the candidates of beams.

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
        within: for each request the prefixes its items must have, as
            :func:`~genrec.decoding.restriction.allowed_leaves` takes them; None for no restriction at all.

    Raises:
        ValueError: if an ``item_index`` is not in the catalogue, or prefixes are not of the right shape.
    """

    def __init__(
        self,
        trie: Trie,
        tables: Sequence[LevelTable],
        requests: int,
        exclude: Sequence[npt.ArrayLike] | None,
        within: Sequence[Prefixes | None] | None = None,
    ) -> None:
        exclude = [()] * requests if exclude is None else exclude
        rows, leaves = excluded_leaves(trie, exclude)
        self.left = len(trie) - np.bincount(rows, minlength=requests)  # items for each request, int64 [requests]
        self._items = len(trie)
        self._tables = tables
        self._dead = [
            NodeTable.of(dead.rows, dead.parents, dead.ranks, table) if len(dead.nodes) else None
            for dead, table in zip(dead_nodes(trie, exclude), tables, strict=True)
        ]
        self._excluded = torch.from_numpy(rows * len(trie) + leaves).to(tables[0].codes.device)
        self._allowed: Allowed | None = None
        if within is not None and any(prefixes is not None for prefixes in within):
            self._allowed = Allowed(trie, tables, within, self._excluded.cpu().numpy())
            self.left = np.where(self._allowed.restricted, self._allowed.left, self.left)

    def most(self, level: int) -> int:
        """Return how many nodes of a level a request of the batch may enter at most: more beams find nothing."""
        return self._tables[level].size if self._allowed is None else self._allowed.most[level]

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
        if self._allowed is not None:
            self._allowed.keep(scores, level, nodes)
        if taken.shape[2]:
            self._strike_taken(scores, self._tables[level], nodes, taken)

    def _strike_taken(
        self, scores: torch.Tensor, table: LevelTable, nodes: torch.Tensor, taken: torch.Tensor
    ) -> None:
        above = torch.searchsorted(table.leaves, taken, right=True).sub_(1).clamp_(max=table.size)
        first, last = table.leaves[above], table.leaves[above + 1]
        by_session = (above[..., None] == above[..., None, :]).sum(dim=-1)
        used_up = by_session == self._left_between(first, last)
        begin = table.children_of[nodes][..., None]
        used_up &= (above >= begin) & (above < table.children_of[nodes + 1][..., None])
        # Adding -inf, for a node above two of the items comes up twice.
        penalty = torch.zeros(used_up.shape, device=scores.device).masked_fill_(used_up, -torch.inf)
        scores.scatter_add_(2, (above - begin).clamp_(0, scores.shape[2] - 1), penalty)

    def _left_between(self, first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Return how many of the leaves from ``first`` to before ``last`` each request may be given."""
        left = last - first
        if len(self._excluded):
            left = left - self._count(self._excluded, first, last)
        if self._allowed is None:
            return left
        restricted = torch.from_numpy(self._allowed.restricted).to(first.device)
        return torch.where(restricted[:, None, None], self._count(self._allowed.leaves, first, last), left)

    def _count(self, leaves: torch.Tensor, first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Return how many of some leaves lie from ``first`` to before ``last``, of each request.

        Args:
            leaves: int64, request · items + leaf, ascending.
            first: int [batch, beams, nodes].
            last: int [batch, beams, nodes].
        """
        row = torch.arange(len(first), device=first.device)[:, None, None] * self._items
        return torch.searchsorted(leaves, row + last) - torch.searchsorted(leaves, row + first)


class Allowed:
    """The nodes above what restricted requests of a batch may be given.

    Args:
        trie: the catalogue.
        tables: its levels on the model's device.
        within: the prefixes of each request; None for one that is not restricted.
        excluded: int64, request · items + leaf of what is excluded all the same, ascending.
    """

    def __init__(
        self,
        trie: Trie,
        tables: Sequence[LevelTable],
        within: Sequence[Prefixes | None],
        excluded: npt.NDArray[np.int64],
    ) -> None:
        self.restricted = np.array([prefixes is not None for prefixes in within])
        rows, leaves = allowed_leaves(trie, within)
        kept = ~np.isin(rows * len(trie) + leaves, excluded, assume_unique=True)
        rows, leaves = rows[kept], leaves[kept]
        self.left = np.bincount(rows, minlength=len(within))
        self.leaves = torch.from_numpy(rows * len(trie) + leaves).to(tables[0].codes.device)
        self._free = torch.from_numpy(~self.restricted).to(tables[0].codes.device)
        self._live, self.most = [], []
        for level, table, (row, node) in zip(trie.levels, tables, live_nodes(trie, rows, leaves), strict=True):
            parents = np.searchsorted(level.children_of, node.astype(np.int32), side="right") - 1
            self._live.append(NodeTable.of(row, parents, node - level.children_of[parents], table))
            widest = int(np.bincount(row, minlength=1).max())
            self.most.append(max(1, widest) if self.restricted.all() else table.size)

    def keep(self, scores: torch.Tensor, level: int, nodes: torch.Tensor) -> None:
        """Set the scores of a restricted request's other candidates to -inf, in place; see ``Forbidden.strike``."""
        kept = self._free[:, None, None].expand(scores.shape).contiguous()
        kept.view(-1)[self._live[level].candidates(nodes, scores.shape[2])] = True
        scores.masked_fill_(~kept, -torch.inf)
