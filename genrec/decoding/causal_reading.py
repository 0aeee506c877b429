"""Prompts of token ids, of which some begin like earlier ones; see :mod:`genrec.decoding.prefix_reading`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from genrec.decoding.prefix_cache import Prompt, States
from genrec.decoding.prefix_reading import Part
from genrec.decoding.prompts import PromptBatch, token_lists

if TYPE_CHECKING:
    from genrec.decoding.passes import Pass


class TokenReader:
    """Reads prompts of one batch.

    Args:
        forward: the model's.
        batch: the prompts.
    """

    def __init__(self, forward: Pass, batch: PromptBatch) -> None:
        self._forward, self._batch = forward, batch

    @property
    def prompts(self) -> list[Prompt]:
        """The token at each position of each prompt."""
        return [tuple(tokens) for tokens in token_lists((self._batch.input_ids, self._batch.mask))]

    def whole(self, rows: Sequence[int]) -> Part:
        """Read prompts from their first token on."""
        lengths, cache = self._batch.lengths[rows], DynamicCache()
        width = int(lengths.max())
        ids, mask = self._batch.input_ids[rows, -width:], self._batch.mask[rows, -width:]
        logits = self._forward.prefill(PromptBatch(ids, mask, lengths, bool((lengths < width).any())), cache)
        return Part(states_of(cache), mask, logits)

    def rest(self, rows: Sequence[int], start: States, known: torch.Tensor) -> Part:
        """Read what follows the known tokens of prompts; see :class:`~genrec.decoding.prefix_reading.Reader`."""
        before = known.sum(dim=1, keepdim=True)
        left = self._batch.lengths[rows, None] - before
        width = int(left.max())
        new = torch.arange(width, device=known.device) >= width - left
        positions = (before + new.cumsum(dim=1) - 1).clamp_(min=0)
        cache = cache_of(start)
        seen = sight(known, new)
        logits = self._forward.extend(self._batch.input_ids[rows, -width:], positions, seen, cache)
        return Part(states_of(cache), torch.cat([known, new], dim=1), logits[:, -1:])


def sight(known: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Return what new positions see, bool [batch, new, known + new]: the known and the new up to themselves."""
    width = new.shape[1]
    before = new.new_ones(width, width).tril()
    return torch.cat([known[:, None].expand(-1, width, -1), before & new[:, None]], dim=2)


def cache_of(states: States) -> DynamicCache:
    """Return a cache of keys and values, which stand in turns, layer by layer."""
    cache = DynamicCache()
    for layer in range(len(states) // 2):
        cache.update(states[2 * layer], states[2 * layer + 1], layer)
    return cache


def states_of(cache: DynamicCache) -> States:
    """Return a cache's keys and values in turns, layer by layer."""
    states: list[torch.Tensor] = []
    for layer in cache.layers:
        assert isinstance(layer, DynamicLayer)
        assert layer.keys is not None
        assert layer.values is not None
        states += [layer.keys, layer.values]
    return tuple(states)
