"""What models that read histories as events share: targets in, losses out; histories in, beams out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.cache_utils import Cache
from transformers.utils import ModelOutput

from genrec.models.continuations import Continuations, code_loss
from genrec.models.histories import HistoryBatch

IGNORED = -100  # where there is no target


@dataclass
class HistoryOutput(ModelOutput):
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
    """Base of models that read one row an event and write items code by code.

    Decoder tokens are 0 for BOS and ``1 + offset[level] + code`` for a code. BOS stands before every item
    (arXiv:2502.18965); each token predicts the next code by a softmax over the codes of that level.
    """

    base_model_prefix = "model"
    main_input_name = "history_codes"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    averages_codes = False  # OneRec-V2 averages the codes' losses, the others add them up
    over_catalogue = False
    continuations: Continuations | None = None  # what training over the catalogue has to know of it

    @property
    def reads_causally(self) -> bool:
        """Whether what is made of an event stays as it is when others follow."""
        return False

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
    ) -> HistoryOutput:
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
        if visible is not None and not self.reads_causally:
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
        whole = self.whole_loss(memory, visible, real, target_rows, label_smoothing)
        total = total if whole is None else total + whole
        each = max(1, len(codes))
        item_loss = None if whole is None else whole.detach() / each
        return HistoryOutput(total / count, losses.detach() / each, item_loss)

    def encode(self, history: HistoryBatch) -> Any:
        """Return the memory of a batch of histories: read once, whatever is generated after it."""
        raise NotImplementedError

    def decode(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor,
        memory: Any,
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
        raise NotImplementedError

    def decode_targets(self, memory: Any, target_codes: Tensor, visible: Tensor | None) -> Tensor:
        """Return the states that predict each code, [batch, tasks, items, levels, hidden]; see :meth:`forward`."""
        raise NotImplementedError

    def logits(self, states: Tensor, level: int) -> Tensor:
        """Return the scores of a level's codes, [..., codes], for normalised states [..., hidden]."""
        raise NotImplementedError

    def whole_loss(
        self, memory: Any, visible: Tensor | None, real: Tensor, target_rows: Tensor | None, label_smoothing: float
    ) -> Tensor | None:
        """Return the summed loss of scoring the target items as wholes; None where a model does not do that.

        Args:
            memory: of the histories.
            visible: as in :meth:`forward`.
            real: bool [batch, tasks, items], where there is an item.
            target_rows: as in :meth:`forward`.
            label_smoothing: share of the probability spread over all items.
        """
        del memory, visible, real, target_rows, label_smoothing
        return None

    def competitors(self, codes: Tensor) -> Iterable[Tensor | None]:
        """Return for each level what codes [items, levels] compete with; see :func:`code_loss`."""
        if not self.over_catalogue:
            return [None] * codes.shape[1]
        if self.continuations is None:
            raise ValueError("softmax: catalogue needs to know the catalogue: set model.continuations")
        return self.continuations.masks(codes)


def decoder_tokens(target_codes: Tensor, first: Tensor) -> Tensor:
    """Return what a decoder reads to write items, int64 [batch, tasks, items · (levels + 1) − 1].

    Args:
        target_codes: int64 [batch, tasks, items, levels]; -100 where there is no item.
        first: int64 [levels], the token of code 0 of each level.
    """
    batch, tasks, items, levels = target_codes.shape
    tokens = functional.pad(target_codes.clamp(min=0) + first, (1, 0))  # BOS, which is 0, first
    return tokens.view(batch, tasks, items * (levels + 1))[..., :-1]  # the last code predicts nothing
