"""Decoder-only language models under the tree search: the prompt is prefilled, and the items follow as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import DynamicCache

from genrec.decoding.causal_reading import TokenReader, cache_of
from genrec.decoding.passes import pass_of
from genrec.decoding.prefix_cache import PrefixCache
from genrec.decoding.prefix_reading import read
from genrec.decoding.prompts import PromptBatch, Prompts, batch_prompts
from genrec.decoding.support import check_model, positions_of, vocabulary_size_of
from genrec.decoding.tree_mask import follow, forget, with_itself
from genrec.models.histories import HistoryBatch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class CausalStepper:
    """Drives a decoder-only model whose vocabulary holds the SID tokens.

    Args:
        model: a Hugging Face causal language model.
        offsets: int [levels], the token id of code 0 of each level.
        codebook_sizes: the number of codes of each level.
        kept: what was computed of earlier prompts of this model; None: nothing is kept.

    Raises:
        ValueError: if the model cannot be searched so, or its vocabulary does not hold all SID tokens.
    """

    over_children = normalized = False

    def __init__(
        self,
        model: PreTrainedModel,
        offsets: Sequence[int],
        codebook_sizes: Sequence[int],
        kept: PrefixCache | None = None,
    ) -> None:
        check_model(model)
        self.model, self.offsets, self.kept = model, offsets, kept
        self.forward = pass_of(model)
        last = max(map(sum, zip(offsets, codebook_sizes, strict=True)))
        if min(offsets) < 0 or last > vocabulary_size_of(model):
            raise ValueError(
                f"the SID tokens reach up to {last - 1}, but the model's vocabulary has {vocabulary_size_of(model)}"
            )

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    def room(self, items: int) -> int:
        """Return how many tokens a prompt may have when ``items`` items follow it."""
        return positions_of(self.model) - items * len(self.offsets) + 1

    def start(self, prompts: Prompts | HistoryBatch, items: int) -> CausalDecoding:
        """Prefill prompts; see :class:`~genrec.decoding.steppers.Stepper`."""
        if isinstance(prompts, HistoryBatch):
            raise ValueError("a decoder-only model reads prompts of token ids, not a HistoryBatch")
        vocabulary = vocabulary_size_of(self.model)
        return CausalDecoding(self, batch_prompts(prompts, self.model.device, vocabulary, self.room(items)))


class CausalDecoding:
    """Prompts under way; see :class:`~genrec.decoding.steppers.Decoding`."""

    wholes: list[torch.Tensor] | None = None

    def __init__(self, stepper: CausalStepper, batch: PromptBatch) -> None:
        self._forward, self._offsets = stepper.forward, stepper.offsets
        self._positions = batch.lengths[:, None]
        if stepper.kept is None:
            self._cache, self._seen = DynamicCache(), batch.mask[:, None, :]
            self.logits = self._forward.prefill(batch, self._cache)
        else:
            reader = TokenReader(self._forward, batch)
            states, seen, logits = read(reader, reader.prompts, stepper.kept)
            assert logits is not None  # of tokens they are made at once
            self._cache, self._seen, self.logits = cache_of(states), seen[:, None, :], logits

    def extend(self, origin: torch.Tensor, codes: torch.Tensor, level: int) -> torch.Tensor:
        """Run one code of every beam, float [batch, width, vocabulary]."""
        seen = follow(self._seen, origin)
        if level + 1 == len(self._offsets):
            seen = forget(seen, self._cache)
        self._seen = with_itself(seen)
        positions = self._positions.expand_as(codes)
        logits = self._forward.extend(codes + self._offsets[level], positions, self._seen, self._cache)
        self._positions = self._positions + 1
        return logits
