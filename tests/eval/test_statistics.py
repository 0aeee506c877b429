"""Statistics against SciPy, exact enumerations and textbook figures."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genrec_eval.statistics import (
    compare,
    confidence_interval,
    gains,
    holm,
    mean_and_sd,
    randomization_p,
    users_needed,
)


def test_randomization_is_the_exact_test_where_it_can_be_enumerated() -> None:
    differences = np.array([1.0, 0.5, 0.5, -0.25, 0.0, 1.0, 0.6, 0.1])
    sums = [abs(np.dot(signs, differences)) for signs in product((-1, 1), repeat=8)]
    exact = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)
    assert randomization_p(differences, samples=200_000) == pytest.approx(exact, abs=0.004)


def test_the_interval_is_scipys(rng: np.random.Generator) -> None:
    differences = rng.choice([0, 0, 0, 1, 0.63, -0.5, -1], size=400)
    ours = confidence_interval(differences, samples=20_000)
    theirs = stats.bootstrap((differences,), np.mean, n_resamples=5000, method="percentile", rng=1)
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=0.006)


def test_no_difference_and_no_users() -> None:
    assert randomization_p(np.zeros(5)) == 1.0
    assert confidence_interval(np.zeros(5)) == (0.0, 0.0)
    for function in (randomization_p, confidence_interval):
        with pytest.raises(ValueError, match="at least one"):
            function([])


def test_p_of_chance_is_even(rng: np.random.Generator) -> None:
    ps = [randomization_p(rng.normal(size=60), samples=400, seed=at) for at in range(200)]
    assert 0.02 <= np.mean(np.array(ps) < 0.05) <= 0.09
    assert stats.kstest(ps, "uniform").pvalue > 0.01


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8))
def test_holm_corrects_upwards_and_keeps_the_order(ps: list[float]) -> None:
    corrected = holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, corrected, strict=True))
    assert [corrected[at] for at in np.argsort(ps, kind="stable")] == sorted(corrected)
    assert min(corrected) == min(1.0, len(ps) * min(ps))


def test_power_is_the_textbook_formula_and_holds_in_a_simulation(rng: np.random.Generator) -> None:
    assert users_needed(1.0, 0.5) == 32  # (1.95996 + .84162)² · 4 = 31.4
    users = users_needed(1.0, 0.3)
    found = [stats.ttest_1samp(rng.normal(0.3, 1.0, users), 0).pvalue < 0.05 for _ in range(600)]
    assert 0.73 < np.mean(found) < 0.87
    with pytest.raises(ValueError, match="no test"):
        users_needed(1.0, 0.0)


def test_mean_and_sd() -> None:
    assert mean_and_sd([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert mean_and_sd([1.5]) == (1.5, None)
    with pytest.raises(ValueError, match="no seeds"):
        mean_and_sd([])


def test_gains_of_items_and_of_sessions() -> None:
    assert gains(pl.Series([1, 0, 3, 11]), "recall", 10).tolist() == [1, 0, 1, 0]
    np.testing.assert_allclose(gains(pl.Series([1, 3]), "ndcg", 10), [1, 0.5])
    assert gains(pl.Series([[1, 0], [4]]), "recall", 3).tolist() == [0.5, 0]


def test_a_comparison_tells_chance_from_difference(rng: np.random.Generator) -> None:
    base = (rng.random(3000) < 0.2).astype(float)
    noisy = np.where(rng.random(3000) < 0.05, 1 - base, base)
    better = np.where(rng.random(3000) < 0.1, 1.0, base)
    found = {row.other: row for row in compare("better", {"better": better, "noisy": noisy, "base": base})}
    assert found["base"].significant
    assert found["base"].difference == pytest.approx((better - base).mean())
    assert found["base"].interval[0] > 0
    assert found["base"].effect > 0.2
    same = compare("base", {"base": base, "copy": base.copy()})[0]
    assert (same.p, same.effect, same.significant) == (1.0, 0.0, False)
    assert found["base"].to_dict()["significant"] is True
