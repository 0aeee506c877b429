"""Histories of events, of which some begin like earlier ones; see :mod:`genrec.decoding.prefix_reading`.

Position 0 of a history is the sink. Kept are the keys and values of the blocks over the history, those that the
decoder attends to, and the states that these were made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional
from transformers.cache_utils import DynamicCache

from genrec.decoding.causal_reading import cache_of, sight, states_of
from genrec.decoding.prefix_cache import Prompt, States
from genrec.decoding.prefix_reading import Part
from genrec.models.histories import HistoryBatch
from genrec.models.onerec.encoder import Memory

if TYPE_CHECKING:
    from genrec.models.onerec.base import OneRecBase


class EventReader:
    """Reads histories of one batch.

    Args:
        model: one that ``reads_causally``.
        batch: the histories, where the model is.
    """

    def __init__(self, model: OneRecBase, batch: HistoryBatch) -> None:
        self._model, self._batch = model, batch
        self._lengths = batch.mask.sum(dim=1)

    @property
    def prompts(self) -> list[Prompt]:
        """All that the model reads of each event of each history, the sink as nothing before them."""
        batch = self._batch
        events = torch.cat([batch.codes, batch.rows[..., None], batch.features], dim=2).cpu().numpy()
        pairs = zip(events, self._lengths.tolist(), strict=True)
        return [(b"", *(event.tobytes() for event in row[:length])) for row, length in pairs]

    def whole(self, rows: Sequence[int]) -> Part:
        """Read histories from the sink on."""
        width = max(1, int(self._lengths[rows].max()))
        places = torch.arange(width, device=self._lengths.device).expand(len(rows), -1)
        mask = functional.pad(self._batch.mask[rows, :width], (1, 0), value=True)
        cache = DynamicCache()
        memory = self._model.memory(self._model.encoder(self._vectors(rows, places), mask, cache=cache), mask)
        return Part((*states_of(cache), *_parts(memory)), mask)

    def rest(self, rows: Sequence[int], start: States, known: torch.Tensor) -> Part:
        """Read what follows the known events of histories; see :class:`~genrec.decoding.prefix_reading.Reader`."""
        before = known.sum(dim=1, keepdim=True)
        left = 1 + self._lengths[rows, None] - before
        places = torch.arange(int(left.max()), device=known.device)
        new, positions = places < left, before + places
        layers = 2 * len(self._model.encoder.layers)
        cache = cache_of(start[:layers])
        vectors = self._vectors(rows, positions - 1)[:, 1:]
        states = self._model.encoder(vectors, new, positions, sight(known, new)[:, None], cache)
        made = self._model.memory(states, new, positions)
        read = zip(start[layers:], _parts(made), strict=True)
        memory = (torch.cat(pair, dim=2) for pair in read)
        return Part((*states_of(cache), *memory), torch.cat([known, new], dim=1))

    def memory(self, part: Part) -> Memory:
        """Return what the decoder attends to."""
        *read, states = part.states[2 * len(self._model.encoder.layers) :]
        half = len(read) // 2
        return Memory(tuple(read[:half]), tuple(read[half:]), part.seen, states[:, 0])

    def _vectors(self, rows: Sequence[int], places: torch.Tensor) -> torch.Tensor:
        """Return the vectors of the sink and the events at places [rows, events], whatever is past the end."""
        batch, places = self._batch, places.clamp(max=self._batch.mask.shape[1] - 1)
        at = torch.tensor(rows, device=places.device)[:, None], places
        return self._model.events(self._model.codes, batch.codes[at], batch.rows[at], batch.features[at])


def _parts(memory: Memory) -> tuple[torch.Tensor, ...]:
    """Return what a memory holds, each as a tensor [batch, heads, places, size]."""
    return (*memory.keys, *memory.values, memory.states[:, None])
