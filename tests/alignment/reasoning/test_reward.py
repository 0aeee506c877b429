"""The rollout-beam reward, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genrec_alignment.reasoning import rollout_beam_reward
from genrec_alignment.reasoning.reward import Match, reward_of_items

TARGET = [1, 2, 3]


@pytest.mark.parametrize(
    ("beams", "position", "prefix"),
    [
        ([[1, 2, 3], [0, 0, 0]], 3, 3),  # a hit
        ([[1, 2, 0], [1, 0, 0]], 2, 2),
        ([[0, 2, 3]], 2, 0),  # the codes agree, but below another first code
        ([[1, 0, 3]], 2, 1),
        ([[0, 2, 3], [1, 9, 9]], 2, 1),  # the best candidate depends on the reading
        ([[3, 1, 2]], 0, 0),  # the same codes at other levels
        ([[-1, -1, -1]], 0, 0),  # no candidate
    ],
)
def test_by_hand(beams: list[list[int]], position: int, prefix: int) -> None:
    assert rollout_beam_reward(np.array(beams), np.array(TARGET)) == position
    assert rollout_beam_reward(np.array(beams), np.array(TARGET), "prefix") == prefix


def test_many_thoughts_at_once_against_one_target_each() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 1]])
    items = np.array([[[0, 1], [2, -1]], [[1, -1], [-1, -1]]])  # [prompts, thoughts, beams]
    targets = np.array([[2], [0]])
    assert reward_of_items(items, targets, codes).tolist() == [[1, 2], [1, 0]]
    assert reward_of_items(items, targets, codes, "prefix").tolist() == [[0, 2], [1, 0]]
    assert rollout_beam_reward(np.zeros((2, 0, 3), int), np.zeros((2, 3), int)).tolist() == [0, 0]


CODES = arrays(
    np.int64, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4)), elements=st.integers(0, 2)
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(CODES, st.sampled_from(["position", "prefix"]))
def test_laws(beams: np.ndarray, match: Match) -> None:
    targets, levels = beams[:, 0], beams.shape[-1]
    rewards = rollout_beam_reward(beams, targets, match)
    assert (rewards == levels).all()  # the target is in the beam
    others = rollout_beam_reward(beams[:, 1:], targets, match)
    slow = [
        max((_reward(one, target, match) for one in beam), default=0)
        for beam, target in zip(beams[:, 1:].tolist(), targets.tolist(), strict=True)
    ]
    assert others.tolist() == slow
    assert (rollout_beam_reward(beams[:, 1:], targets, "prefix") <= others).all()


def _reward(candidate: list[int], target: list[int], match: str) -> int:
    count = 0
    for mine, theirs in zip(candidate, target, strict=True):
        if mine == theirs:
            count += 1
        elif match == "prefix":
            break
    return count
