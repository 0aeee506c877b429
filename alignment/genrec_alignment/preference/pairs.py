"""Preference rows from candidates and their rewards: one that is preferred, and one or more that are not.

A row is made only where rewards differ, and never has the same candidate twice. Among equal rewards the policy's
own order decides, so that of two equally bad candidates the more probable one is the loser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec_alignment.preference.candidates import Candidates, Float32, Int64

Skipped = Literal["too_few", "identical_rewards", "no_logged"]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Preference rows; a row is one preferred candidate with its losers.

    Args:
        requests: int64 [rows], of whom; see :class:`~genrec_alignment.preference.candidates.Candidates`.
        chosen: int64 [rows, items], ``item_index``; -1 after the end of a shorter session.
        rejected: int64 [rows, losers, items]; all -1 where a row has fewer losers. Every row has one.
        chosen_rewards: float32 [rows].
        rejected_rewards: float32 [rows, losers]; NaN where there is none.
        chosen_scores: float32 [rows], log-probability under the policy that made the candidates; NaN where it was
            not asked (something from the log).
        rejected_scores: float32 [rows, losers]; NaN where there is none.
        skipped: how many requests gave no row, by the reason: ``too_few`` (fewer than two different candidates),
            ``identical_rewards`` (none better, or none worse), ``no_logged`` (nothing in the log).
    """

    requests: Int64
    chosen: Int64
    rejected: Int64
    chosen_rewards: Float32
    rejected_rewards: Float32
    chosen_scores: Float32
    rejected_scores: Float32
    skipped: dict[str, int]

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def real(self) -> Bools:
        """Where there is a loser, bool [rows, losers]."""
        return self.rejected[:, :, 0] >= 0

    @property
    def items(self) -> Int64:
        """All candidates, int64 [rows, 1 + losers, items], the preferred one first."""
        return np.concatenate([self.chosen[:, None], self.rejected], axis=1)

    def table(self) -> pl.DataFrame:
        """Return one row a preference, to be written as parquet.

        ``request``; ``chosen`` (list of ``item_index``), ``chosen_reward``, ``chosen_score``; and, with one entry
        for each loser that there is, ``rejected`` (list of lists), ``rejected_rewards``, ``rejected_scores``.
        """
        real = self.real
        rejected = [items[kept].tolist() for items, kept in zip(self.rejected, real, strict=True)]
        return pl.DataFrame(
            {
                "request": self.requests,
                "chosen": pl.Series(self.chosen.tolist(), dtype=pl.List(pl.Int64)),
                "chosen_reward": self.chosen_rewards,
                "chosen_score": self.chosen_scores,
                "rejected": pl.Series(rejected, dtype=pl.List(pl.List(pl.Int64))),
                "rejected_rewards": _lists(self.rejected_rewards, real),
                "rejected_scores": _lists(self.rejected_scores, real),
            }
        )

    @classmethod
    def from_table(cls, table: pl.DataFrame) -> Pairs:
        """Return what :meth:`table` made a table of, but for what was skipped.

        Raises:
            ValueError: if it has no row.
        """
        if not len(table):
            raise ValueError("a table of preferences must have a row")
        chosen = np.array(table["chosen"].to_list(), dtype=np.int64)
        losers = max(map(len, table["rejected"].to_list()))
        rejected = np.full((len(table), losers, chosen.shape[1]), -1, dtype=np.int64)
        for row, items in enumerate(table["rejected"].to_list()):
            rejected[row, : len(items)] = items
        return cls(
            table["request"].to_numpy(),
            chosen,
            rejected,
            table["chosen_reward"].to_numpy(),
            _padded(table["rejected_rewards"], losers),
            table["chosen_score"].to_numpy(),
            _padded(table["rejected_scores"], losers),
            {},
        )


def best_against_worst(candidates: Candidates) -> Pairs:
    """Return the candidate with the highest reward against the one with the lowest: OneRec's IPA (2502.18965)."""
    return best_against_losers(candidates, 1)


def best_against_losers(candidates: Candidates, losers: int) -> Pairs:
    """Return the candidate with the highest reward against up to ``losers`` with the lowest, the worst first.

    Only what has a lower reward than the best is a loser; a row may so have fewer.

    Raises:
        ValueError: if losers < 1.
    """
    usable = candidates.distinct
    rewards = np.where(usable, candidates.rewards, -np.inf).astype(np.float32)
    rows, best = np.arange(len(candidates)), rewards.argmax(axis=1)
    winners = rewards[rows, best]
    worse = usable & (candidates.rewards < winners[:, None])
    order = np.where(worse, candidates.rewards, np.inf)
    reasons = _reasons(usable.sum(axis=1) < 2, worse, "too_few")
    chosen = candidates.items[rows, best], winners, candidates.scores[rows, best]
    return _pairs(candidates, chosen, worse, order, losers, reasons)


def logged_against_losers(candidates: Candidates, logged: Int64, rewards: Float32, losers: int) -> Pairs:
    """Return what the log has as chosen against up to ``losers`` candidates, the policy's most probable first.

    A loser is a candidate with other items and a lower reward. The most probable are the ones to learn from: they
    are what the policy would have shown in the place of what was chosen.

    Args:
        candidates: of the requests.
        logged: int64 [requests, items], what was really chosen; all -1 where there is nothing. Shorter and longer
            sessions than the candidates' are well.
        rewards: float32 [requests], the rewards of what was chosen.
        losers: the most losers of a row.

    Raises:
        ValueError: if losers < 1, or the shapes do not fit.
    """
    if logged.ndim != 2 or not len(logged) == len(rewards) == len(candidates):
        raise ValueError(f"logged {logged.shape} and rewards {rewards.shape} must be of {len(candidates)} requests")
    width = max(logged.shape[1], candidates.items.shape[2])
    logged, items = _widened(logged, width), _widened(candidates.items, width)
    missing = logged[:, 0] < 0
    other = candidates.distinct & (items != logged[:, None]).any(axis=2)
    worse = other & (candidates.rewards < rewards[:, None]) & ~missing[:, None]
    order = np.where(worse, np.arange(items.shape[1]), np.inf)
    widened = Candidates(candidates.requests, items, candidates.scores, candidates.rewards)
    unknown = np.full(len(logged), np.nan, dtype=np.float32)
    return _pairs(widened, (logged, rewards, unknown), worse, order, losers, _reasons(missing, worse, "no_logged"))


def _reasons(early: Bools, worse: Bools, name: Skipped) -> dict[str, int]:
    return {name: int(early.sum()), "identical_rewards": int((~early & ~worse.any(axis=1)).sum())}


def _pairs(
    candidates: Candidates,
    chosen: tuple[Int64, Float32, Float32],
    worse: Bools,
    order: npt.NDArray[np.floating],
    losers: int,
    skipped: dict[str, int],
) -> Pairs:
    """Return the rows of those requests that have a loser.

    Args:
        candidates: of all requests.
        chosen: items, rewards and scores of what is preferred.
        worse: bool [requests, candidates], what may be a loser.
        order: float of the same shape; the lowest are taken, ties in the order of the candidates.
        losers: the most of a row.
        skipped: the requests that give none.
    """
    if losers < 1:
        raise ValueError(f"losers is {losers}, but must be at least 1")
    rows = np.flatnonzero(worse.any(axis=1))
    taken = order[rows].argsort(axis=1, kind="stable")[:, :losers]
    real = np.take_along_axis(worse[rows], taken, axis=1)
    at = rows[:, None], taken
    items, rewards, scores = chosen
    return Pairs(
        candidates.requests[rows],
        items[rows],
        np.where(real[..., None], candidates.items[at], -1),
        rewards[rows].astype(np.float32),
        np.where(real, candidates.rewards[at], np.nan).astype(np.float32),
        scores[rows].astype(np.float32),
        np.where(real, candidates.scores[at], np.nan).astype(np.float32),
        {name: count for name, count in skipped.items() if count},
    )


def _widened(items: Int64, width: int) -> Int64:
    padding = [(0, 0)] * (items.ndim - 1) + [(0, width - items.shape[-1])]
    return np.pad(items, padding, constant_values=-1)


def _lists(values: Float32, real: Bools) -> pl.Series:
    rows = zip(values, real, strict=True)
    return pl.Series([row[kept].tolist() for row, kept in rows], dtype=pl.List(pl.Float32))


def _padded(lists: pl.Series, width: int) -> Float32:
    rows = [[*row, *[np.nan] * (width - len(row))] for row in lists.to_list()]
    return np.array(rows, dtype=np.float32)
