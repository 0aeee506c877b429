"""Decoder-only language models under the tree search: the prompt is prefilled, and the items follow as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import DynamicCache

from genrec.decoding.last_position import last_position_only, prepare
from genrec.decoding.prompts import PromptBatch, Prompts, batch_prompts
from genrec.decoding.support import additive_masks, check_model, positions_of, vocabulary_size_of
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

    Raises:
        ValueError: if the model cannot be searched so, or its vocabulary does not hold all SID tokens.
    """

    over_children = normalized = False

    def __init__(self, model: PreTrainedModel, offsets: Sequence[int], codebook_sizes: Sequence[int]) -> None:
        check_model(model)
        prepare(model)
        self.model, self.offsets = model, offsets
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

    def __init__(self, stepper: CausalStepper, batch: PromptBatch) -> None:
        self._model, self._offsets = stepper.model, stepper.offsets
        self._cache = DynamicCache(config=stepper.model.config)
        self._seen, self._positions = batch.mask[:, None, :], batch.lengths[:, None]
        self.logits = self._prefill(batch)

    def extend(self, origin: torch.Tensor, codes: torch.Tensor, level: int) -> torch.Tensor:
        """Run one code of every beam, float [batch, width, vocabulary]."""
        seen = follow(self._seen, origin)
        if level + 1 == len(self._offsets):
            seen = forget(seen, self._cache)
        self._seen = with_itself(seen)
        mask = self._seen[:, None]
        if additive_masks(self._model):
            lowest = torch.finfo(self._model.dtype).min
            mask = torch.zeros_like(mask, dtype=self._model.dtype).masked_fill_(~mask, lowest)
        logits = self._model(
            input_ids=codes + self._offsets[level],
            attention_mask=mask,
            position_ids=self._positions.expand_as(codes),
            past_key_values=self._cache,
            use_cache=True,
        ).logits
        self._positions = self._positions + 1
        return logits

    def _prefill(self, batch: PromptBatch) -> torch.Tensor:
        """Fill the cache with the prompts; return the logits after each, [batch, 1, vocabulary]."""
        # Without padding the models use their plain causal attention, which is faster than a mask.
        padded = {"attention_mask": batch.mask.long()} if batch.ragged else {}
        with last_position_only():
            return self._model(
                input_ids=batch.input_ids,
                position_ids=batch.positions,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
                **padded,
            ).logits
