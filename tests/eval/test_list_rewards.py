"""Rewards of lists, against a table made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from genrec_eval.metrics import list_rewards

ITEMS = [[3, 1, 2], [0, -1, -1], [-1, -1, -1], [4, -2, 5]]
REWARDS = [[0.2, 0.6, 0.1], [-0.4, 9.0, 9.0], [9.0, 9.0, 9.0], [0.5, np.nan, 0.1]]


@pytest.mark.parametrize(
    ("k", "mean", "best"),
    [
        (1, (0.2 - 0.4 + 0.5) / 3, (0.2 - 0.4 + 0.5) / 3),
        (2, (0.4 - 0.4 + 0.5) / 3, (0.6 - 0.4 + 0.5) / 3),
        (3, (0.3 - 0.4 + 0.3) / 3, (0.6 - 0.4 + 0.5) / 3),
        (9, (0.3 - 0.4 + 0.3) / 3, (0.6 - 0.4 + 0.5) / 3),
    ],
)
def test_means_over_lists_with_something_in_them(k: int, mean: float, best: float) -> None:
    assert list_rewards(REWARDS, ITEMS, k) == pytest.approx((mean, best))


@pytest.mark.parametrize(
    ("rewards", "items", "k", "message"),
    [
        ([[1.0]], [[1, 2]], 1, "must both be"),
        ([1.0], [1], 1, "must both be"),
        ([[1.0]], [[1]], 0, "at least 1"),
        ([[1.0]], [[-1]], 1, "no lists"),
        ([[np.nan]], [[1]], 1, "not finite"),
    ],
)
def test_what_is_refused(rewards: list, items: list, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list_rewards(rewards, items, k)
