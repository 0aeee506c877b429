"""Beam search over a catalogue's trie, whatever runs the model: the best items of prompts, or sessions of them.

How a prompt is read and what follows its hypotheses is behind a stepper (:mod:`genrec.decoding.steppers`); what is
here is the same for all of them: which children are legal, which hypotheses are kept, and what they are as items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from genrec.decoding.forbidden import Forbidden
from genrec.decoding.prompts import Prompts
from genrec.decoding.ranking import Ranking, Sessions
from genrec.decoding.restriction import Prefixes
from genrec.decoding.session_beams import SessionBeams
from genrec.decoding.trie import Trie
from genrec.decoding.trie_tables import LevelTable, level_tables
from genrec.models.histories import HistoryBatch

if TYPE_CHECKING:
    from genrec.decoding.steppers import Decoding, Stepper


class BeamSearch:
    """Finds the best items, or the best sessions, for a batch of prompts.

    Args:
        stepper: drives the model.
        trie: the catalogue.
    """

    def __init__(self, stepper: Stepper, trie: Trie) -> None:
        self.stepper = stepper
        self.trie = trie
        self._tables: dict[torch.device, list[LevelTable]] = {}

    def __call__(
        self,
        prompts: Prompts | HistoryBatch,
        beams: int = 20,
        exclude: Sequence[npt.ArrayLike] | None = None,
        k: int | None = None,
        within: Sequence[Prefixes | None] | None = None,
    ) -> Ranking:
        """Return the best items of each prompt.

        Args:
            prompts: the token ids of each prompt, or left-padded tensors ``(input_ids, attention_mask)``; for a
                model of the OneRec family a batch of histories.
            beams: the number of hypotheses kept at each level.
            exclude: for each prompt the ``item_index`` values it must not be given. They are left out inside the
                search: the result is that of a catalogue without them.
            k: how many items to return, at most ``beams``; the default is ``beams``.
            within: for each prompt the codes that its items' IDs must begin with, int [prefixes, 1 to levels]; None
                for a prompt that may get any item. The result is that of a catalogue of those items alone, with
                scores as without the restriction.

        Returns:
            Items int64 [prompts, k], -1 where a prompt has fewer; scores float32 [prompts, k], log-probabilities.

        Raises:
            ValueError: if a prompt is empty, too long or holds an unknown token, or an argument does not fit.
        """
        found = self._search(prompts, 1, beams, beams if k is None else k, exclude, within=within)
        return Ranking(found.items[:, :, 0], found.scores)

    def sessions(
        self,
        prompts: Prompts | HistoryBatch,
        length: int,
        beams: int = 20,
        k: int = 1,
        exclude: Sequence[npt.ArrayLike] | None = None,
        distinct: bool = True,
        within: Sequence[Prefixes | None] | None = None,
    ) -> Sessions:
        """Return the best sessions of each prompt: items to be shown together, none of them twice.

        A session is one hypothesis from its first code to its last, so ``beams`` sessions are carried along, and
        what is best as a whole wins even where its first item is not the best one.

        Args:
            prompts: as for a call.
            length: items of a session; a session ends earlier only where the catalogue has no more.
            beams: the number of hypotheses kept at each level.
            k: how many sessions to return, at most ``beams``.
            exclude: as for a call.
            distinct: of sessions that hold the same items in another order, return the best alone. There may then
                be fewer than k; more beams find more.
            within: as for a call.

        Raises:
            ValueError: as for a call; or if the model was made for shorter sessions.
        """
        if length < 1:
            raise ValueError(f"a session has at least one item, not {length}")
        return self._search(prompts, length, beams, k, exclude, distinct, within)

    def _search(
        self,
        prompts: Prompts | HistoryBatch,
        length: int,
        beams: int,
        k: int,
        exclude: Sequence[npt.ArrayLike] | None,
        distinct: bool = False,
        within: Sequence[Prefixes | None] | None = None,
    ) -> Sessions:
        count = _count(prompts)
        if not 1 <= k <= beams:
            raise ValueError(f"k must be between 1 and the number of beams, {beams}; it is {k}")
        for name, given in (("exclude", exclude), ("within", within)):
            if given is not None and len(given) != count:
                raise ValueError(f"{name} has {len(given)} entries for {count} prompts")
        if not count:
            return Sessions.none(0, k, length)
        tables = self._tables_on(self.stepper.device)
        forbidden = Forbidden(self.trie, tables, count, exclude, within)
        found = self._run(prompts, forbidden, tables, length, beams)
        return (found.distinct() if distinct else found).best(k)

    def _run(
        self,
        prompts: Prompts | HistoryBatch,
        forbidden: Forbidden,
        tables: Sequence[LevelTable],
        length: int,
        beams: int,
    ) -> Sessions:
        return self._grow(self.stepper.start(prompts, length), forbidden, tables, length, beams)

    def _grow(
        self, decoding: Decoding, forbidden: Forbidden, tables: Sequence[LevelTable], length: int, beams: int
    ) -> Sessions:
        """Write sessions, each request's until it is complete or has used up its items."""
        ends = np.minimum(forbidden.left, length)
        found = Sessions.none(len(ends), beams, length)
        state, logits = SessionBeams.begin(len(ends), decoding.logits.device), decoding.logits
        for item in range(int(ends.max())):
            for level, table in enumerate(tables):
                state = state.grown(logits, level, table, self.stepper, forbidden, beams, decoding.wholes)
                if level + 1 < len(tables) or item + 1 < ends.max():
                    logits = decoding.extend(state.beams.origin, table.codes[state.beams.nodes], level)
            state = state.with_item()
            state.write(found, np.flatnonzero(ends == item + 1), self.trie)
        return found

    def _tables_on(self, device: torch.device) -> list[LevelTable]:
        if device not in self._tables:
            self._tables = {device: level_tables(self.trie, device)}
        return self._tables[device]


def _count(prompts: Prompts | HistoryBatch) -> int:
    return len(prompts[0]) if isinstance(prompts, tuple) and isinstance(prompts[0], torch.Tensor) else len(prompts)
