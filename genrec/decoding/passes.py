"""A forward pass of a decoder-only model as the tree search needs it: prompts first, then the beams of a level.

Both ways keep keys and values in a ``DynamicCache`` of transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from transformers.cache_utils import DynamicCache

from genrec.decoding.last_position import last_position_only, prepare
from genrec.decoding.lean_qwen3 import LeanQwen3
from genrec.decoding.prompts import PromptBatch
from genrec.decoding.support import additive_masks

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Pass(Protocol):
    """Runs tokens and adds their keys and values to a cache."""

    def prefill(self, batch: PromptBatch, cache: DynamicCache) -> torch.Tensor:
        """Run prompts; return the logits after each, float [batch, 1, vocabulary]."""
        ...

    def extend(
        self, tokens: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """Run one token of every beam; return the logits after each, float [batch, width, vocabulary].

        Args:
            tokens: int [batch, width].
            positions: int64 [batch, width].
            seen: bool [batch, width, keys], which keys each token attends to, the new ones last.
            cache: of the keys before.
        """
        ...


class TransformersPass:
    """The model's own forward pass."""

    def __init__(self, model: PreTrainedModel) -> None:
        prepare(model)
        self._model = model

    def prefill(self, batch: PromptBatch, cache: DynamicCache) -> torch.Tensor:
        """Run prompts; see :class:`Pass`."""
        # Without padding the models use their plain causal attention, which is faster than a mask.
        padded = {"attention_mask": batch.mask.long()} if batch.ragged else {}
        with last_position_only():
            return self._model(
                input_ids=batch.input_ids,
                position_ids=batch.positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                **padded,
            ).logits

    def extend(
        self, tokens: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """Run one token of every beam; see :class:`Pass`."""
        mask = seen[:, None]
        if additive_masks(self._model):
            lowest = torch.finfo(self._model.dtype).min
            mask = torch.zeros_like(mask, dtype=self._model.dtype).masked_fill_(~mask, lowest)
        return self._model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        ).logits


def pass_of(model: PreTrainedModel) -> Pass:
    """Return the fastest forward pass that is known to be right for a model."""
    return LeanQwen3(model) if LeanQwen3.fits(model) else TransformersPass(model)
