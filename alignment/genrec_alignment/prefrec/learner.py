"""PrefRec from a log and pairs: the reward, then Q and V on it, then the policy that follows their advantages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrec_alignment.prefrec.config import PrefRecConfig
from genrec_alignment.prefrec.critic import expectile_loss, targets
from genrec_alignment.prefrec.network import ItemScores, StateValue
from genrec_alignment.prefrec.pairs import SegmentPairs
from genrec_alignment.prefrec.policy import advantage_weighted_loss
from genrec_alignment.prefrec.reward import preference_loss
from genrec_alignment.prefrec.steps import Float32, Steps

_KEPT = 0.99  # share of the slow copy of Q that stays at each update; the value is ours


@dataclass(frozen=True)
class Critic:
    """Q(s, a) and V(s)."""

    q: ItemScores
    value: StateValue


class Learner:
    """Learns from one log.

    Args:
        steps: the log.
        states: float32 [steps, size], as :func:`~genrec_alignment.prefrec.memory.states_of` gives.
        vectors: float32 [items, dims].
        config: settings.
        seed: of the weights and the batches.
    """

    def __init__(self, steps: Steps, states: Float32, vectors: Float32, config: PrefRecConfig, seed: int) -> None:
        self.config, self.steps, self._vectors = config, steps, vectors
        self._streams = (states.shape[1] - 1) // vectors.shape[1]
        self.states, self.items = torch.from_numpy(states), torch.from_numpy(steps.items)
        self._feedback = torch.from_numpy(steps.feedback)
        self._rng, self._seed = np.random.default_rng(seed), seed

    def reward(self, pairs: SegmentPairs) -> ItemScores:
        """Return r(s, a), learnt from pairs."""
        network = self._scores(0)

        def loss(rows: Tensor) -> Tensor:
            return preference_loss(network, self.states, self.items, pairs[rows.numpy()])

        self._learn(network.parameters(), len(pairs), loss)
        return network

    def rewards(self, network: ItemScores) -> Tensor:
        """Return the reward of every step, float32 [steps], with mean 0 and deviation 1.

        Preferences between segments of the same length say nothing of either.
        """
        with torch.no_grad():
            found = network(self.states, self.items)
        return (found - found.mean()) / found.std().clamp(min=1e-6)

    def critic(self, rewards: Tensor) -> Critic:
        """Return Q and V of rewards float32 [steps]; the last step of each user has no next one and is left out."""
        config, following = self.config, torch.from_numpy(self.steps.following)
        known = torch.from_numpy(np.flatnonzero(self.steps.following >= 0))
        q, value = self._scores(1), StateValue(self.states.shape[1], config.hidden)
        slow = copy.deepcopy(q).requires_grad_(False)

        def loss(rows: Tensor) -> Tensor:
            at = known[rows]
            states, items = self.states[at], self.items[at]
            with torch.no_grad():
                next_value = value(self.states[following[at]])
                above = slow(states, items)
            of_value = expectile_loss(above - value(states), config.tau).mean()
            of_q = functional.mse_loss(q(states, items), targets(rewards[at], next_value, config.gamma))
            _follow(slow, q)
            return of_value + of_q

        self._learn([*q.parameters(), *value.parameters()], len(known), loss)
        return Critic(q, value)

    def policy(self, critic: Critic | None) -> ItemScores:
        """Return a policy's logits that follow a critic's advantages; without one it imitates the log."""
        network, config = self._scores(2), self.config
        advantages = torch.zeros(len(self.items))
        if critic is not None:
            with torch.no_grad():
                advantages = critic.q(self.states, self.items) - critic.value(self.states)

        def loss(rows: Tensor) -> Tensor:
            logits = network.all_items(self.states[rows]).log_softmax(dim=1)
            chosen = logits.gather(1, self.items[rows, None])[:, 0]
            return advantage_weighted_loss(chosen, advantages[rows], config.beta, config.most).mean()

        self._learn(network.parameters(), len(self.items), loss)
        return network

    def myopic(self) -> ItemScores:
        """Return the logit of a click: who shows what scores highest cares for nothing but the next click."""
        network = self._scores(3)

        def loss(rows: Tensor) -> Tensor:
            scores = network(self.states[rows], self.items[rows])
            return functional.binary_cross_entropy_with_logits(scores, self._feedback[rows])

        self._learn(network.parameters(), len(self.items), loss)
        return network

    def _scores(self, which: int) -> ItemScores:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4 * self._seed + which)
            return ItemScores(self._vectors, self._streams, self.config.hidden)

    def _learn(self, parameters: Iterable[Tensor], rows: int, loss: Callable[[Tensor], Tensor]) -> None:
        optimizer = torch.optim.Adam(list(parameters), lr=self.config.learning_rate)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, self.config.updates)
        for _ in range(self.config.updates):
            optimizer.zero_grad()
            drawn = self._rng.integers(rows, size=min(rows, self.config.batch_size))
            loss(torch.from_numpy(drawn)).backward()
            optimizer.step()
            schedule.step()


def _follow(slow: ItemScores, fast: ItemScores) -> None:
    with torch.no_grad():
        for kept, new in zip(slow.parameters(), fast.parameters(), strict=True):
            kept.lerp_(new, 1 - _KEPT)
