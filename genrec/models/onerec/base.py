"""What the models of the OneRec family share: targets in, losses out; histories in, beams out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.cache_utils import Cache
from transformers.utils import ModelOutput

from genrec.models.histories import HistoryBatch
from genrec.models.onerec.attention import Rotary
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.onerec.configuration import HistoryModelConfig
from genrec.models.onerec.continuations import Continuations, code_loss
from genrec.models.onerec.decoder import CrossView, SelfView
from genrec.models.onerec.dropout import Dropout
from genrec.models.onerec.embedding import CodeEmbedding, EventEmbedding
from genrec.models.onerec.encoder import Encoder, Memory
from genrec.models.onerec.history.reader import build_reader
from genrec.models.onerec.item_head import ItemHead
from genrec.models.onerec.moe import SparseMoE

IGNORED = -100  # where there is no target


@dataclass
class OneRecOutput(ModelOutput):
    """What a training step gives.

    Args:
        loss: the mean over target items of their codes' cross-entropies, summed or averaged as the paper has it.
        level_losses: float [levels], the mean cross-entropy of each level's code, for the log.
        item_loss: the mean cross-entropy of the item head, part of ``loss``; None without one.
    """

    loss: Tensor | None = None
    level_losses: Tensor | None = None
    item_loss: Tensor | None = None


class HistoryModel(PreTrainedModel):
    """Base of the OneRec models. Subclasses build ``encoder``, ``memory`` and ``layers``.

    Decoder tokens are 0 for BOS and ``1 + offset[level] + code`` for a code. BOS stands before every item
    (arXiv:2502.18965); each token predicts the next code by a softmax over the codes of that level.
    """

    base_model_prefix = "model"
    main_input_name = "history_codes"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ["EncoderLayer", "DecoderLayer"]  # noqa: RUF012 (transformers' own form)
    averages_codes: bool  # OneRec-V2 averages the codes' losses, OneRec adds them up

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
        self.continuations: Continuations | None = None  # what training over the catalogue has to know of it

    def forward(
        self,
        history_codes: Tensor,
        history_rows: Tensor,
        history_features: Tensor,
        history_mask: Tensor,
        target_codes: Tensor,
        visible: Tensor | None = None,
        target_rows: Tensor | None = None,
        label_smoothing: float = 0.0,
        num_items_in_batch: Tensor | int | None = None,
    ) -> OneRecOutput:
        """Return the loss of target items after histories.

        Args:
            history_codes: int64 [batch, events, levels], see :class:`~genrec.models.histories.HistoryBatch`.
            history_rows: int64 [batch, events].
            history_features: int64 [batch, events, features].
            history_mask: bool [batch, events].
            target_codes: int64 [batch, tasks, items, levels]; -100 where there is no item.
            visible: int64 [batch, tasks], how many of the row's events each task may see; None for all.
            target_rows: int64 [batch, tasks, items], rows of the target items as in ``history_rows``; an item head
                learns from them.
            label_smoothing: share of each code's probability spread over its level.
            num_items_in_batch: what the losses are divided by; None for the number of target items given.

        Raises:
            ValueError: if tasks shall see parts of histories that the encoder reads as a whole, or codes compete
                with those of a catalogue that the model was not told of.
        """
        history = HistoryBatch(history_codes, history_rows, history_features, history_mask)
        if visible is not None and (self.reader is not None or not self.encoder.causal):
            raise ValueError("a history that is read as a whole has one task: give no visible")
        memory = self.encode(history)
        states = self.decode_targets(memory, target_codes, visible)
        real = target_codes[..., 0] != IGNORED
        states, codes = states[real], target_codes[real]  # [targets, levels, hidden], [targets, levels]
        losses = torch.stack(
            [
                code_loss(self.logits(states[:, level], level).float(), codes[:, level], legal, label_smoothing)
                for level, legal in enumerate(self.competitors(codes))
            ]
        )
        total = losses.mean() if self.averages_codes else losses.sum()
        count = max(1, len(codes)) if num_items_in_batch is None else num_items_in_batch
        whole = None
        if self.items is not None and target_rows is not None:
            newest = self.newest(memory, visible)[:, :, None].expand(*real.shape, -1)[real]
            whole = self.items.loss(newest, self.item_vectors(), target_rows[real] - 1, label_smoothing)
            total = total + whole
        each = max(1, len(codes))
        item_loss = None if whole is None else whole.detach() / each
        return OneRecOutput(total / count, losses.detach() / each, item_loss)

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
        """Return the states from which :meth:`logits` predicts each token's next code, [batch, tokens, hidden].

        Args:
            input_ids: int64 [batch, tokens], decoder tokens.
            position_ids: int64 [batch, tokens], their places in what is generated.
            attention_mask: bool [batch, tokens, past + tokens].
            memory: from :meth:`encode`.
            cache: holds the tokens before, and takes these.
        """
        seen = SelfView(self.rotary(position_ids), attention_mask[:, None], cache, tasks=1)
        place = memory.mask.sum(dim=1)[:, None].expand_as(input_ids)
        history = CrossView(memory.keys, memory.values, self.rotary(place), memory.mask[:, None, None])
        states = self.codes(input_ids) + self._beginnings(input_ids[:, None], memory, None)
        return self._run(states, seen, history)

    def competitors(self, codes: Tensor) -> Iterable[Tensor | None]:
        """Return for each level what codes [items, levels] compete with; see :func:`code_loss`."""
        if not self.over_catalogue:
            return [None] * codes.shape[1]
        if self.continuations is None:
            raise ValueError("softmax: catalogue needs to know the catalogue: set model.continuations")
        return self.continuations.masks(codes)

    def logits(self, states: Tensor, level: int) -> Tensor:
        """Return the scores of a level's codes, [..., codes], for normalised states [..., hidden]."""
        first = sum(self.config.codebook_sizes[:level])
        rows = slice(first, first + self.config.codebook_sizes[level])
        weight = self.codes.weight[1:][rows] if self.head is None else self.head.weight[rows]
        return functional.linear(states, weight)

    def decode_targets(self, memory: Memory, target_codes: Tensor, visible: Tensor | None) -> Tensor:
        """Return the states that predict each code, [batch, tasks, items, levels, hidden]; see :meth:`forward`."""
        batch, tasks, items, levels = target_codes.shape
        tokens = functional.pad(target_codes.clamp(min=0) + self.codes.first, (1, 0))  # BOS, which is 0, first
        tokens = tokens.view(batch, tasks, items * (levels + 1))[..., :-1]  # the last code predicts nothing
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
