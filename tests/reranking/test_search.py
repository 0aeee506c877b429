"""Laws of the adaptive beam search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.reranking.marks import Int64
from genrec.reranking.search import Judge, list_reward, plan


def world(items: int, seed: int) -> Judge:
    """An item's worth depends on the item before it; whether the user goes on depends on the item."""
    rng = np.random.default_rng(seed)
    worth, goes_on = rng.random((items + 1, items)), rng.uniform(0.5, 1, items)

    def judge(placed: Int64) -> tuple[np.ndarray, np.ndarray]:
        before = placed[:, -1] if placed.shape[1] else np.full(len(placed), items)
        return worth[before], np.tile(goes_on, (len(placed), 1))

    return judge


def best_of_all(judge: Judge, items: int) -> float:
    orders = np.array(list(itertools.permutations(range(items))))
    return float(list_reward(judge, orders).max())


def test_list_reward_by_hand() -> None:
    def judge(placed: Int64) -> tuple[np.ndarray, np.ndarray]:
        return np.tile([1.0, 0.5, 2.0], (len(placed), 1)), np.tile([0.5, 0.2, 0.9], (len(placed), 1))

    assert list_reward(judge, np.array([[0, 1, 2]])) == pytest.approx(1 + 0.5 * 0.5 + 0.5 * 0.2 * 2)


@settings(max_examples=25, deadline=None)
@given(items=st.integers(1, 5), seed=st.integers(0, 999))
def test_a_wide_beam_that_never_stops_finds_the_best_order(items: int, seed: int) -> None:
    judge = world(items, seed)
    found = plan(judge, items, width=120, stability=2.0)
    assert found.reward == pytest.approx(best_of_all(judge, items))
    assert found.reward == pytest.approx(list_reward(judge, np.array([found.order]))[0])


@settings(max_examples=25, deadline=None)
@given(items=st.integers(1, 9), width=st.integers(1, 6), seed=st.integers(0, 999), stability=st.floats(0.1, 2))
def test_plans_place_each_item_once_and_say_their_reward(
    items: int, width: int, seed: int, stability: float
) -> None:
    judge = world(items, seed)
    found = plan(judge, items, width, stability)
    assert 1 <= len(found.order) <= items
    assert len(set(found.order)) == len(found.order)
    assert found.reward == pytest.approx(list_reward(judge, np.array([found.order]))[0])
    assert found.stability >= stability or len(found.order) == items


@settings(max_examples=25, deadline=None)
@given(items=st.integers(2, 9), seed=st.integers(0, 999), lower=st.floats(0.2, 1), higher=st.floats(0.2, 2))
def test_the_search_goes_deeper_where_more_stability_is_asked(
    items: int, seed: int, lower: float, higher: float
) -> None:
    lower, higher = sorted((lower, higher))
    shallow, deep = (plan(world(items, seed), items, 3, stability) for stability in (lower, higher))
    assert len(shallow.order) <= len(deep.order)
    assert shallow.scored <= deep.scored


def test_it_stops_at_once_where_all_is_equal_and_goes_on_where_it_matters() -> None:
    def equal(placed: Int64) -> tuple[np.ndarray, np.ndarray]:
        return np.ones((len(placed), 6)), np.full((len(placed), 6), 0.9)

    assert len(plan(equal, 6).order) == 1
    assert len(plan(equal, 6, stability=2.0).order) == 6
    assert len(plan(equal, 6, stability=2.0, depth=2).order) == 2
    assert len(plan(world(6, 0), 6).order) > 1


def test_worthless_lists_and_empty_ones_end() -> None:
    assert plan(lambda placed: (np.zeros((len(placed), 3)), np.ones((len(placed), 3))), 3).order == (0,)
    assert plan(world(1, 0), 0).order == ()


def test_planning_again_for_every_item_comes_near_the_best() -> None:
    """The thresholds of our notes: .95 of the best, within .01 of full beam, a tenth less to score."""
    share, full_share, scored, full_scored = [], [], 0, 0
    for seed in range(30):
        judge = world(7, seed)
        best = plan(judge, 7, width=5040, stability=2.0).reward
        for stability, shares in ((0.95, share), (2.0, full_share)):
            order: list[int] = []
            while len(order) < 7:
                found = plan(after(judge, order), 7 - len(order), stability=stability)
                left = [item for item in range(7) if item not in order]
                order.append(left[found.order[0]])
                scored += found.scored if stability < 1 else 0
                full_scored += found.scored if stability > 1 else 0
            shares.append(list_reward(judge, np.array([order]))[0] / best)
    assert np.mean(share) >= 0.95
    assert np.mean(share) >= np.mean(full_share) - 0.01
    assert scored <= 0.9 * full_scored


def after(judge: Judge, order: list[int]) -> Judge:
    """The judge of what is left after the first items."""
    left = np.array([item for item in range(7) if item not in order])

    def rest(placed: Int64) -> tuple[np.ndarray, np.ndarray]:
        before = np.tile(np.array(order, np.int64), (len(placed), 1))
        worth, goes_on = judge(np.concatenate([before, left[placed]], axis=1))
        return worth[:, left], goes_on[:, left]

    return rest
