"""AUC, GAUC, calibration and log-loss: by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec_eval.metrics.auc import auc, grouped_auc
from genrec_eval.metrics.calibration import calibration_error, log_loss

pairs = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30)


@given(pairs)
def test_auc_is_the_share_of_ordered_pairs(requests: list[tuple[bool, int]]) -> None:
    above = [score for label, score in requests if label]
    below = [score for label, score in requests if not label]
    wins = [(a > b) + (a == b) / 2 for a in above for b in below]
    labels, scores = zip(*requests, strict=True)
    found = auc(labels, scores)
    assert found == (pytest.approx(np.mean(wins)) if wins else None)


def test_against_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 500), rng.random(500).round(2)
    assert auc(labels, scores) == pytest.approx(sklearn.roc_auc_score(labels, scores))
    inner = scores.clip(0.01, 0.99)
    assert log_loss(labels, inner) == pytest.approx(sklearn.log_loss(labels, inner))


def test_grouped_auc_by_hand() -> None:
    labels = [1, 0, 1, 0, 0, 1, 1]
    scores = [0.9, 0.1, 0.2, 0.8, 0.1, 0.5, 0.5]
    users = [7, 7, 3, 3, 3, 5, 5]  # user 5 has one class; 7 is right; 3 has one pair of two right
    found, covered = grouped_auc(labels, scores, users)
    assert found == pytest.approx((2 * 1.0 + 3 * 0.5) / 5)
    assert covered == pytest.approx(5 / 7)
    assert grouped_auc([1, 1], [0.1, 0.2], [0, 0]) == (None, 0.0)


def test_calibration_error_by_hand() -> None:
    labels, probabilities = [1, 0, 1, 1], [0.2, 0.25, 0.9, 1.0]
    # Bin 2: mean label .5, mean probability .225, two of four; bin 9: 1 and .95, two of four.
    assert calibration_error(labels, probabilities) == pytest.approx(0.5 * 0.275 + 0.5 * 0.05)
    assert calibration_error([0.5, 0.5], [0.5, 0.5]) == 0.0


def test_nothing_to_measure() -> None:
    for measure in (calibration_error, log_loss):
        with pytest.raises(ValueError, match="one of each"):
            measure([], [])
        with pytest.raises(ValueError, match="one of each"):
            measure([1], [0.1, 0.2])
    with pytest.raises(ValueError, match="one of each"):
        auc([1, 0], [0.5])
