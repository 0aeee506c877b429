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

import numpy.typing as npt
import torch

from genrec.decoding.beam_search import BeamSearch
from genrec.decoding.causal_stepper import CausalStepper
from genrec.decoding.forbidden import Forbidden
from genrec.decoding.history_stepper import HistoryStepper
from genrec.decoding.prefix_cache import PrefixCache
from genrec.decoding.prompts import Prompts
from genrec.decoding.ranking import Sessions
from genrec.decoding.trie import Trie
from genrec.decoding.trie_tables import LevelTable
from genrec.models.histories import HistoryBatch
from genrec.models.history_model import HistoryModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from genrec.decoding.steppers import Stepper


class TreeBeamSearch(BeamSearch):
    """Finds the best items, or the best sessions, for a batch of prompts.

    Args:
        model: a Hugging Face decoder-only causal language model or a model of the OneRec family, on any device and
            in any dtype.
        trie: the catalogue.
        level_offsets: int [levels], the token id of code 0 of each level, as ``SIDVocabulary.offsets``; a model of
            the OneRec family has tokens of its own and does not look at it.
        kept: what was computed of earlier prompts of this model, for those that begin alike; None: nothing is kept.

    Raises:
        ValueError: if the model cannot be searched in this way (see :func:`~genrec.decoding.support.check_model`),
            or its vocabulary does not hold the catalogue's codes.

    Example:
        >>> search = TreeBeamSearch(model, trie, vocabulary.offsets)  # doctest: +SKIP
        >>> items, scores = search([[1, 20, 300, 4000]], beams=20)  # doctest: +SKIP
        >>> sessions = search.sessions([[1, 20, 300, 4000]], length=5, beams=20)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: PreTrainedModel,
        trie: Trie,
        level_offsets: Sequence[int] | npt.NDArray,
        kept: PrefixCache | None = None,
    ) -> None:
        super().__init__(_stepper_of(model, trie, [int(offset) for offset in level_offsets], kept), trie)
        self.model = model

    def _run(
        self,
        prompts: Prompts | HistoryBatch,
        forbidden: Forbidden,
        tables: Sequence[LevelTable],
        length: int,
        beams: int,
    ) -> Sessions:
        with torch.no_grad(), _evaluating(self.model):
            return super()._run(prompts, forbidden, tables, length, beams)


def _stepper_of(model: PreTrainedModel, trie: Trie, offsets: list[int], kept: PrefixCache | None) -> Stepper:
    if len(offsets) != len(trie.levels):
        raise ValueError(f"{len(trie.levels)} levels need as many offsets, not {len(offsets)}")
    if isinstance(model, HistoryModel):
        return HistoryStepper(model, trie, kept)
    return CausalStepper(model, offsets, trie.codebook_sizes, kept)


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Switch dropout off for a while."""
    if not model.training:  # to walk through all modules, twice, was a tenth of a small search's time
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train()
