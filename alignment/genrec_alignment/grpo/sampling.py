"""Sessions and items drawn from a policy within the trie, each draw independent of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genrec.decoding import Sessions, TreeBeamSearch
from genrec.decoding.beams import Beams, score_children
from genrec.decoding.forbidden import Forbidden
from genrec.decoding.prompts import Prompts
from genrec.decoding.session_beams import SessionBeams
from genrec.decoding.trie_tables import LevelTable, level_tables
from genrec.models.histories import HistoryBatch


class TreeSampler:
    """Draws code by code from the policy's distribution over what the trie has next.

    It drives the model as the tree search does: a prompt is read once, and its draws are its beams.

    Args:
        search: of the policy's model and its catalogue.
    """

    def __init__(self, search: TreeBeamSearch) -> None:
        self._stepper, self._trie = search.stepper, search.trie
        self._tables = level_tables(search.trie, search.model.device)

    @torch.no_grad()
    def __call__(
        self,
        prompts: Prompts | HistoryBatch,
        length: int,
        draws: int,
        exclude: Sequence[npt.ArrayLike] | None,
        seed: int,
    ) -> Sessions:
        """Return sessions in the order they were drawn; the same one may come more than once.

        Args:
            prompts: what the model reads; the model must be in evaluation mode.
            length: items of a session, none of them twice.
            draws: for each prompt.
            exclude: the ``item_index`` values that each prompt must not be given.
            seed: of the draws.

        Returns:
            As :meth:`~genrec.decoding.TreeBeamSearch.sessions`: the scores are the policy's log-probabilities, not
            those of the draw, which the trie makes higher.
        """
        decoding = self._stepper.start(prompts, length)
        device, requests = decoding.logits.device, len(decoding.logits)
        forbidden = Forbidden(self._trie, self._tables, requests, exclude)
        ends, chance = np.minimum(forbidden.left, length), np.random.default_rng(seed)
        found = Sessions.none(requests, draws, length)
        state, logits = SessionBeams.begin(requests, device), decoding.logits
        for item in range(int(ends.max(initial=0))):
            for level, table in enumerate(self._tables):
                offset = self._stepper.offsets[level]
                scores = score_children(state.beams, logits, table, offset, self._stepper.over_children)
                forbidden.strike(scores, level, state.beams.nodes, state.taken)
                state = _drawn(state, scores, table, draws, chance)
                if level + 1 < len(self._tables) or item + 1 < ends.max():
                    logits = decoding.extend(state.beams.origin, table.codes[state.beams.nodes], level)
            state = state.with_item()
            state.write(found, np.flatnonzero(ends == item + 1), self._trie)
        return found


def _drawn(
    state: SessionBeams, scores: Tensor, table: LevelTable, draws: int, chance: np.random.Generator
) -> SessionBeams:
    """Return ``draws`` sessions, each with one more code drawn by its score (the Gumbel-max trick).

    Args:
        state: one session at first, then as many as draws.
        scores: float32 [batch, sessions, most children], -inf on what must not be entered.
        table: the level of the children.
        draws: how many.
        chance: numpy's, so that the same seed draws the same on every device.
    """
    batch, width, most = scores.shape
    scores = scores.expand(batch, draws, most)
    noise = torch.from_numpy(chance.gumbel(size=scores.shape).astype(np.float32)).to(scores.device)
    child = (scores + noise).argmax(dim=2, keepdim=True)
    origin = (
        torch.arange(draws, device=scores.device).expand(batch, -1)
        if width > 1
        else torch.zeros_like(child[..., 0])
    )
    best = scores.gather(2, child)[..., 0]
    nodes = table.children_of[state.beams.nodes.gather(1, origin)] + child[..., 0]
    beams = Beams(best, nodes.masked_fill(best == -torch.inf, table.size), origin)
    return SessionBeams(beams, _follow(state.taken, origin), _follow(state.sums, origin))


def _follow(values: Tensor, origin: Tensor) -> Tensor:
    return values.gather(1, origin[..., None].expand(-1, -1, values.shape[2]))
