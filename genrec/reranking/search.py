"""Adaptive beam search over the orders of a list (arXiv:2208.09577, section 5, as others have retold it).

ListReward(P) = Σ_i s_i v(i | c(i)), with s_1 = 1 and s_i = Π_{j<i} p_goes_on(j | c(j)): an item is worth something
only to a user who is still there, and both its worth v and whether the user goes on depend on what stands before
it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genrec.reranking.marks import Float64, Int64

Judge = Callable[[Int64], tuple[Float64, Float64]]
"""From orders so far, int64 [orders, placed], to the worth of every item of the list as the next one, and the
probability that the user goes on after it: two arrays [orders, items]. What it says of placed items is not used."""


@dataclass(frozen=True)
class Plan:
    """What the search decided.

    Args:
        order: the first items, by their place in the list that was given. Shorter than the list where the search
            stopped early; the rest is left to the next search, which knows more.
        reward: ListReward of ``order``.
        stability: least over greatest reward of the beams at the end.
        scored: how many items were scored in how many contexts, which is what the search costs.
    """

    order: tuple[int, ...]
    reward: float
    stability: float
    scored: int


def plan(judge: Judge, items: int, width: int = 4, stability: float = 0.95, depth: int | None = None) -> Plan:
    """Return the beginning of the best order that a beam search finds.

    The search goes on item by item until the beams' rewards are nearly equal: least / greatest ≥ ``stability``.
    What comes after hardly tells them apart then.

    Args:
        judge: scores the next item.
        items: of the list; 0 gives an empty plan.
        width: beams that are kept. A single one is always stable, so it stops after its first item.
        stability: when to stop; above 1 never, which is full beam search.
        depth: most items to place; None for all.
    """
    orders, rewards, there = np.zeros((1, 0), np.int64), np.zeros(1), np.ones(1)
    scored, ratio = 0, 1.0
    for placed in range(min(items, depth or items)):
        worth, goes_on = judge(orders)
        scored += len(orders) * (items - placed)
        totals = rewards[:, None] + there[:, None] * worth
        np.put_along_axis(totals, orders, -np.inf, axis=1)
        best = np.argsort(-totals.ravel(), kind="stable")[: min(width, len(orders) * (items - placed))]
        beams, chosen = np.divmod(best, items)
        orders = np.concatenate([orders[beams], chosen[:, None]], axis=1)
        rewards, there = totals.ravel()[best], there[beams] * goes_on[beams, chosen]
        ratio = float(rewards[-1] / rewards[0]) if rewards[0] > 0 else 1.0
        if ratio >= stability:
            break
    return Plan(tuple(orders[0].tolist()), float(rewards[0]), ratio, scored)


def list_reward(judge: Judge, orders: Int64) -> Float64:
    """Return ListReward of each order, float64 [orders], of orders int64 [orders, placed]."""
    rewards, there = np.zeros(len(orders)), np.ones(len(orders))
    for place in range(orders.shape[1]):
        worth, goes_on = judge(orders[:, :place])
        item = orders[:, place : place + 1]
        rewards += there * np.take_along_axis(worth, item, axis=1)[:, 0]
        there *= np.take_along_axis(goes_on, item, axis=1)[:, 0]
    return rewards
