"""Q and a value function of its own, learnt from the log: V is an expectile of Q, so nothing unseen is asked."""

from __future__ import annotations

from torch import Tensor


def expectile_loss(above: Tensor, tau: float) -> Tensor:
    """Return L2^τ(u) = |τ − 1(u < 0)| u² of u = Q(s, a) − V(s), of the shape of ``above``.

    The V that minimises it is the τ-expectile of Q over what was shown in a state: the mean for τ = 0.5, and the
    best that was shown as τ nears 1.

    Args:
        above: float, Q(s, a) − V(s).
        tau: from 0.5 to 1.
    """
    below = (above < 0).to(above.dtype)
    return (tau - below).abs() * above.square()


def targets(rewards: Tensor, following: Tensor, gamma: float) -> Tensor:
    """Return r + γ V(s'), float [n].

    Args:
        rewards: float [n].
        following: float [n], V of each next state, without gradients.
        gamma: what the next step counts.
    """
    return rewards + gamma * following
