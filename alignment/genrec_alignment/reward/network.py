"""OneRec's session reward model R(u, S) (arXiv:2502.18965): one probability an objective for a whole session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PreTrainedModel

from genrec.models.histories import HistoryBatch
from genrec_alignment.reward.attention import SessionAttention, TargetAttention
from genrec_alignment.reward.bodies import build_body
from genrec_alignment.reward.config import NetworkConfig
from genrec_alignment.reward.configuration import SessionRewardConfig
from genrec_alignment.reward.funnel import Funnels
from genrec_alignment.reward.fusion import SCORES
from genrec_alignment.reward.heads import hidden


@dataclass(frozen=True)
class SessionBatch:
    """Sessions as tensors, k for each history.

    Args:
        rows: int64 [batch, k, m], 1 + ``item_index``; 0 on padding.
        mask: bool [batch, k, m], False on padding.
    """

    rows: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> SessionBatch:
        """Return the batch on ``device``."""
        return SessionBatch(self.rows.to(device), self.mask.to(device))


class Judged(NamedTuple):
    """What the towers say of sessions.

    Args:
        logits: float [sessions, objectives]; of an objective that comes after another, given that that one came.
        against: float [sessions, steps or 0]; see :class:`~genrec_alignment.reward.funnel.Funnels`.
        score: float [sessions, 1], of the learned score; [sessions, 0] without one.
    """

    logits: Tensor
    against: Tensor
    score: Tensor


class ItemVectors(nn.Module):
    """The vectors that items come with, brought to the model's width; row 0 is padding.

    Nothing is learned of a single item: docs/experiments.md has what tables of items and of codes cost.

    Args:
        items: how many there are.
        size: width of the vectors that items come with.
        width: of the model.
    """

    def __init__(self, items: int, size: int, width: int) -> None:
        super().__init__()
        self.content: Tensor
        self.register_buffer("content", torch.zeros(items + 1, size, dtype=torch.float16))
        self.project = nn.Linear(size, width, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Return float [..., width] for rows int64 [...]."""
        found, places = rows.unique(return_inverse=True)
        return functional.embedding(places, self.project(self.content[found].to(self.project.weight.dtype)))


class SessionRewardModel(PreTrainedModel):
    """The reward model.

    e_i = v_i ⊙ u_i with u_i the attention of item i over the user's behaviours; h_f = SelfAttention(e) across the
    session; each tower is a sigmoid of an MLP of the mean of h_f, or of what the multi-task body makes of it. The
    paper's marks leave the product's exact form open; docs/reward.md says what is ours.

    Args:
        config: its ``shape`` holds the fields of :class:`~genrec_alignment.reward.config.NetworkConfig`.
    """

    config_class = SessionRewardConfig
    base_model_prefix = "reward"

    def __init__(self, config: SessionRewardConfig) -> None:
        super().__init__(config)
        shape = NetworkConfig.model_validate(config.shape)
        width = shape.hidden_size
        self.vectors = ItemVectors(config.items, config.content_size, width)
        self.features = nn.ModuleList(nn.Embedding(size, width) for size in config.feature_sizes)
        self.norm, self.event_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(shape.dropout)
        self.target_attention = TargetAttention(width, shape.heads)
        self.session_attention = SessionAttention(width, shape.heads)
        self.body = build_body(shape, config.groups)
        self.towers = nn.ModuleList(hidden(width) for _ in config.objectives)
        self.outputs = nn.ModuleList(nn.Linear(width, 1) for _ in config.objectives)
        self.funnels = Funnels(config.objectives, config.after, width, config.funnel, config.agreement)
        self.score = SCORES[config.merge](width, config.weights) if config.merge in SCORES else None
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.07)

    def set_content(self, vectors: Tensor) -> None:
        """Take the items' vectors, float [items, content_size]."""
        self.vectors.content[1:] = vectors

    def forward(self, histories: HistoryBatch, sessions: SessionBatch) -> Tensor:
        """Return the logits of every session, float [batch, k, objectives]; a learned score's, if any, is one more.

        A session's logits depend on its own items and its history only, whatever the padding.
        """
        batch, count, _ = sessions.mask.shape
        aware = self._aware(histories, sessions)
        judged = self._judge(aware, sessions.mask.flatten(0, 1))
        return torch.cat([self.funnels.of_all(judged.logits), judged.score], dim=-1).view(batch, count, -1)

    def loss(self, histories: HistoryBatch, sessions: SessionBatch, labels: Tensor, item_labels: Tensor) -> Tensor:
        """Return −Σ_t [y log r + (1 − y) log(1 − r)], the mean over sessions plus the mean over items alone.

        What objectives that come after another and a learned score add to it is theirs to say.

        Args:
            histories: of the users.
            sessions: what they were shown.
            labels: float [batch, k, objectives], of whole sessions.
            item_labels: float [batch, k, m, objectives], of their items; each is judged as a session of its own
                too, since a session's label alone does not say which item it is due to (ours).
        """
        aware, mask = self._aware(histories, sessions), sessions.mask.flatten(0, 1)
        labels, item_labels = labels.flatten(0, 1), item_labels.flatten(0, 1)[mask]
        together = self._judge(aware, mask)
        single = aware[mask][:, None]
        alone = self._judge(single, mask.new_ones(single.shape[:2]))
        loss = self._cross_entropy(together.logits, labels) + self._cross_entropy(alone.logits, item_labels)
        loss = loss + self.funnels.loss(alone.logits, alone.against, item_labels)
        if self.score is not None:
            loss = loss + self.score.loss(together.score, labels, alone.score, item_labels, mask)
        return loss

    def _aware(self, histories: HistoryBatch, sessions: SessionBatch) -> Tensor:
        """Return what each item is to its user, float [batch * k, m, width]."""
        items = self.dropout(self.norm(self.vectors(sessions.rows)))
        users = self.target_attention(items.flatten(1, 2), self._behaviors(histories), histories.mask)
        return (items * users.view_as(items)).flatten(0, 1)

    def _judge(self, aware: Tensor, mask: Tensor) -> Judged:
        states = self.session_attention(aware, mask) * mask[..., None]
        pooled = states.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        vectors = self.body(pooled)
        hidden = [tower(own) for tower, own in zip(self.towers, vectors, strict=True)]
        logits = [output(states) for output, states in zip(self.outputs, hidden, strict=True)]
        score = pooled[:, :0] if self.score is None else self.score(hidden, pooled)
        return Judged(torch.cat(logits, dim=-1), self.funnels.against(vectors), score)

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits = self.funnels.of_all(logits)
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(-1).mean()

    def _behaviors(self, histories: HistoryBatch) -> Tensor:
        events = self.vectors(histories.rows)
        for column, feature in enumerate(self.features):
            events = events + feature(histories.features[..., column])
        return self.dropout(self.event_norm(events))


AutoConfig.register(SessionRewardConfig.model_type, SessionRewardConfig, exist_ok=True)
AutoModel.register(SessionRewardConfig, SessionRewardModel, exist_ok=True)
