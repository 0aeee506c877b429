"""Models that read events under the tree search: the history is read once, and the decoder writes items.

The keys and values that the decoder attends to are made once for each prompt and shared by its beams. BOS stands
before every item, so the last code of an item and the BOS of the next are run together, two tokens a beam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import DynamicCache

from genrec.decoding.event_reading import EventReader
from genrec.decoding.item_scores import ItemScores
from genrec.decoding.prefix_cache import PrefixCache
from genrec.decoding.prefix_reading import read
from genrec.decoding.prompts import Prompts
from genrec.decoding.tree_mask import follow, forget, with_itself, without_later
from genrec.decoding.trie import Trie
from genrec.models.histories import HistoryBatch
from genrec.models.onerec.base import OneRecBase

if TYPE_CHECKING:
    from genrec.models.history_model import HistoryModel
    from genrec.models.onerec.encoder import Memory

_BOS = 0


class HistoryStepper:
    """Drives a model that reads events, whose logits are those of one level's codes.

    Args:
        model: an encoder-decoder, a lazy decoder or a T5.
        trie: the catalogue.
        kept: what was computed of earlier histories of this model; None: nothing is kept. Nor is it where the model
            reads a history as a whole.

    Raises:
        ValueError: if the model was made for other codebooks.
    """

    normalized = False

    def __init__(self, model: HistoryModel, trie: Trie, kept: PrefixCache | None = None) -> None:
        codebook_sizes = trie.codebook_sizes
        if list(codebook_sizes) != list(model.config.codebook_sizes):
            raise ValueError(
                f"the model was made for codebooks of {list(model.config.codebook_sizes)} codes, but the"
                f" catalogue's have {list(codebook_sizes)}"
            )
        self.model, self.kept = model, kept if model.reads_causally else None
        self.offsets = [0] * len(codebook_sizes)
        self.over_children = model.over_catalogue
        self._items = ItemScores(model, trie) if isinstance(model, OneRecBase) and model.items is not None else None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    def start(self, prompts: Prompts | HistoryBatch, items: int) -> HistoryDecoding:
        """Encode histories; see :class:`~genrec.decoding.steppers.Stepper`."""
        if not isinstance(prompts, HistoryBatch):
            raise ValueError(f"{type(self.model).__name__} reads a HistoryBatch; see Generator.prompts")
        if items > self.model.config.session_length:
            raise ValueError(
                f"{type(self.model).__name__} was made for sessions of at most {self.model.config.session_length}"
                f" items, not {items}"
            )
        return HistoryDecoding(self.model, prompts.to(self.model.device), self._items, self.kept)


class HistoryDecoding:
    """Histories under way; see :class:`~genrec.decoding.steppers.Decoding`."""

    def __init__(
        self,
        model: HistoryModel,
        histories: HistoryBatch,
        items: ItemScores | None = None,
        kept: PrefixCache | None = None,
    ) -> None:
        self._model = model
        sizes = model.config.codebook_sizes
        self._first = [1 + sum(sizes[:level]) for level in range(len(sizes))]
        if kept is not None and isinstance(model, OneRecBase):
            self._memory = _remembered(model, histories, kept)
        else:
            self._memory = model.encode(histories)
        self._cache = DynamicCache()
        self._position = 0
        bos = torch.full((len(histories), 1), _BOS, dtype=torch.int64, device=histories.mask.device)
        self._seen = torch.ones((len(histories), 1, 1), dtype=torch.bool, device=bos.device)
        states = self._run([bos], [self._seen])
        self.logits = model.logits(states, 0)
        self.wholes = items.after(self._memory) if items is not None else None

    def extend(self, origin: torch.Tensor, codes: torch.Tensor, level: int) -> torch.Tensor:
        """Run one code of every beam, float [batch, width, codes of the next level]."""
        tokens = [codes.long() + self._first[level]]
        self._seen = follow(self._seen, origin)
        if level + 1 < len(self._first):
            self._seen = with_itself(self._seen)
            return self._model.logits(self._run(tokens, [self._seen]), level + 1)
        self._seen = with_itself(forget(self._seen, self._cache))
        code_sees = without_later(self._seen)
        self._seen = with_itself(self._seen)
        tokens.append(torch.full_like(tokens[0], _BOS))
        return self._model.logits(self._run(tokens, [code_sees, self._seen]), 0)

    def _run(self, tokens: list[torch.Tensor], seen: list[torch.Tensor]) -> torch.Tensor:
        """Run tokens [batch, width] of one position after the other; return the states of the last of them."""
        positions = [torch.full_like(these, self._position + at) for at, these in enumerate(tokens)]
        self._position += len(tokens)
        states = self._model.decode(
            input_ids=torch.cat(tokens, dim=1),
            position_ids=torch.cat(positions, dim=1),
            attention_mask=torch.cat(seen, dim=1),
            memory=self._memory,
            cache=self._cache,
        )
        return states[:, -tokens[-1].shape[1] :]


def _remembered(model: OneRecBase, histories: HistoryBatch, kept: PrefixCache) -> Memory:
    reader = EventReader(model, histories)
    return reader.memory(read(reader, reader.prompts, kept))
