"""Losses against hand calculations and the papers' reference values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genrec_alignment.preference.losses import (
    dpo_loss,
    ecpo_loss,
    ecpo_ratio,
    gbpo_loss,
    gbpo_old,
    group_advantages,
    softmax_dpo_loss,
)

SEEDS = st.integers(0, 10_000)


def scores(seed: int, rows: int = 3, candidates: int = 4) -> Tensor:
    """Return random log-probabilities in double precision."""
    draw = torch.Generator().manual_seed(seed)
    return -6 * torch.rand(rows, candidates, generator=draw, dtype=torch.float64)


def log(*probabilities: float) -> Tensor:
    return torch.tensor([probabilities], dtype=torch.float64).log()


def test_the_reference_has_ln_of_the_candidates() -> None:
    policy = scores(0)
    assert dpo_loss(policy[:, :2], policy[:, :2], 0.1).tolist() == pytest.approx([math.log(2)] * 3)
    assert softmax_dpo_loss(policy, policy, 0.1).tolist() == pytest.approx([math.log(4)] * 3)


def test_dpo_by_hand() -> None:
    # The winner's ratio doubles, the loser's halves: the margin is .5 · (ln 2 + ln 2) = ln 2, and σ(ln 2) = 2/3.
    loss = dpo_loss(log(0.2, 0.05), log(0.1, 0.1), beta=0.5)
    assert float(loss) == pytest.approx(-math.log(2 / 3))


def test_softmax_dpo_by_hand() -> None:
    # β log-ratios of ln 2, 0 and ln .5: −log σ(−log(1/2 + 1/4)) = −log(1 / (1 + 3/4)).
    policy, reference = log(0.4, 0.1, 0.05), log(0.2, 0.1, 0.1)
    assert float(softmax_dpo_loss(policy, reference, beta=1.0)) == pytest.approx(math.log(1.75))
    real = torch.tensor([[True, True, False]])
    assert float(softmax_dpo_loss(policy, reference, 1.0, real)) == pytest.approx(math.log(1.5))
    nobody = torch.tensor([[True, False, False]])
    assert float(softmax_dpo_loss(policy, reference, 1.0, nobody)) == 0


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0.01, 5))
def test_softmax_dpo_is_the_printed_formula_and_dpo_with_one_loser(seed: int, beta: float) -> None:
    policy, reference = scores(seed), scores(seed + 1)
    against = beta * (policy - reference)
    printed = -torch.nn.functional.logsigmoid(-(against[:, 1:] - against[:, :1]).exp().sum(dim=1).log())
    torch.testing.assert_close(softmax_dpo_loss(policy, reference, beta), printed)
    pair = policy[:, :2], reference[:, :2]
    torch.testing.assert_close(softmax_dpo_loss(*pair, beta), dpo_loss(*pair, beta))


def test_a_missing_loser_has_no_gradient_and_makes_none_of_it_nan() -> None:
    policy = scores(0).requires_grad_()
    real = torch.tensor([[True, True, False, False], [True, False, False, False], [True, True, True, True]])
    softmax_dpo_loss(policy, scores(1), 0.5, real).sum().backward()
    assert policy.grad is not None
    assert torch.isfinite(policy.grad).all()
    assert (policy.grad[~real] == 0).all()
    assert (policy.grad[0, :2] != 0).all()


@pytest.mark.parametrize(
    ("policy", "reference", "beta", "message"),
    [
        (scores(0), scores(0)[:2], 0.1, "must both be"),
        (scores(0)[:, :1], scores(0)[:, :1], 0.1, "must both be"),
        (scores(0), scores(0), 0.0, "beta"),
        (scores(0), scores(0), 0.1, "a winner and a loser"),
    ],
)
def test_what_does_not_fit_is_refused(policy: Tensor, reference: Tensor, beta: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dpo_loss(policy, reference, beta)


def test_advantages_by_hand_and_equal_groups_counted() -> None:
    rewards = torch.tensor([[1.0, 0, 0, 1], [0.1, 0.1, 0.1, 0.1], [3.0, 9, 5, 0]])
    real = torch.tensor([[True] * 4, [True] * 4, [True, False, True, False]])
    found = group_advantages(rewards, real)
    assert found.values.tolist() == [[1, -1, -1, 1], [0, 0, 0, 0], [-1, 0, 1, 0]]
    assert found.equal.tolist() == [False, True, False]
    assert found.skipped == 1
    assert group_advantages(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool)).skipped == 2
    with pytest.raises(ValueError, match="finite"):
        group_advantages(torch.tensor([[1.0, math.nan]]))


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0.5, 20), st.floats(-5, 5))
def test_advantages_have_mean_0_and_deviation_1_whatever_the_scale(seed: int, scale: float, shift: float) -> None:
    rewards = scores(seed, candidates=6)
    found = group_advantages(rewards).values
    assert found.mean(dim=1).numpy() == pytest.approx(np.zeros(3), abs=1e-9)
    assert found.std(dim=1, correction=0).numpy() == pytest.approx(np.ones(3))
    torch.testing.assert_close(group_advantages(scale * rewards + shift).values, found)


def test_ecpo_never_goes_above_its_bound_and_keeps_its_gradient_there() -> None:
    policy, old = log(0.9, 0.11, 0.05).requires_grad_(), log(0.1, 0.1, 0.1)
    ratio = ecpo_ratio(policy, old, 0.2, 0.1)
    assert ratio[0].tolist() == pytest.approx([1.3, 1.1, 0.5])
    loss = ecpo_loss(policy, old, torch.tensor([[-1.0, -1, -1]]))
    assert float(loss.detach()) == pytest.approx((1.3 + 1.1 + 0.8) / 3)  # the last is clipped from below
    loss.sum().backward()
    assert policy.grad is not None
    assert policy.grad[0].tolist() == pytest.approx([1.3 / 3, 1.1 / 3, 0])


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_ecpo_is_grpo_where_the_advantage_is_not_negative(seed: int) -> None:
    policy, old, advantages = scores(seed), scores(seed + 1), scores(seed + 2) + 3
    grpo = ecpo_loss(policy, old, advantages, delta=math.inf)
    ratio = (policy - old).exp()
    plain = -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean(dim=1)
    torch.testing.assert_close(grpo, plain)
    positive = advantages.clamp(min=0)
    torch.testing.assert_close(ecpo_loss(policy, old, positive), ecpo_loss(policy, old, positive, delta=math.inf))
    assert (ecpo_ratio(policy, old, 0.2, 0.1) <= 1.3 + 1e-9).all()
    assert (ecpo_loss(policy, old, advantages) <= grpo + 1e-9).all()


@pytest.mark.parametrize(("now", "divisor"), [(0.9, 0.1), (0.2, 0.8)])
def test_gbpo_divides_by_what_the_paper_says(now: float, divisor: float) -> None:
    policy, old, advantages = log(now), log(0.1), torch.tensor([[-1.0]])
    assert float(gbpo_old(policy, old, advantages).exp()) == pytest.approx(divisor)
    assert float(gbpo_loss(policy, old, advantages)) == pytest.approx(now / divisor)
    assert float(gbpo_old(policy, old, -advantages).exp()) == pytest.approx(max(0.1, now))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.booleans())
def test_gbpo_s_gradient_is_never_above_that_of_cross_entropy(seed: int, on_policy: bool) -> None:
    policy = scores(seed).requires_grad_()
    advantages = torch.sign(scores(seed + 1) + 3)
    gbpo_loss(policy, scores(seed + 2) if on_policy else None, advantages).sum().backward()
    assert policy.grad is not None
    chance = policy.detach().exp()
    bound = torch.where(advantages < 0, chance / (1 - chance), torch.ones_like(chance)) / 4
    assert (policy.grad.abs() <= bound + 1e-9).all()
    assert (policy.grad.sign() == -advantages).all()


def test_gbpo_bears_what_is_certain_or_missing() -> None:
    policy = torch.tensor([[0.0, -1.0]], requires_grad=True)
    real = torch.tensor([[True, False]])
    loss = gbpo_loss(policy, torch.tensor([[-0.1, math.nan]]), torch.tensor([[-1.0, 5.0]]), real)
    assert float(loss.detach()) == pytest.approx(math.exp(0.1))
    loss.sum().backward()
    assert policy.grad is not None
    assert torch.isfinite(policy.grad).all()
