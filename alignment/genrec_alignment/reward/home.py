"""HoME's hierarchy of experts (arXiv:2408.05430) between a session's vector and the towers.

Layer 1 has experts shared by all and experts of each group of objectives; layer 2 adds experts of each objective.
An objective of another group is masked: it never reads the group's experts. Every group of experts reads its input
through a feature gate, and layer 1's outputs have the self gates' residual added.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FeatureLora(nn.Module):
    """Fea_LoRA(v, d) = 2 · sigmoid(v B A): one factor for each dimension, exactly 1 while A or B is zero.

    A starts at zero, so that a gate starts neutral.

    Args:
        width: of v.
        rank: d.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.B = nn.Linear(width, rank, bias=False)
        self.A = nn.Parameter(torch.zeros(rank, width))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return factors of the shape of ``vectors``, float [sessions, width], from 0 to 2."""
        return 2 * torch.sigmoid(self.B(vectors) @ self.A)


class FeatureGate(nn.Module):
    """v ⊙ Σ_i Gate(v)_i · Fea_LoRA_i(v, width / L): what a group of experts reads.

    Args:
        width: of v.
        gates: L; must divide ``width``.
    """

    def __init__(self, width: int, gates: int) -> None:
        super().__init__()
        self.loras = nn.ModuleList(FeatureLora(width, width // gates) for _ in range(gates))
        self.gate = nn.Linear(width, gates)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return gated vectors of the same shape, float [sessions, width]."""
        factors = torch.stack([lora(vectors) for lora in self.loras], dim=1)
        return vectors * (self.gate(vectors).softmax(-1)[..., None] * factors).sum(1)


class Experts(nn.Module):
    """A group of experts, each Swish(BatchNorm(Linear(v))), behind a feature gate of the group's own.

    Args:
        width: of the input and of every expert.
        experts: how many there are.
        gates: of the feature gate.
    """

    def __init__(self, width: int, experts: int, gates: int) -> None:
        super().__init__()
        self.feature_gate = FeatureGate(width, gates)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.SiLU()) for _ in range(experts)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Return float [sessions, experts, width] for vectors [sessions, width]."""
        gated = self.feature_gate(vectors)
        return torch.stack([expert(gated) for expert in self.experts], dim=1)


class SelfGate(nn.Module):
    """Σ Gate(v) · a group's own experts: a sigmoid where there is one expert, else a softmax.

    Args:
        width: of v.
        experts: how many experts the group has.
    """

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, experts)

    def forward(self, vectors: Tensor, experts: Tensor) -> Tensor:
        """Return float [sessions, width] for v [sessions, width] and the outputs [sessions, experts, width]."""
        logits = self.gate(vectors)
        gates = logits.sigmoid() if logits.shape[-1] == 1 else logits.softmax(-1)
        return _mix(gates, experts)


class Home(nn.Module):
    """The two layers.

    Args:
        width: of the session's vector and everywhere inside.
        experts: experts of every group.
        gates: low-rank gates of every feature gate.
        groups: the group of each objective.
    """

    def __init__(self, width: int, experts: int, gates: int, groups: Sequence[str]) -> None:
        super().__init__()
        names = sorted(set(groups))
        self.of = [names.index(group) for group in groups]

        def make(count: int) -> nn.ModuleList:
            return nn.ModuleList(Experts(width, experts, gates) for _ in range(count))

        self.meta, self.second, self.own = make(len(names) + 1), make(len(names) + 1), make(len(groups))
        self.group_gates = nn.ModuleList(nn.Linear(width, 2 * experts) for _ in names)
        self.shared_gate = nn.Linear(width, (len(names) + 1) * experts)
        self.self_gates = nn.ModuleList(SelfGate(width, experts) for _ in range(len(names) + 1))
        self.gates = nn.ModuleList(nn.Linear(2 * width, 3 * experts) for _ in groups)

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Return one float [sessions, width] an objective for vectors of that shape."""
        shared, groups = self._first(vectors)
        of_shared = self.second[0](shared)
        of_groups = [experts(group) for experts, group in zip(self.second[1:], groups, strict=True)]
        outputs = []
        for gate, own, group in zip(self.gates, self.own, self.of, strict=True):
            experts = torch.cat([of_shared, of_groups[group], own(groups[group])], dim=1)
            outputs.append(_mix(gate(torch.cat([groups[group], shared], dim=-1)).softmax(-1), experts))
        return outputs

    def _first(self, vectors: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return z_shared and every group's z, each with its self gate's residual."""
        shared, *groups = (experts(vectors) for experts in self.meta)
        own = [gate(vectors, experts) for gate, experts in zip(self.self_gates, [shared, *groups], strict=True)]
        z_shared = _mix(self.shared_gate(vectors).softmax(-1), torch.cat([shared, *groups], dim=1))
        z_groups = [
            _mix(gate(vectors).softmax(-1), torch.cat([shared, experts], dim=1)) + residual
            for gate, experts, residual in zip(self.group_gates, groups, own[1:], strict=True)
        ]
        return z_shared + own[0], z_groups


def _mix(gates: Tensor, experts: Tensor) -> Tensor:
    return (gates[..., None] * experts).sum(1)
