"""What the models of the OneRec family share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.cache_utils import Cache

from genrec.models.histories import HistoryBatch
from genrec.models.history_model import IGNORED, HistoryModel, decoder_tokens
from genrec.models.onerec.attention import Rotary
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.onerec.configuration import HistoryModelConfig
from genrec.models.onerec.decoder import CrossView, SelfView
from genrec.models.onerec.dropout import Dropout
from genrec.models.onerec.embedding import CodeEmbedding, EventEmbedding
from genrec.models.onerec.encoder import Encoder, Memory
from genrec.models.onerec.history.reader import build_reader
from genrec.models.onerec.item_head import ItemHead
from genrec.models.onerec.moe import SparseMoE


class OneRecBase(HistoryModel):
    """Base of the OneRec models. Subclasses build ``encoder``, ``memory`` and ``layers``."""

    _no_split_modules = ["EncoderLayer", "DecoderLayer"]  # noqa: RUF012 (transformers' own form)

    encoder: Encoder
    memory: nn.Module
    layers: nn.ModuleList

    def __init__(self, config: HistoryModelConfig, shape: EncoderDecoderConfig | LazyDecoderConfig) -> None:
        super().__init__(config)
        width = shape.hidden_size
        self.codes = CodeEmbedding(config.codebook_sizes, width)
        self.events = EventEmbedding(config, shape.history, self.codes)
        self.reader = build_reader(config, shape)
        self.rotary = Rotary(width // shape.heads)
        self.norm = nn.RMSNorm(width, eps=1e-6)
        tied = shape.tie_embeddings
        self.head = None if tied else nn.Linear(width, sum(config.codebook_sizes), bias=False)
        self.items = ItemHead(width, config.items, len(config.codebook_sizes)) if shape.item_head else None
        self.dropout = Dropout(config.dropout)
        self.starts_from_history = shape.starts_from_history
        self.over_catalogue = shape.softmax == "catalogue"

    @property
    def reads_causally(self) -> bool:
        """Whether what is made of an event stays as it is when others follow."""
        return self.reader is None and self.encoder.causal

    def whole_loss(
        self, memory: Any, visible: Tensor | None, real: Tensor, target_rows: Tensor | None, label_smoothing: float
    ) -> Tensor | None:
        """Return the item head's loss; see :meth:`HistoryModel.whole_loss`."""
        if self.items is None or target_rows is None:
            return None
        newest = self.newest(memory, visible)[:, :, None].expand(*real.shape, -1)[real]
        return self.items.loss(newest, self.item_vectors(), target_rows[real] - 1, label_smoothing)

    def item_vectors(self) -> Tensor:
        """Return the vectors by which the trained items are scored as wholes, [items, hidden]."""
        assert self.items is not None
        rows = torch.arange(1, len(self.items.codes) + 1, device=self.items.codes.device)
        return self.events.of_items(self.codes, self.items.codes, rows)

    def encode(self, history: HistoryBatch) -> Memory:
        """Return the memory of a batch of histories: read once, whatever is generated after it."""
        states = self.dropout(self.events(self.codes, history.codes, history.rows, history.features))
        mask = functional.pad(history.mask, (1, 0), value=True)
        if self.reader is not None:
            states, mask = self.reader(states, mask, history.features)
        return self.memory(self.encoder(states, mask), mask)

    def decode(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor,
        memory: Memory,
        cache: Cache,
    ) -> Tensor:
        """Return the states of tokens; see :meth:`HistoryModel.decode`."""
        seen = SelfView(self.rotary(position_ids), attention_mask[:, None], cache, tasks=1)
        place = memory.mask.sum(dim=1)[:, None].expand_as(input_ids)
        history = CrossView(memory.keys, memory.values, self.rotary(place), memory.mask[:, None, None])
        states = self.codes(input_ids) + self._beginnings(input_ids[:, None], memory, None)
        return self._run(states, seen, history)

    def logits(self, states: Tensor, level: int) -> Tensor:
        """Return the scores of a level's codes, [..., codes], for normalised states [..., hidden]."""
        first = sum(self.config.codebook_sizes[:level])
        rows = slice(first, first + self.config.codebook_sizes[level])
        weight = self.codes.weight[1:][rows] if self.head is None else self.head.weight[rows]
        return functional.linear(states, weight)

    def decode_targets(self, memory: Memory, target_codes: Tensor, visible: Tensor | None) -> Tensor:
        """Return the states that predict each code, [batch, tasks, items, levels, hidden]; see :meth:`forward`."""
        batch, tasks, items, levels = target_codes.shape
        tokens = decoder_tokens(target_codes, self.codes.first)
        length = tokens.shape[2]
        positions = torch.arange(length, device=tokens.device)[None]
        real = (target_codes[..., 0] != IGNORED).repeat_interleave(levels + 1, dim=2)[..., :-1].flatten(1)
        seen = SelfView(self.rotary(positions), None, None, tasks, real)
        # No dropout on what comes from the encoder, which has had its own: with it codes were learned worse.
        states = self.dropout(self.codes(tokens.flatten(1))) + self._beginnings(tokens, memory, visible)
        states = self._run(states, seen, self._view(memory, visible, tasks, length))
        states = functional.pad(states.view(batch, tasks, length, -1), (0, 0, 0, 1))
        return states.view(batch, tasks, items, levels + 1, -1)[..., :levels, :]

    def _beginnings(self, tokens: Tensor, memory: Memory, visible: Tensor | None) -> Tensor | int:
        """Return what is added to the vectors of tokens: to BOS the newest event's state, to the others nothing.

        Args:
            tokens: int64 [batch, tasks, tokens].
            memory: of the histories.
            visible: int64 [batch, tasks], how many events each task may see; None for all.

        Returns:
            [batch, tasks · tokens, hidden]; 0 in models that begin with BOS alone.
        """
        if not self.starts_from_history:
            return 0
        return (self.newest(memory, visible)[:, :, None] * (tokens == 0)[..., None]).flatten(1, 2)

    def newest(self, memory: Memory, visible: Tensor | None = None) -> Tensor:
        """Return what the encoder made of the newest event that each task sees, [batch, tasks, hidden].

        Args:
            memory: of the histories.
            visible: int64 [batch, tasks], how many events each task may see; None: one task, which sees all.
        """
        places = torch.arange(memory.mask.shape[1], device=memory.mask.device)  # padding may stand anywhere
        at = (memory.mask * places).amax(dim=1, keepdim=True) if visible is None else visible
        return memory.states.gather(1, at[..., None].expand(-1, -1, memory.states.shape[-1]))

    def _view(self, memory: Memory, visible: Tensor | None, tasks: int, length: int) -> CrossView:
        """Return what each token of each task sees of the history: the sink and its first ``visible`` events."""
        mask = memory.mask[:, None].expand(-1, tasks, -1)
        if visible is not None:
            mask = mask & (torch.arange(mask.shape[2], device=mask.device) <= visible[..., None])
        place = mask.sum(dim=2).repeat_interleave(length, dim=1)
        mask = mask.repeat_interleave(length, dim=1)[:, None]
        return CrossView(memory.keys, memory.values, self.rotary(place), mask)

    def _run(self, states: Tensor, seen: SelfView, history: CrossView) -> Tensor:
        for layer in self.layers:
            states = layer(states, seen, history)
        return self.norm(states)

    def _init_weights(self, module: nn.Module) -> None:
        """Draw what is new from a normal distribution; norms begin at one."""
        deviation = getattr(self.config, "initializer_range", 0.02)
        if isinstance(module, nn.Embedding) and self.starts_from_history:
            deviation = module.embedding_dim**-0.5  # length 1 on average; what was measured goes with it
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=deviation)
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.RMSNorm):
            nn.init.ones_(module.weight)
        elif isinstance(module, EventEmbedding):
            nn.init.normal_(module.sink, std=deviation)
        elif isinstance(module, SparseMoE):
            module.initialise(deviation)


def shape_of(config: HistoryModelConfig, kind: type[Any]) -> Any:
    """Return a configuration's shape as the settings class it was made from."""
    return kind.model_validate(config.shape)
