"""Tree-attention beam search: the best items of a catalogue, or sessions of them, under a generative model.

The prompt is read once. At each further level the beams of a prompt are W query tokens of one sequence: a 4-D mask
lets each see the prompt, its own ancestors and itself, and all of a level share one position id. So nothing in the
key-value cache is repeated or reordered, and a level is one forward pass over W tokens.

Scores follow Hugging Face's beam search: a log-softmax over all tokens that the model scores, then the mask, summed
over the levels with no length penalty. For a decoder-only model the ranking is the one that ``generate`` returns
with the same number of beams and ``prefix_allowed_tokens_fn``. OneRec models with ``softmax: catalogue`` have their
softmax over the codes that the catalogue has after a prefix, in training as here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from genrec.decoding.causal_stepper import CausalStepper
from genrec.decoding.forbidden import Forbidden
from genrec.decoding.history_stepper import HistoryStepper
from genrec.decoding.prompts import Prompts
from genrec.decoding.ranking import Ranking, Sessions
from genrec.decoding.restriction import Prefixes
from genrec.decoding.session_beams import SessionBeams
from genrec.decoding.trie import Trie
from genrec.decoding.trie_tables import LevelTable, level_tables
from genrec.models.histories import HistoryBatch
from genrec.models.onerec.base import HistoryModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from genrec.decoding.steppers import Decoding, Stepper


class TreeBeamSearch:
    """Finds the best items, or the best sessions, for a batch of prompts.

    Args:
        model: a Hugging Face decoder-only causal language model or a model of the OneRec family, on any device and
            in any dtype.
        trie: the catalogue.
        level_offsets: int [levels], the token id of code 0 of each level, as ``SIDVocabulary.offsets``; a model of
            the OneRec family has tokens of its own and does not look at it.

    Raises:
        ValueError: if the model cannot be searched in this way (see :func:`~genrec.decoding.support.check_model`),
            or its vocabulary does not hold the catalogue's codes.

    Example:
        >>> search = TreeBeamSearch(model, trie, vocabulary.offsets)  # doctest: +SKIP
        >>> items, scores = search([[1, 20, 300, 4000]], beams=20)  # doctest: +SKIP
        >>> sessions = search.sessions([[1, 20, 300, 4000]], length=5, beams=20)  # doctest: +SKIP
    """

    def __init__(self, model: PreTrainedModel, trie: Trie, level_offsets: Sequence[int] | npt.NDArray) -> None:
        self.model = model
        self.trie = trie
        self.stepper = _stepper_of(model, trie, [int(offset) for offset in level_offsets])
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
        tables = self._tables_on(self.model.device)
        forbidden = Forbidden(self.trie, tables, count, exclude, within)
        with torch.no_grad(), _evaluating(self.model):
            decoding = self.stepper.start(prompts, length)
            found = self._grow(decoding, forbidden, tables, length, beams)
        return (found.distinct() if distinct else found).best(k)

    def _grow(
        self, decoding: Decoding, forbidden: Forbidden, tables: Sequence[LevelTable], length: int, beams: int
    ) -> Sessions:
        """Write sessions, each request's until it is complete or has used up its items."""
        ends = np.minimum(forbidden.left, length)
        found = Sessions.none(len(ends), beams, length)
        state, logits = SessionBeams.begin(len(ends), decoding.logits.device), decoding.logits
        for item in range(int(ends.max())):
            for level, table in enumerate(tables):
                state = state.grown(logits, level, table, self.stepper, forbidden, beams)
                if level + 1 < len(tables) or item + 1 < ends.max():
                    logits = decoding.extend(state.beams.origin, table.codes[state.beams.nodes], level)
            state = state.with_item()
            state.write(found, np.flatnonzero(ends == item + 1), self.trie)
        return found

    def _tables_on(self, device: torch.device) -> list[LevelTable]:
        if device not in self._tables:
            self._tables = {device: level_tables(self.trie, device)}
        return self._tables[device]


def _stepper_of(model: PreTrainedModel, trie: Trie, offsets: list[int]) -> Stepper:
    if len(offsets) != len(trie.levels):
        raise ValueError(f"{len(trie.levels)} levels need as many offsets, not {len(offsets)}")
    if isinstance(model, HistoryModel):
        return HistoryStepper(model, trie.codebook_sizes)
    return CausalStepper(model, offsets, trie.codebook_sizes)


def _count(prompts: Prompts | HistoryBatch) -> int:
    return len(prompts[0]) if isinstance(prompts, tuple) and isinstance(prompts[0], torch.Tensor) else len(prompts)


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Switch dropout off for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
