"""Replay: run a policy, even one that learns, over a log of uniformly random actions (Li et al., WSDM 2011).

Event by event the policy chooses. Where it chooses what was shown, the event counts, and the policy learns its
reward; the others are as if they had never come. Because what was shown was drawn uniformly, the events that count
come with the distribution that the policy would have met live, so its mean reward over them is unbiased.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np
import numpy.typing as npt

from genrec.errors import ConfigError, DataError
from genrec_eval.off_policy.checks import Floats, as_columns, not_finite, rows_where

Ints = npt.NDArray[np.int64]


class Policy(Protocol):
    """What :func:`replay` runs."""

    def choose(self, contexts: npt.NDArray[np.generic], candidates: Ints, /) -> npt.ArrayLike:
        """Return an action for each event, int [events].

        Args:
            contexts: [events, …], as the log has them.
            candidates: int64 [events, most candidates], the actions there were; -1 where there is none.
        """

    def learn(self, contexts: npt.NDArray[np.generic], actions: Ints, rewards: Floats, /) -> None:
        """Learn what the events earned in which the policy's choice was shown."""


@dataclass(frozen=True)
class UniformLog:
    """A checked log whose actions were drawn uniformly from the candidates; make one with :meth:`of`.

    Args:
        contexts: [events, …], whatever the policy reads.
        actions: int64 [events].
        rewards: float64 [events].
        candidates: int64 [events, most candidates], -1 where there is none.
    """

    contexts: npt.NDArray[np.generic]
    actions: Ints
    rewards: Floats
    candidates: Ints

    def __len__(self) -> int:
        return len(self.rewards)

    @classmethod
    def of(
        cls,
        contexts: npt.ArrayLike,
        actions: npt.ArrayLike,
        rewards: npt.ArrayLike,
        candidates: npt.ArrayLike,
        propensities: npt.ArrayLike | None = None,
    ) -> UniformLog:
        """Check a log.

        Args:
            contexts: [events, …].
            actions: int [events], what was shown.
            rewards: float [events].
            candidates: int [events, most candidates], or int [candidates] where all events have the same.
            propensities: float [events], of what was shown; where given, they must be uniform. Without them whoever
                calls vouches for it.

        Raises:
            DataError: naming everything that is wrong.
        """
        given = {"actions": actions, "rewards": rewards, "propensities": propensities}
        columns = as_columns({name: values for name, values in given.items() if values is not None})
        rows, shown = len(columns["rewards"]), columns["actions"].astype(np.int64)
        read, pool = np.asarray(contexts), np.asarray(candidates, dtype=np.int64)
        pool = np.broadcast_to(pool, (rows, len(pool))) if pool.ndim == 1 else pool
        if len(read) != rows or pool.ndim != 2 or len(pool) != rows:
            raise DataError(f"{rows:,} events, but contexts {read.shape} and candidates {pool.shape}.")
        problems = not_finite(columns)
        problems += rows_where(~(pool == shown[:, None]).any(axis=1), "What was shown is not among the candidates")
        if propensities is not None:
            uniform = 1 / np.maximum((pool >= 0).sum(axis=1), 1)
            off = np.abs(columns["propensities"] - uniform) > 1e-6
            problems += rows_where(off, "What was shown was not drawn uniformly: its propensity is another")
        if problems:
            raise DataError(
                problems, "Replay needs uniformly random actions; for others use ips, snips or doubly_robust."
            )
        return cls(read, shown, columns["rewards"], pool)


@dataclass(frozen=True)
class Replay:
    """What a policy earned.

    Args:
        rewards: float64 [matched], of the events that counted, in order.
        rows: int64 [matched], which events they were.
        events: how many were gone through.
        low: of the interval of the mean reward.
        high: of the interval; both take rewards as independent, which those of a learning policy are only nearly.
    """

    rewards: Floats
    rows: Ints
    events: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The mean reward of the events that counted."""
        return float(self.rewards.mean())

    @property
    def total(self) -> float:
        """The sum of their rewards, such as clicks."""
        return float(self.rewards.sum())

    @property
    def cumulative(self) -> Floats:
        """The sum so far after each event that counted, float64 [matched]."""
        return np.cumsum(self.rewards)


def replay(policy: Policy, log: UniformLog, *, batch_size: int = 1, level: float = 0.95) -> Replay:
    """Run a policy over a log.

    Args:
        policy: what chooses and learns.
        log: the log, in the order of time.
        batch_size: events that are chosen for before the policy learns from those that counted. More than one is
            faster, and is a policy that learns in such batches of candidate events.
        level: of the interval.

    Raises:
        ConfigError: if the batch size is below 1.
        DataError: if the policy chooses something that is no candidate, or never what was shown.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}, but must be at least 1.")
    matched = [_step(policy, log, slice(at, at + batch_size)) for at in range(0, len(log), batch_size)]
    rows = np.concatenate(matched)
    if not len(rows):
        raise DataError("The policy never chose what was shown, so nothing is known of its value.")
    rewards = log.rewards[rows]
    error = float(rewards.std(ddof=1)) / np.sqrt(len(rows)) if len(rows) > 1 else np.inf
    reach = NormalDist().inv_cdf((1 + level) / 2) * float(error)
    return Replay(rewards, rows, len(log), float(rewards.mean()) - reach, float(rewards.mean()) + reach)


def _step(policy: Policy, log: UniformLog, part: slice) -> Ints:
    """Let the policy choose for a few events and learn from those that count; return which these are."""
    contexts, candidates = log.contexts[part], log.candidates[part]
    chosen = np.asarray(policy.choose(contexts, candidates), dtype=np.int64)
    if chosen.shape != (len(contexts),) or ((candidates != chosen[:, None]) | (candidates < 0)).all(axis=1).any():
        raise DataError("The policy chose something that is not among an event's candidates.")
    counts = chosen == log.actions[part]
    if counts.any():
        policy.learn(contexts[counts], chosen[counts], log.rewards[part][counts])
    return np.flatnonzero(counts) + part.start
