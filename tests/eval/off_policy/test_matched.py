"""The matched value of a policy in a randomised trial."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from genrec.errors import DataError
from genrec_eval.off_policy import matched_policy_value

# Of two kinds of users, what each of three arms gives on average. The second kind wants arm 2, the first arm 0.
EFFECTS = np.array([[1.0, 0.8, 0.5], [1.0, 1.5, 3.0]])


def trial(users: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], ...]:
    kinds, arms = rng.integers(0, 2, users), rng.choice(3, users, p=[0.5, 0.3, 0.2])
    return kinds, arms, EFFECTS[kinds, arms] + rng.normal(0, 1, users)


def test_value_and_gain_by_hand() -> None:
    arms = [0, 0, 1, 1, 0, 0, 1, 1]
    wanted = [1, 1, 1, 1, 0, 0, 0, 0]
    outcomes = [1.0, 2.0, 5.0, 6.0, 3.0, 5.0, 9.0, 9.0]
    found = matched_policy_value(arms, wanted, outcomes)
    assert found.value == pytest.approx((5.5 + 4.0) / 2)
    assert found.gain == pytest.approx((5.5 - 1.5) / 2)
    assert [(row.arm, row.recommended, row.matched, row.value, row.base) for row in found.arms] == [
        (0, 4, 2, 4.0, 4.0),
        (1, 4, 2, 5.5, 1.5),
    ]


def test_the_truth_lies_in_the_intervals_as_often_as_they_say(rng: np.random.Generator) -> None:
    inside_value, inside_gain, values = [], [], []
    for _ in range(300):
        kinds, arms, outcomes = trial(600, rng)
        found = matched_policy_value(arms, np.where(kinds == 1, 2, 0), outcomes)
        inside_value.append(found.low <= 2.0 <= found.high)
        inside_gain.append(found.gain_low <= 1.0 <= found.gain_high)
        values.append(found.value)
    assert 0.91 < np.mean(inside_value) < 0.985
    assert 0.91 < np.mean(inside_gain) < 0.985
    assert np.mean(values) == pytest.approx(2.0, abs=0.03)


def test_everybody_on_the_base_arm_gains_nothing(rng: np.random.Generator) -> None:
    _, arms, outcomes = trial(200, rng)
    found = matched_policy_value(arms, np.zeros(200), outcomes)
    assert (found.gain, found.gain_low, found.gain_high) == (0.0, 0.0, 0.0)
    assert found.value == pytest.approx(outcomes[arms == 0].mean())


def test_arms_that_nobody_had_are_all_named() -> None:
    with pytest.raises(DataError) as error:
        matched_policy_value([0, 0, 0, 1], [1, 2, 1, 1], [1.0, 2.0, 3.0, 4.0])
    text = str(error.value)
    assert "recommended arm 1, 1 had arm 1" in text
    assert "recommended arm 2, 0 had arm 2" in text
    assert "recommended arm 2, 1 had arm 0" in text
    with pytest.raises(DataError, match="missing or infinite"):
        matched_policy_value([0, 1], [0, 1], [np.nan, 1.0])
