"""Multi-task bodies: from a session's vector to one vector for each objective's tower.

shared_bottom  the vector itself for every tower, as OneRec's reward model (arXiv:2502.18965) has it
mmoe           softmax gates of each objective over shared experts (Ma et al., 2018)
home           see :mod:`genrec_alignment.reward.home`
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genrec_alignment.reward.config import NetworkConfig
from genrec_alignment.reward.home import Home


class SharedBottom(nn.Module):
    """Every tower reads the session's vector as it is.

    Args:
        objectives: how many towers there are.
    """

    def __init__(self, objectives: int) -> None:
        super().__init__()
        self.objectives = objectives

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return one float [sessions, width] an objective for vectors of that shape."""
        return [vectors] * self.objectives


class Mmoe(nn.Module):
    """Experts that all objectives share, mixed by a gate of each objective.

    Args:
        width: of the session's vector and of the experts.
        experts: how many there are.
        objectives: how many towers there are.
    """

    def __init__(self, width: int, experts: int, objectives: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(experts))
        self.gates = nn.ModuleList(nn.Linear(width, experts) for _ in range(objectives))

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return one float [sessions, width] an objective for vectors of that shape."""
        experts = torch.stack([expert(vectors) for expert in self.experts], dim=1)
        return [(gate(vectors).softmax(-1)[..., None] * experts).sum(1) for gate in self.gates]


def build_body(config: NetworkConfig, groups: list[str]) -> nn.Module:
    """Return the body that ``config`` names.

    Args:
        config: the shape of the network.
        groups: HoME's group of each objective.
    """
    if config.body == "mmoe":
        return Mmoe(config.hidden_size, config.experts, len(groups))
    if config.body == "home":
        return Home(config.hidden_size, config.experts, config.feature_gates, groups)
    return SharedBottom(len(groups))
