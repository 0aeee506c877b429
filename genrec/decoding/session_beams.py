"""The sessions that a search carries along: each beam's hypothesis, the items it has, and what they cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from genrec.decoding.beams import Beams, add_wholes, keep_best, score_children
from genrec.decoding.forbidden import Forbidden
from genrec.decoding.ranking import Sessions
from genrec.decoding.steppers import Stepper
from genrec.decoding.trie import Trie
from genrec.decoding.trie_tables import LevelTable


class SessionBeams(NamedTuple):
    """Hypotheses of sessions, best first.

    beams: the hypotheses themselves, within the item that is being written.
    taken: int32 [batch, width, items], the leaves of each session's whole items.
    sums: float32 [batch, width, items], the session's score after each of them.
    """

    beams: Beams
    taken: torch.Tensor
    sums: torch.Tensor

    @classmethod
    def begin(cls, batch: int, device: torch.device) -> SessionBeams:
        """Return one empty session for each request."""
        empty = torch.empty((batch, 1, 0), device=device)
        return cls(Beams.root(batch, device), empty.int(), empty)

    def grown(
        self,
        logits: torch.Tensor,
        level: int,
        table: LevelTable,
        stepper: Stepper,
        forbidden: Forbidden,
        limit: int,
        wholes: list[torch.Tensor] | None = None,
    ) -> SessionBeams:
        """Return the best ``limit`` sessions with one more code.

        Args:
            logits: float [batch, width, tokens], of what follows each session.
            level: of the code.
            table: the level's nodes.
            stepper: says where the level's codes stand among the tokens, and what they compete with.
            forbidden: what must not be entered.
            limit: the number of beams; never more than there can be sessions.
            wholes: what an item head adds at each node of each level.
        """
        scores = score_children(
            self.beams, logits, table, stepper.offsets[level], stepper.over_children, stepper.normalized
        )
        if wholes is not None:
            add_wholes(scores, self.beams, table, wholes[level], wholes[level - 1] if level else None)
        forbidden.strike(scores, level, self.beams.nodes, self.taken)
        if not self.taken.shape[2]:
            limit = min(limit, forbidden.most(level))  # two sessions never stand at one node yet
        beams = keep_best(self.beams, scores, table, limit)
        return SessionBeams(beams, _follow(self.taken, beams.origin), _follow(self.sums, beams.origin))

    def with_item(self) -> SessionBeams:
        """Return the sessions with the item whose leaf they stand at, ready for the next one."""
        taken = torch.cat([self.taken, self.beams.nodes[..., None].int()], dim=2)
        sums = torch.cat([self.sums, self.beams.scores[..., None]], dim=2)
        return SessionBeams(self.beams.restarted(), taken, sums)

    def write(self, found: Sessions, rows: npt.NDArray[np.int64], trie: Trie) -> None:
        """Put the sessions of some requests, which are complete, into ``found``."""
        if not len(rows):
            return
        leaves, sums = self.taken.cpu().numpy()[rows], self.sums.cpu().numpy()[rows]
        request, place = np.nonzero(np.isfinite(sums[..., -1]))
        at = rows[request], place
        found.scores[at] = sums[request, place, -1]
        found.items[(*at, slice(leaves.shape[2]))] = trie.items[leaves[request, place]]
        found.item_scores[(*at, slice(leaves.shape[2]))] = np.diff(sums[request, place], axis=-1, prepend=0)


def _follow(values: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    return values.gather(1, origin[..., None].expand(-1, -1, values.shape[2]))
