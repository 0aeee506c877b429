"""Reward, critic and policy, each against what is known of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec_alignment.prefrec.config import PrefRecConfig
from genrec_alignment.prefrec.critic import expectile_loss, targets
from genrec_alignment.prefrec.learner import Learner
from genrec_alignment.prefrec.memory import states_of
from genrec_alignment.prefrec.network import ItemScores, StateValue
from genrec_alignment.prefrec.pairs import SegmentPairs, pairs_by_return
from genrec_alignment.prefrec.policy import NetworkPolicy, advantage_weighted_loss
from genrec_alignment.prefrec.reward import bradley_terry_loss, pair_accuracy, segment_sums
from genrec_alignment.prefrec.steps import Steps

VECTORS = np.eye(3, dtype=np.float32)


def test_bradley_terry_by_hand() -> None:
    better, worse = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.5])
    p = math.exp(2.0) / (math.exp(2.0) + math.exp(0.5))
    assert bradley_terry_loss(better, worse).tolist() == pytest.approx([math.log(2), -math.log(p)])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9), st.sampled_from([0.5, 0.7, 0.9]))
def test_the_value_that_minimises_the_loss_is_the_expectile(values: list[float], tau: float) -> None:
    q = torch.tensor(values, dtype=torch.float64)
    grid = torch.linspace(-5, 5, 2001, dtype=torch.float64)
    best = grid[expectile_loss(q[None] - grid[:, None], tau).mean(dim=1).argmin()]
    # An expectile e balances τ Σ (q − e)+ against (1 − τ) Σ (e − q)+.
    balance = tau * (q - best).clamp(min=0).sum() - (1 - tau) * (best - q).clamp(min=0).sum()
    assert abs(float(balance)) <= 0.006 * len(values)


def test_the_expectile_is_the_mean_at_one_half_and_nears_the_maximum() -> None:
    q, grid = torch.tensor([0.0, 1.0, 5.0]), torch.linspace(0, 5, 501)
    found = [float(grid[expectile_loss(q - grid[:, None], tau).mean(1).argmin()]) for tau in (0.5, 0.9, 0.999)]
    assert found[0] == pytest.approx(2.0)
    assert found[0] < found[1] < found[2]
    assert found[2] > 4.9


def test_targets_and_weights_by_hand() -> None:
    assert targets(torch.tensor([1.0]), torch.tensor([2.0]), 0.5).tolist() == [2.0]
    loss = advantage_weighted_loss(torch.tensor([-1.0, -1.0, -1.0]), torch.tensor([0.0, 1.0, 9.0]), 2.0, 20.0)
    assert loss.tolist() == pytest.approx([1.0, math.exp(2.0), 20.0])


def test_all_items_score_as_one_by_one() -> None:
    torch.manual_seed(0)
    network, states = ItemScores(VECTORS, 4, 8), torch.randn(5, 13)
    one_by_one = [network(states, torch.full((5,), item)) for item in range(3)]
    torch.testing.assert_close(network.all_items(states), torch.stack(one_by_one, dim=1))
    assert StateValue(13, 8)(states).shape == (5,)


def test_the_rewards_of_a_segment_are_summed() -> None:
    torch.manual_seed(0)
    network, states, items = ItemScores(VECTORS, 2, 8), torch.randn(6, 7), torch.tensor([0, 1, 2, 0, 1, 2])
    rewards = network(states, items)
    found = segment_sums(network, states, items, np.array([[1, 4], [0, 1]]))
    torch.testing.assert_close(found, torch.stack([rewards[1:4].sum(), rewards[0]]))


def _world(seed: int = 0) -> tuple[Learner, Steps]:
    """One user after the other is shown three items a session; item 2 is followed by a long time away."""
    rng = np.random.default_rng(seed)
    items, users = rng.integers(3, size=600), np.repeat(np.arange(30), 20)
    away = np.where(items == 2, 5.0, 1.0)
    days = np.concatenate([np.append(0.0, away[start : start + 19].cumsum()) for start in range(0, 600, 20)])
    clicks = (items == 2).astype(np.float32)  # which is what is clicked
    steps = Steps(users, np.arange(600), items, days, clicks, float(days.max()))
    config = PrefRecConfig(segment=1, updates=150, batch_size=64, hidden=16, learning_rate=0.01)
    return Learner(steps, states_of(steps, VECTORS, [1.0]), VECTORS, config, seed), steps


def test_a_planted_reward_is_found_and_the_policy_follows_it_where_the_myopic_one_does_not() -> None:
    learner, steps = _world()
    pairs = pairs_by_return(steps, 1, 2000, np.random.default_rng(0))
    network = learner.reward(pairs)
    assert pair_accuracy(network, learner.states, learner.items, pairs) > 0.9  # the rest: users' last sessions
    rewards = learner.rewards(network)
    assert rewards.mean().item() == pytest.approx(0, abs=1e-5)
    assert rewards[learner.items == 2].max() < rewards[learner.items != 2].min()
    policy, states = learner.policy(learner.critic(rewards)), learner.states[:50].numpy()
    rng = np.random.default_rng(0)
    assert (NetworkPolicy(policy)(states, rng).argmax(axis=1) != 2).all()
    assert (NetworkPolicy(learner.myopic())(states, rng).argmax(axis=1) == 2).all()


def test_without_a_critic_the_log_is_imitated() -> None:
    learner, _ = _world()
    shares = learner.policy(None).all_items(learner.states).softmax(dim=1).mean(dim=0)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.05, rtol=0)


def test_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for _ in range(2):
        learner, _ = _world()
        pairs = SegmentPairs(np.array([[0, 1], [1, 2]]), np.array([[2, 3], [3, 4]]))
        weights.append(torch.cat([part.flatten() for part in learner.reward(pairs).parameters()]))
    torch.testing.assert_close(*weights, rtol=0, atol=0)
