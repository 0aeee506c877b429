"""From the towers to one reward: a weighted sum, or a score of its own that is learned beside them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional


def merged_reward(
    probabilities: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Return one reward for each session: the learned score where there is one, else Σ_t w_t r_t.

    Args:
        probabilities: float [..., objectives], or one more column, the learned score.
        weights: float [objectives].
    """
    return probabilities @ weights if probabilities.shape[-1] == len(weights) else probabilities[..., -1]


class MergedScore(nn.Module, ABC):
    """A score of a session, an MLP of every tower's hidden states and of the session's vector.

    Args:
        width: of the hidden states and of the session's vector.
        weights: of the objectives.
    """

    def __init__(self, width: int, weights: Sequence[float]) -> None:
        super().__init__()
        self.weights = list(weights)
        self.mlp = nn.Sequential(nn.Linear((len(weights) + 1) * width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, hidden: Sequence[Tensor], session: Tensor) -> Tensor:
        """Return the logit of the score, float [sessions, 1].

        Args:
            hidden: float [sessions, width] of each tower.
            session: float [sessions, width].
        """
        score: Tensor = self.mlp(torch.cat([*hidden, session], dim=-1))
        return score

    @abstractmethod
    def loss(self, together: Tensor, labels: Tensor, alone: Tensor, item_labels: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            together: float [sessions, 1], of whole sessions.
            labels: float [sessions, objectives].
            alone: float [items, 1], of all sessions' items, each as a session of its own.
            item_labels: float [items, objectives].
            mask: bool [sessions, m], which places of the sessions have an item.
        """


class PScore(MergedScore):
    """The P-Score of OneRec's technical report (arXiv:2506.13695).

    It is trained with Σ_t |w_t| · BCE(score, y_t), where y_t is turned over for a negative weight. The
    weighted sum is the report's; negative weights are ours.
    """

    def loss(self, together: Tensor, labels: Tensor, alone: Tensor, item_labels: Tensor, mask: Tensor) -> Tensor:
        """Return the mean over sessions plus the mean over items; see :class:`MergedScore`."""
        del mask
        return self.cross_entropy(together, labels) + self.cross_entropy(alone, item_labels)

    def cross_entropy(self, score: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over rows, for logits float [rows, 1] and labels float [rows, objectives]."""
        weights = labels.new_tensor(self.weights)
        wanted = torch.where(weights < 0, 1 - labels, labels)
        each = functional.binary_cross_entropy_with_logits(score.expand_as(wanted), wanted, reduction="none")
        return (each * weights.abs()).sum(-1).mean()


class StageScore(MergedScore):
    """A score that orders the items of a session by how far they came: FS-LTR (arXiv:2405.04844).

    The objectives are stages, and their weights say how far a stage is: an item stands at the largest weight of
    what counts for it, at 0 where nothing does. The loss is softplus(s_j − s_i), the mean over all pairs of items
    of one session of which i came further than j. A session's score is that of its pooled items, as all others are.
    """

    def loss(self, together: Tensor, labels: Tensor, alone: Tensor, item_labels: Tensor, mask: Tensor) -> Tensor:
        """Return the mean over pairs; see :class:`MergedScore`."""
        del together, labels  # a session as a whole has no stage
        scores = _placed(alone[:, 0], mask, 0.0)
        stages = _placed(self.stages(item_labels), mask, torch.nan)  # no comparison with padding is true
        further = stages[:, :, None] > stages[:, None, :]
        each = functional.softplus(scores[:, None, :] - scores[:, :, None])
        return (each * further).sum() / further.sum().clamp(min=1)

    def stages(self, labels: Tensor) -> Tensor:
        """Return how far items came, float [items], for labels float [items, objectives]."""
        weights = labels.new_tensor(self.weights).expand_as(labels)
        best = weights.masked_fill(labels < 0.5, -torch.inf).amax(dim=-1)
        return torch.where(best.isinf(), 0.0, best)


def _placed(values: Tensor, mask: Tensor, padding: float) -> Tensor:
    """Return values [items] at the items' places, [sessions, m]."""
    return torch.full(mask.shape, padding, dtype=values.dtype, device=values.device).masked_scatter(mask, values)


SCORES: dict[str, type[MergedScore]] = {"p_score": PScore, "stages": StageScore}
