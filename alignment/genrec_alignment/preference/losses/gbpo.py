"""Gradient-bounded policy optimisation (GBPO), of OneRec-V2 (arXiv:2508.20900).

The gradient of log π has no bound where π is small. GBPO divides π by something that is never smaller than what
binary cross-entropy would divide it by, so that no candidate is clipped away and none has an unbounded gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genrec_alignment.preference.losses.groups import mean_over_groups, only_real

# Below 0 by the least that 1 − exp(·) can tell from 0 in float32.
_CERTAIN = -1e-7


def gbpo_loss(policy: Tensor, old: Tensor | None, advantages: Tensor, real: Tensor | None = None) -> Tensor:
    """Return −1/G Σ_i (π_i / π'_old,i) A_i of each group, float [batch].

    Args:
        policy: float [batch, group], log-probabilities of whole candidates under the policy.
        old: of the same shape, under the policy that made the candidates, without gradients; None for candidates of
            a log that no such policy made: π_old is then sg(π).
        advantages: of the same shape; the paper's are +1, −1 and 0, not normalised.
        real: bool of the same shape, False where there is no candidate.
    """
    policy = only_real(policy, real)
    old = policy.detach() if old is None else only_real(old, real)
    ratio = (policy - gbpo_old(policy, old, advantages)).exp()
    return -mean_over_groups(ratio * advantages, real)


def gbpo_old(policy: Tensor, old: Tensor, advantages: Tensor) -> Tensor:
    """Return log π'_old, of the shape of ``policy`` and without gradients.

    π'_old = max(π_old, sg(π)) where A ≥ 0, and max(π_old, 1 − sg(π)) where A < 0.
    """
    now = policy.detach()
    rest = torch.log(-torch.expm1(now.clamp(max=_CERTAIN)))
    return torch.maximum(old.detach(), torch.where(advantages < 0, rest, now))
