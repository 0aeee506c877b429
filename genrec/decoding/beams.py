"""The hypotheses of a search and how they grow by one code."""

from __future__ import annotations

from typing import NamedTuple

import torch

from genrec.decoding.trie_tables import LevelTable


class Beams(NamedTuple):
    """The hypotheses of a batch, best first.

    scores: float32 [batch, width], -inf where there is none.
    nodes: int [batch, width], the trie node of the level; the number of nodes where there is none.
    origin: int64 [batch, width], the index of each one's parent among the beams before.
    """

    scores: torch.Tensor
    nodes: torch.Tensor
    origin: torch.Tensor

    @classmethod
    def root(cls, batch: int, device: torch.device) -> Beams:
        """Return one hypothesis for each request, with nothing written."""
        zeros = torch.zeros((batch, 1), dtype=torch.int64, device=device)
        return cls(zeros.float(), zeros, zeros)

    def restarted(self) -> Beams:
        """Return the hypotheses at the root again, where the next item of their sessions begins."""
        return self._replace(nodes=torch.zeros_like(self.nodes))


def score_children(
    beams: Beams,
    logits: torch.Tensor,
    table: LevelTable,
    offset: int,
    over_children: bool,
    normalized: bool = False,
) -> torch.Tensor:
    """Return the scores of the children of all beams, float32 [batch, width, most children]; -inf beyond the last.

    The candidates of a beam are its node's children and nothing else, so that the work is O(width · codebook),
    however large the catalogue.

    Args:
        beams: at the level above.
        logits: float [batch, width, tokens], of what follows each beam.
        table: the level of the children.
        offset: where the level's code 0 stands among the tokens.
        over_children: whether the softmax is over the children alone, or over all tokens.
        normalized: whether ``logits`` are log-probabilities, so that there is nothing to divide by.
    """
    first, last = table.children_of[beams.nodes], table.children_of[beams.nodes + 1]
    nodes = first[..., None] + table.ranks
    legal = nodes < last[..., None]
    logits = logits.float()
    tokens = table.codes[nodes.clamp_(max=table.size)] + offset
    scores = logits.gather(2, tokens).masked_fill_(~legal, -torch.inf)
    if normalized:
        return scores.add_(beams.scores[..., None])
    total = (scores if over_children else logits).logsumexp(dim=-1)
    total.masked_fill_(total == -torch.inf, 0)  # nowhere has no children
    return scores.add_((beams.scores - total)[..., None])


def add_wholes(
    scores: torch.Tensor, beams: Beams, table: LevelTable, wholes: torch.Tensor, above: torch.Tensor | None
) -> None:
    """Add what an item head says of the children to their scores, in the place of what it said of their parents.

    Args:
        scores: as :func:`score_children` returns.
        beams: at the level above.
        table: the level of the children.
        wholes: float32 [batch, nodes + 1], see :class:`~genrec.decoding.item_scores.ItemScores`.
        above: the same of the level above; None at the root.
    """
    batch, width, most = scores.shape
    nodes = (table.children_of[beams.nodes][..., None] + table.ranks).clamp_(max=table.size)
    scores += wholes.gather(1, nodes.view(batch, -1).long()).view(batch, width, most)
    if above is not None:
        scores -= above.gather(1, beams.nodes.long())[..., None]


def keep_best(beams: Beams, scores: torch.Tensor, table: LevelTable, limit: int) -> Beams:
    """Return the best ``limit`` children of all beams of each request, or as many as there are places.

    Args:
        beams: at the level above.
        scores: as :func:`score_children` returns, with -inf on what must not be entered.
        table: the level of the children.
        limit: the number of beams.
    """
    batch, _, most = scores.shape
    flat = scores.view(batch, -1)
    best, chosen = flat.topk(min(limit, flat.shape[1]))
    origin = chosen // most
    nodes = table.children_of[beams.nodes.gather(1, origin)] + chosen % most
    return Beams(best, nodes.masked_fill_(best == -torch.inf, table.size), origin)
