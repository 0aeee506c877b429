"""What SASRec shares with other models of next items: item embeddings as output layer, losses, the last state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from genrec.models.sasrec.config import SequentialConfig

_LOGITS_AT_ONCE = 1 << 26  # float32 logits held in memory at once: 256 MiB


class NextItemModel(nn.Module):
    """States of sequences, compared with the item embeddings. Subclasses define ``forward``.

    Sequences are padded on the right.

    Args:
        items: the number of items; index ``items`` is the padding.
        config: width, dropout, loss.
        extra: further rows of the embedding, after the padding.
    """

    def __init__(self, items: int, config: SequentialConfig, extra: int = 0) -> None:
        super().__init__()
        self.items, self.config = items, config
        width = config.embedding_size
        self.embedding = nn.Embedding(items + 1 + extra, width, padding_idx=items)
        self.dropout = nn.Dropout(config.dropout)
        self.bias = nn.Parameter(torch.zeros(items))
        self.draw(self.embedding)
        with torch.no_grad():
            self.embedding.weight[items] = 0.0

    @staticmethod
    def draw(table: nn.Embedding) -> None:
        """Draw the rows of a table at length 1 on average."""
        nn.init.normal_(table.weight, std=table.embedding_dim**-0.5)

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the states float32 [batch, length, width] of right-padded item indices int64 [batch, length].

        The state of a place depends on that place and the ones before it only.
        """
        raise NotImplementedError

    def last_states(self, histories: Sequence[npt.NDArray[np.integer]]) -> Tensor:
        """Return the state after each history's last item, float32 [histories, width]; histories may be empty."""
        recent = [history[-self.config.history_length :] for history in histories]
        last = torch.tensor([max(len(history), 1) - 1 for history in recent], device=self.bias.device)
        return self(pad(recent, self.items).to(self.bias.device))[torch.arange(len(recent)), last]

    def logits(self, states: Tensor) -> Tensor:
        """Return the scores of every item, float32 [..., items], for states [..., width]."""
        return functional.linear(states, self.embedding.weight[: self.items], self.bias)

    def loss(self, sequences: Tensor) -> Tensor:
        """Return the mean loss of each next item of right-padded sequences [batch, length + 1]."""
        states, targets = [], []
        for part in by_width(sequences.to(self.bias.device), self.items):
            real = part[:, 1:] != self.items
            states.append(self(part[:, :-1])[real])
            targets.append(part[:, 1:][real])
        return self.loss_of(torch.cat(states), torch.cat(targets))

    def loss_of(self, states: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of states [places, width] whose next items are ``targets`` [places].

        ``full``: the logits are made piece by piece and again in the backward pass, so that memory does not grow
        with places × items.
        """
        if self.config.loss != "full" and self.training:
            return self._against_negatives(states, targets)
        step = max(1, _LOGITS_AT_ONCE // self.items)
        pieces = zip(states.split(step), targets.split(step), strict=True)
        if len(targets) <= step:
            return self._piece(states, targets) / len(targets)
        sums = [checkpoint(self._piece, *piece, use_reentrant=False) for piece in pieces]
        return torch.stack(sums).sum() / len(targets)

    @torch.inference_mode()
    def score(self, sequences: Tensor) -> float:
        """Return the negative loss of right-padded sequences [batch, length + 1], without gradients."""
        parts = sequences.split(64)
        sizes = [int((part[:, 1:] != self.items).sum()) for part in parts]
        return -sum(float(self.loss(part)) * size for part, size in zip(parts, sizes, strict=True)) / sum(sizes)

    def _piece(self, states: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(self.logits(states), targets, reduction="sum")

    def _against_negatives(self, states: Tensor, targets: Tensor) -> Tensor:
        """Return the loss against items drawn evenly; one that is drawn where it is the target does not count."""
        rows = self.embedding.weight
        positive = (states * rows[targets]).sum(-1) + self.bias[targets]
        if self.config.loss == "bce":
            drawn = torch.randint(self.items, targets.shape, device=targets.device)
            negative = (states * rows[drawn]).sum(-1) + self.bias[drawn]
            wrong = functional.softplus(negative) * (drawn != targets)
            return (functional.softplus(-positive) + wrong).mean()
        drawn = torch.randint(self.items, (self.config.negatives,), device=targets.device)
        negatives = functional.linear(states, rows[drawn], self.bias[drawn])
        negatives = negatives.masked_fill(drawn == targets[:, None], -torch.inf)
        return (torch.logsumexp(torch.cat([positive[:, None], negatives], 1), 1) - positive).mean()


def by_width(sequences: Tensor, padding: int) -> list[Tensor]:
    """Return the rows of right-padded sequences in groups that are hardly wider than their rows are long.

    Of users with five items and one with fifty, nine places in ten were padding, and most of the time went there.
    On a GPU, where small groups cost more than padding, there is one group.
    """
    if sequences.is_cuda:
        return [sequences]
    lengths = (sequences != padding).sum(1)
    widths = [4 << step for step in range((int(lengths.max()) - 1).bit_length())]
    group = torch.searchsorted(torch.tensor(widths), lengths)
    return [sequences[group == at][:, : int(lengths[group == at].max())] for at in group.unique().tolist()]


def pad(sequences: Sequence[npt.NDArray[np.integer]], padding: int) -> Tensor:
    """Return int64 [batch, longest], padded on the right, at least one place wide."""
    width = max(1, max(len(sequence) for sequence in sequences))
    table = np.full((len(sequences), width), padding, dtype=np.int64)
    for row, sequence in zip(table, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(table)
