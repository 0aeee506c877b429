"""OneRec's session reward model R(u, S) (arXiv:2502.18965): one probability an objective for a whole session."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PreTrainedModel

from genrec.models.histories import HistoryBatch
from genrec_alignment.reward.attention import SessionAttention, TargetAttention
from genrec_alignment.reward.bodies import build_body
from genrec_alignment.reward.config import NetworkConfig
from genrec_alignment.reward.configuration import SessionRewardConfig


@dataclass(frozen=True)
class SessionBatch:
    """Sessions as tensors, k for each history.

    Args:
        codes: int64 [batch, k, m, levels]; 0 on padding.
        rows: int64 [batch, k, m], 1 + the item's row of the table; 0 for an item that is not in it, and padding.
        mask: bool [batch, k, m], False on padding.
    """

    codes: Tensor
    rows: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> SessionBatch:
        """Return the batch on ``device``."""
        return SessionBatch(self.codes.to(device), self.rows.to(device), self.mask.to(device))


class ItemVectors(nn.Module):
    """Vectors of items: rows of a table, sums of code vectors, or both added; normalised (ours, not the paper's).

    Args:
        config: of the model.
        shape: of the network.
    """

    def __init__(self, config: SessionRewardConfig, shape: NetworkConfig) -> None:
        super().__init__()
        self.codes: nn.Embedding | None = None
        self.table: nn.Embedding | None = None
        self.offsets: Tensor
        if shape.items != "table":
            offsets = torch.tensor([0, *config.codebook_sizes[:-1]]).cumsum(0)
            self.codes = nn.Embedding(sum(config.codebook_sizes), shape.hidden_size)
            self.register_buffer("offsets", offsets)
        if shape.items != "codes":
            self.table = nn.Embedding(len(config.known) + 1, shape.hidden_size, padding_idx=0)

    def forward(self, codes: Tensor, rows: Tensor) -> Tensor:
        """Return float [..., width] for codes int64 [..., levels] and rows int64 [...]."""
        parts: list[Tensor] = []
        if self.codes is not None:
            parts.append(self.codes(codes + self.offsets).sum(-2))
        if self.table is not None:
            parts.append(self.table(rows))
        return torch.stack(parts).sum(0)


class SessionRewardModel(PreTrainedModel):
    """The reward model.

    e_i = v_i ⊙ u_i with u_i the attention of item i over the user's behaviours; h_f = SelfAttention(e) across the
    session; each tower is a sigmoid of an MLP of Sum(h_f), or of what the multi-task body makes of it. The paper's
    marks leave the product's exact form open; docs/reward.md says what is ours.

    Args:
        config: its ``shape`` holds the fields of :class:`~genrec_alignment.reward.config.NetworkConfig`.
    """

    config_class = SessionRewardConfig
    base_model_prefix = "reward"

    def __init__(self, config: SessionRewardConfig) -> None:
        super().__init__(config)
        shape = NetworkConfig.model_validate(config.shape)
        width = shape.hidden_size
        self.vectors = ItemVectors(config, shape)
        self.features = nn.ModuleList(nn.Embedding(size, width) for size in config.feature_sizes)
        self.norm, self.event_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(shape.dropout)
        self.target_attention = TargetAttention(width, shape.heads)
        self.session_attention = SessionAttention(width, shape.heads)
        self.body = build_body(shape, config.groups)
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)) for _ in config.objectives
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])

    def forward(self, histories: HistoryBatch, sessions: SessionBatch) -> Tensor:
        """Return the logits of every session, float [batch, k, objectives].

        A session's logits depend on its own items and its history only, whatever the padding.
        """
        batch, count, _ = sessions.mask.shape
        items = self.dropout(self.norm(self.vectors(sessions.codes, sessions.rows)))
        users = self.target_attention(items.flatten(1, 2), self._behaviors(histories), histories.mask)
        aware = items * users.view_as(items)
        mask = sessions.mask.flatten(0, 1)
        states = self.session_attention(aware.flatten(0, 1), mask)
        pooled = (states * mask[..., None]).sum(1)
        towers = zip(self.towers, self.body(pooled), strict=True)
        return torch.cat([tower(vectors) for tower, vectors in towers], dim=-1).view(batch, count, -1)

    def loss(self, histories: HistoryBatch, sessions: SessionBatch, labels: Tensor) -> Tensor:
        """Return −Σ_t [y log r + (1 − y) log(1 − r)], the mean over sessions, for labels [batch, k, objectives]."""
        logits = self(histories, sessions)
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(-1).mean()

    def _behaviors(self, histories: HistoryBatch) -> Tensor:
        events = self.vectors(histories.codes, histories.rows)
        for column, feature in enumerate(self.features):
            events = events + feature(histories.features[..., column])
        return self.dropout(self.event_norm(events))


AutoConfig.register(SessionRewardConfig.model_type, SessionRewardConfig, exist_ok=True)
AutoModel.register(SessionRewardConfig, SessionRewardModel, exist_ok=True)
