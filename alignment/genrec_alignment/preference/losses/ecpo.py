"""Early-clipped GRPO (ECPO), of the OneRec technical report (arXiv:2506.13695).

GRPO clips the ratio of a candidate with a negative advantage from below only, so that it, and with it the gradient,
has no bound from above. ECPO raises the old policy's probability until the ratio is at most 1 + ε + δ.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genrec_alignment.preference.losses.groups import mean_over_groups, only_real


def ecpo_loss(
    policy: Tensor,
    old: Tensor,
    advantages: Tensor,
    epsilon: float = 0.2,
    delta: float = 0.1,
    real: Tensor | None = None,
) -> Tensor:
    """Return −1/G Σ_i min(ρ'_i A_i, clip(ρ'_i, 1 − ε, 1 + ε) A_i) of each group, float [batch].

    There is no KL term: the report trains jointly with the loss of next tokens instead. With δ = inf it is GRPO's
    clipped loss.

    Args:
        policy: float [batch, group], log-probabilities of whole candidates under the policy.
        old: of the same shape, under the policy that made the candidates; without gradients.
        advantages: of the same shape, see :func:`~genrec_alignment.preference.losses.groups.group_advantages`.
        epsilon: of the clipping; the value is GRPO's custom.
        delta: how far above it a ratio may go; the report's .1.
        real: bool of the same shape, False where there is no candidate.
    """
    ratio = ecpo_ratio(only_real(policy, real), only_real(old, real), epsilon, delta)
    terms = torch.minimum(ratio * advantages, ratio.clamp(1 - epsilon, 1 + epsilon) * advantages)
    return -mean_over_groups(terms, real)


def ecpo_ratio(policy: Tensor, old: Tensor, epsilon: float, delta: float) -> Tensor:
    """Return ρ' = π/π'_old, π'_old = max(sg(π) / (1 + ε + δ), π_old), of the shape of ``policy``.

    It is written for all candidates, as printed; where the advantage is not negative, min and clip bound the loss
    already and it changes neither value nor gradient.
    """
    highest = math.log(1 + epsilon + delta) if math.isfinite(delta) else math.inf
    return (policy - torch.maximum(policy.detach() - highest, old)).exp()
