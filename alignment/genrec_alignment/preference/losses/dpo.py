"""Direct preference optimisation (DPO, arXiv:2305.18290), as OneRec's IPA uses it (arXiv:2502.18965)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from genrec_alignment.preference.losses.softmax_dpo import implicit_rewards


def dpo_loss(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Return −log σ(β log[π(w)/π_ref(w)] − β log[π(l)/π_ref(l)]) of each pair, float [batch].

    Where the policy is the reference it is ln 2. In OneRec the reference is the policy of the round before.

    Args:
        policy: float [batch, 2], log-probabilities of winner and loser under the policy.
        reference: float [batch, 2], the same under the reference; without gradients.
        beta: how much a log-ratio weighs.

    Raises:
        ValueError: if the shapes are not those, or beta is not positive.
    """
    rewards = implicit_rewards(policy, reference, beta)
    if rewards.shape[1] != 2:
        raise ValueError(f"a pair is a winner and a loser, [batch, 2], not {tuple(rewards.shape)}")
    return -functional.logsigmoid(rewards[:, 0] - rewards[:, 1])
