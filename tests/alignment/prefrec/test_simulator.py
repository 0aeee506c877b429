"""The world of users who tire, and the claim: PrefRec brings them back more often than the myopic policy."""

from __future__ import annotations

import numpy as np
import pytest

from genrec_alignment.prefrec.config import PrefRecConfig
from genrec_alignment.prefrec.learner import Learner
from genrec_alignment.prefrec.memory import states_of
from genrec_alignment.prefrec.pairs import pairs_by_return
from genrec_alignment.prefrec.policy import NetworkPolicy, RandomPolicy
from genrec_alignment.prefrec.simulator import HALF_LIVES, FatigueWorld, outcome
from genrec_alignment.prefrec.steps import Float32, Float64

WORLD = FatigueWorld(categories=4, items_each=3, session_length=2, days=30)
SMALL = PrefRecConfig(updates=60, hidden=16, batch_size=128, learning_rate=0.01, pairs=3000)


class Only:
    """Shows one category, or one kind of item, and else by lot."""

    def __init__(self, wanted: np.ndarray) -> None:
        self.wanted = wanted

    def __call__(self, states: Float32, rng: np.random.Generator) -> Float64:
        return 100.0 * self.wanted + rng.gumbel(size=(len(states), len(self.wanted)))


def test_the_same_seed_gives_the_same_life() -> None:
    first, second = (WORLD.run(RandomPolicy(12), 20, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.items, second.items)
    np.testing.assert_array_equal(first.days, second.days)


def test_no_session_shows_an_item_twice() -> None:
    log = WORLD.run(Only(WORLD.category == 0), 30, seed=0)
    shown = log.items.reshape(-1, 2)
    assert (shown[:, 0] != shown[:, 1]).all()
    assert (WORLD.category[shown] == 0).all()


def test_bait_is_clicked_more_and_brings_users_back_less() -> None:
    bait, durable = (outcome(WORLD.run(Only(kind), 200, seed=0), 200) for kind in (WORLD.bait, ~WORLD.bait))
    assert bait.click_rate > durable.click_rate
    assert bait.sessions < durable.sessions


def test_one_category_again_and_again_tires() -> None:
    same, mixed = (
        outcome(WORLD.run(Only(kind), 200, seed=0), 200) for kind in (WORLD.category == 0, WORLD.category >= 0)
    )
    assert same.sessions < mixed.sessions


@pytest.mark.parametrize("seed", range(5))
def test_prefrec_brings_users_back_more_often_than_the_myopic_policy(seed: int) -> None:
    users = 60
    log = WORLD.run(RandomPolicy(len(WORLD.category)), users, seed)
    learner = Learner(log, states_of(log, WORLD.vectors, HALF_LIVES), WORLD.vectors, SMALL, seed)
    pairs = pairs_by_return(log, SMALL.segment, SMALL.pairs, np.random.default_rng(seed))
    prefrec = NetworkPolicy(learner.policy(learner.critic(learner.rewards(learner.reward(pairs)))))
    policies = (prefrec, NetworkPolicy(learner.myopic()), RandomPolicy(len(WORLD.category)))
    found, myopic, by_lot = (outcome(WORLD.run(policy, users, 100 + seed), users) for policy in policies)
    assert found.sessions > 1.2 * myopic.sessions
    assert found.sessions > 1.1 * by_lot.sessions
