"""From the towers to one reward: the P-Score of OneRec's technical report (arXiv:2506.13695)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional


def merged_reward(
    probabilities: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Return one reward for each session: the P-Score where there is one, else Σ_t w_t r_t.

    Args:
        probabilities: float [..., objectives], or one more column, the P-Score.
        weights: float [objectives].
    """
    return probabilities @ weights if probabilities.shape[-1] == len(weights) else probabilities[..., -1]


class PScore(nn.Module):
    """One score of a session, an MLP of every tower's hidden states and of the session's vector.

    It is trained with Σ_t |w_t| · BCE(score, y_t), where y_t is turned over for a negative weight. The
    weighted sum is the report's; negative weights are ours.

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

    def loss(self, score: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over sessions for logits float [sessions, 1] and labels float [sessions, objectives]."""
        weights = labels.new_tensor(self.weights)
        wanted = torch.where(weights < 0, 1 - labels, labels)
        each = functional.binary_cross_entropy_with_logits(score.expand_as(wanted), wanted, reduction="none")
        return (each * weights.abs()).sum(-1).mean()
