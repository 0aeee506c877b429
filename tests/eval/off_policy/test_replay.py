"""Replay: obp's figure, unbiased for fixed and for learning policies, and what it refuses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from genrec.errors import ConfigError, DataError
from genrec_eval.off_policy import UniformLog, replay
from tests.eval.off_policy import reference

MEANS = np.array([0.2, 0.5, 0.8])


class Fixed:
    """Shows what its table says of a context."""

    def __init__(self, table: npt.ArrayLike) -> None:
        self.table = np.asarray(table)
        self.learned = 0

    def choose(self, contexts: npt.NDArray[np.generic], _candidates: npt.NDArray[np.int64]) -> npt.ArrayLike:
        return self.table[contexts]

    def learn(self, _contexts: object, actions: npt.NDArray[np.int64], _rewards: object) -> None:
        self.learned += len(actions)


class Greedy:
    """Shows every arm once, then the best so far."""

    def __init__(self) -> None:
        self.counts, self.sums = np.zeros(len(MEANS)), np.zeros(len(MEANS))

    def choose(self, contexts: npt.NDArray[np.generic], _candidates: npt.NDArray[np.int64]) -> npt.ArrayLike:
        best = np.where(self.counts == 0, np.inf, self.sums / np.maximum(self.counts, 1)).argmax()
        return np.full(len(contexts), best)

    def learn(self, _contexts: object, actions: npt.NDArray[np.int64], rewards: npt.NDArray[np.float64]) -> None:
        np.add.at(self.counts, actions, 1)
        np.add.at(self.sums, actions, rewards)


def uniform_log(events: int, rng: np.random.Generator) -> UniformLog:
    actions = rng.integers(0, 3, events)
    rewards = (rng.random(events) < MEANS[actions]).astype(float)
    return UniformLog.of(np.zeros(events, dtype=int), actions, rewards, [0, 1, 2], np.full(events, 1 / 3))


def test_a_fixed_policy_has_obps_figure() -> None:
    log = reference.rows()
    choices = reference.certain(log["target"]).argmax(axis=1)[np.arange(reference.ROWS), log["positions"]]
    events = UniformLog.of(np.arange(reference.ROWS), log["actions"], log["rewards"], np.arange(reference.ACTIONS))
    assert replay(Fixed(choices), events).value == pytest.approx(reference.OBP["replay"], abs=1e-9)


def test_a_fixed_policys_value_lies_in_the_interval(rng: np.random.Generator) -> None:
    log, policy = uniform_log(3000, rng), Fixed([2])
    found = replay(policy, log, batch_size=64)
    assert found.low < MEANS[2] < found.high
    assert policy.learned == len(found.rewards) == (log.actions == 2).sum()
    assert found.total == found.cumulative[-1] == log.rewards[log.actions == 2].sum()
    assert (log.actions[found.rows] == 2).all()
    assert replay(Fixed([2]), log).value == found.value


def test_a_learning_policy_earns_what_it_would_earn_live() -> None:
    """Its first 40 rewards have the same mean replayed as when it really chooses."""
    replayed, live = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        replayed.append(replay(Greedy(), uniform_log(200, rng)).rewards[:40].mean())
        policy, earned = Greedy(), []
        for _ in range(40):
            arm = np.asarray(policy.choose(np.zeros(1), np.zeros((1, 3), dtype=int)))
            reward = (rng.random(1) < MEANS[arm]).astype(float)
            policy.learn(None, arm, reward)
            earned.append(reward[0])
        live.append(np.mean(earned))
    error = np.sqrt(np.var(replayed) / 300 + np.var(live) / 300)
    assert abs(np.mean(replayed) - np.mean(live)) < 3 * error
    assert np.mean(replayed) > MEANS.mean() + 0.05


def test_candidates_differ_by_event_and_choices_must_be_among_them() -> None:
    log = UniformLog.of([0, 1], [5, 6], [1.0, 0.0], [[5, 7], [6, -1]], [0.5, 1.0])
    assert replay(Fixed([5, 6]), log).rewards.tolist() == [1.0, 0.0]
    for wrong in ([5, 7], [5, -1]):
        with pytest.raises(DataError, match="not among an event's candidates"):
            replay(Fixed(wrong), log)
    with pytest.raises(DataError, match="never chose"):
        replay(Fixed([7, 6]), UniformLog.of([0], [5], [1.0], [5, 7]))
    with pytest.raises(ConfigError, match="batch_size"):
        replay(Fixed([5, 6]), log, batch_size=0)


def test_a_log_that_is_not_uniform_is_refused_with_all_its_problems() -> None:
    with pytest.raises(DataError) as error:
        UniformLog.of([0, 0, 0], [0, 1, 9], [1.0, np.inf, 0.0], [0, 1], [0.5, 0.9, 0.5])
    assert len(error.value.problems) == 3
    assert "not drawn uniformly" in str(error.value)
    assert "doubly_robust" in str(error.value)
