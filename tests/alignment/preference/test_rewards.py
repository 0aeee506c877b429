"""Rules: each by hand on one small catalogue, and what holds for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec.semantic_ids import Catalogue
from genrec_alignment.preference.rewards import (
    DiversityReward,
    DurationReward,
    HitReward,
    LegalityReward,
    NoveltyReward,
    RankReward,
    Reward,
    RewardContext,
    RolloutBeamReward,
    WeightedReward,
    duration_quantiles,
)

CODES = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]], dtype=np.int32)
NAMES = [f"i{row}" for row in range(len(CODES))]
CATALOGUE = Catalogue(NAMES, CODES, (3, 2), NAMES)
DURATIONS = np.array([10.0, 11, 12, 100, 110, 120])
ALL: list[Reward] = [
    HitReward(),
    RankReward(),
    LegalityReward(2),
    RolloutBeamReward(),
    NoveltyReward(np.arange(6)),
    DiversityReward(),
    DurationReward(DURATIONS),
]


def context(*targets: list[int], **known: object) -> RewardContext:
    """Return requests with the given targets, after a history of items 0 and 1."""
    histories = [np.array([0, 1])] * len(targets)
    return RewardContext(CATALOGUE, histories, [np.array(one, dtype=np.int64) for one in targets], **known)  # type: ignore[arg-type]


def test_hits_of_items_and_the_share_of_a_session() -> None:
    items = np.array([[[2], [3], [-1]], [[2], [3], [4]]])
    assert HitReward()(context([3], []), items).tolist() == [[0, 1, 0], [0, 0, 0]]
    session = np.array([[[2, 3], [3, -1], [0, 5], [-1, -1]]])
    assert HitReward()(context([3, 5]), session).tolist() == [[0.5, 1, 0.5, 0]]


def test_ranking_reward_has_the_reference_values() -> None:
    items = np.array([[[0], [1], [2], [3]]] * 3)
    found = RankReward()(context([5], [1], [3]), items)
    assert found[0].tolist() == [0, 0, 0, 0]  # no hit: nothing
    np.testing.assert_allclose(found[1], [-0.390, 0, -0.195, -0.168], atol=5e-4)
    np.testing.assert_allclose(found[2], [-0.390, -0.246, -0.195, 0], atol=5e-4)


def test_what_is_no_candidate_costs_nothing() -> None:
    found = RankReward()(context([1]), np.array([[[1], [2], [-1], [-1]]]))
    np.testing.assert_allclose(found, [[0, -0.246, 0, 0]], atol=5e-4)


def test_legality_looks_at_some_at_random_and_gives_the_legal_ones_1() -> None:
    items = np.tile(np.array([[0], [-1], [2], [3]]), (200, 1, 1))
    one = RewardContext(CATALOGUE, [np.array([0])] * 200, [np.array([0])] * 200, seed=1)
    found = LegalityReward(2)(one, items)
    assert set(found.sum(axis=1)) == {1.0, 2.0}  # 1 where the illegal one was among the two
    assert (found[:, 1] == 0).all()
    assert (found[:, [0, 2, 3]].mean(axis=0) > 0.35).all()  # each place has half a chance
    assert (found[:, [0, 2, 3]].mean(axis=0) < 0.65).all()
    assert (LegalityReward(9)(one, items) == [1, 0, 1, 1]).all()


def test_rollout_beam_counts_codes_in_common_with_the_nearest_target() -> None:
    items = np.array([[[3, -1], [0, 2], [4, -1], [-1, -1]]] * 2)
    assert RolloutBeamReward()(context([3], [2, 5]), items).tolist() == [[2, 1, 0, 0], [1, 2, 1, 0]]
    assert RolloutBeamReward("prefix")(context([3], [1]), items).tolist() == [[2, 1, 0, 0], [0, 1, 0, 0]]


def test_novelty_by_hand() -> None:
    reward = NoveltyReward(np.array([0, 1, 1, 3, 1, 4]))  # shares of 1, 2, 2, 4, 2 and 5 sixteenths
    found = reward(context([]), np.array([[[0, -1], [1, 3], [-1, -1]]]))
    np.testing.assert_allclose(found, [[1, (3 + 2) / 2 / 4, 0]])
    with pytest.raises(ValueError, match="6 items"):
        NoveltyReward(np.array([1, 2]))(context([]), np.array([[[0]]]))


def test_diversity_by_hand() -> None:
    items = np.array([[[0, 1, 2], [0, 1, -1], [0, -1, -1], [0, 2, 4]]])
    np.testing.assert_allclose(DiversityReward()(context([]), items), [[(0.5 + 1 + 1) / 3, 0.5, 0, 1]])


def test_quantiles_are_among_plays_of_items_of_that_length() -> None:
    durations, plays = np.array([10.0, 11, 12, 100, 9]), np.array([1.0, 5, 9, 50, np.nan])
    found = duration_quantiles(durations, plays, np.array([10.0, 15, 100, 1000]), np.array([5.0, 0, 60, 5]), 2.0)
    np.testing.assert_allclose(found, [2 / 3, 0, 1, np.nan])


def test_duration_reward_by_hand() -> None:
    known = {
        "history_values": [np.array([4.0, 6.0])] * 5,
        "target_values": [np.array([value]) for value in (7.0, 5.0, 1.0, 9.0, 3.0)],
        "disliked": [np.array([flag]) for flag in (False, False, False, True, False)],
    }
    five = context([2], [2], [2], [2], [5], **known)
    # Quantiles 1, .5, 0, 1 and unknown; their median is .75. The last item is of a length never played before.
    found = DurationReward(DURATIONS, best=0.5)(five, np.array([[[2], [3]]] * 4 + [[[5], [2]]]))
    assert found.tolist() == [[1, 0], [0, 0], [0, 0], [-1, 0], [0, 0]]
    with pytest.raises(DataError, match="choose another reward"):
        DurationReward(DURATIONS)(context([2]), np.array([[[2]]]))


def test_weighted_sum() -> None:
    items = np.array([[[0], [3]]])
    summed = WeightedReward([(2.0, HitReward()), (-0.5, RolloutBeamReward())])
    assert summed(context([3]), items).tolist() == [[0, 2 - 1]]
    with pytest.raises(ValueError, match="at least one"):
        WeightedReward([])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(ALL))
def test_every_reward_is_finite_float32_and_0_of_nothing(seed: int, reward: Reward) -> None:
    rng = np.random.default_rng(seed)
    items = rng.integers(-1, 6, size=(4, 3, 2))
    items[:, :, 1] = np.where(items[:, :, 0] < 0, -1, items[:, :, 1])
    targets = [rng.integers(0, 6, size=rng.integers(0, 4)) for _ in range(4)]
    values = [rng.random(len(one)) for one in targets]
    given = context(*(one.tolist() for one in targets), history_values=[rng.random(2)] * 4, target_values=values)
    found = reward(given, items)
    assert found.shape == (4, 3)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (found[(items < 0).all(axis=2)] == 0).all()


def test_names_are_their_own() -> None:
    assert len({reward.name for reward in ALL}) == len(ALL)


def test_a_context_must_have_one_entry_a_request() -> None:
    with pytest.raises(ValueError, match="each of 1 requests"):
        RewardContext(CATALOGUE, [np.array([0])], [])
