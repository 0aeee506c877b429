"""The figures of an A/B test: right on average, as often wrong as they say, also for who keeps looking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genrec_eval.simulation.analysis import (
    FIRST_LOOK,
    confidence_sequence,
    estimates,
    lift,
    lift_of_pairs,
    mismatch,
    mismatch_p,
)
from genrec_eval.simulation.arrays import Bools, Floats
from genrec_eval.simulation.draws import shares, uniform

USERS, TESTS = 800, 400


def draw(rng: np.random.Generator, effect: float, users: int = USERS) -> tuple[Floats, Floats, Bools]:
    """Users who liked as much before as during the test, but for chance and the effect."""
    liking = rng.gamma(2.0, 2.0, users)
    in_b = rng.random(users) < 0.5
    return rng.poisson(liking + effect * in_b).astype(float), rng.poisson(liking).astype(float), in_b


def test_at_every_look_the_figures_are_those_of_the_users_so_far(rng: np.random.Generator) -> None:
    after, before, in_b = draw(rng, 1.0, 60)
    running = estimates(after, before, in_b)
    for n in (20, 37, 60):
        y, x, b = after[:n], before[:n], in_b[:n]
        centred = [(y[b == arm] - y[b == arm].mean(), x[b == arm] - x[b == arm].mean()) for arm in (0, 1)]
        theta = sum((v * w).sum() for v, w in centred) / sum((w * w).sum() for _, w in centred)
        adjusted = y - theta * (x - x.mean())
        difference = adjusted[b].mean() - adjusted[~b].mean()
        error = np.hypot(*((adjusted[b == arm].std(ddof=1) / np.sqrt((b == arm).sum())) for arm in (0, 1)))
        assert running.difference[n - 1] == pytest.approx(difference)
        assert running.error[n - 1] == pytest.approx(error)
        assert running.plain[n - 1] == pytest.approx(y[b].mean() - y[~b].mean())


def test_without_a_period_before_it_is_the_plain_comparison(rng: np.random.Generator) -> None:
    after, _, in_b = draw(rng, 0.5)
    found = lift(after, np.zeros(USERS), in_b)
    assert found.variance_reduction == pytest.approx(0, abs=1e-12)
    reference = stats.ttest_ind(after[in_b], after[~in_b], equal_var=False).confidence_interval(0.95)
    assert found.interval == pytest.approx((reference.low, reference.high), rel=0.01)
    assert found.relative == pytest.approx(after[in_b].mean() / after[~in_b].mean() - 1)


def test_intervals_hold_the_planted_lift_as_often_as_they_say_and_cuped_makes_them_narrower() -> None:
    rng = np.random.default_rng(1)
    found = [lift(*draw(rng, 0.4)) for _ in range(TESTS)]
    held = np.mean([one.interval[0] <= 0.4 <= one.interval[1] for one in found])
    assert 0.92 < held < 0.98
    differences = np.array([[one.difference, one.plain] for one in found])
    assert differences.mean(axis=0) == pytest.approx([0.4, 0.4], abs=4 * 0.25 / np.sqrt(TESTS))
    reduction = 1 - differences[:, 0].var() / differences[:, 1].var()
    assert np.mean([one.variance_reduction for one in found]) == pytest.approx(reduction, abs=0.08)
    assert reduction > 0.35  # the correlation is 2/3, its square 4/9


def test_relative_intervals_hold_too() -> None:
    rng = np.random.default_rng(2)
    found = [lift(*draw(rng, 0.4)).relative_interval for _ in range(TESTS)]
    held = np.mean([one is not None and one[0] <= 0.1 <= one[1] for one in found])  # A likes 4 items on average
    assert 0.92 < held < 0.98


@pytest.mark.parametrize("effect", [0.0, 0.3])
def test_the_sequence_holds_the_truth_at_all_looks_together(effect: float) -> None:
    rng, missed, naive = np.random.default_rng(3), 0, 0
    for _ in range(TESTS):
        running = estimates(*draw(rng, effect))
        low, high = confidence_sequence(running, 0.05)
        missed += bool(((low > effect) | (high < effect)).any())
        fixed = 1.96 * running.error[FIRST_LOOK - 1 :]
        naive += bool((np.abs(running.difference[FIRST_LOOK - 1 :] - effect) > fixed).any())
    assert missed <= 0.05 * TESTS + 2 * np.sqrt(0.05 * 0.95 * TESTS)
    assert naive > 0.15 * TESTS  # what looking all the time does to an interval that is made for one look


def test_a_large_lift_stops_early_and_none_does_not() -> None:
    rng = np.random.default_rng(4)
    large = [lift(*draw(rng, 2.0)).stopped_after for _ in range(30)]
    assert all(at is not None and FIRST_LOOK <= at < USERS for at in large)
    none = [lift(*draw(rng, 0.0)).stopped_after for _ in range(100)]
    assert sum(at is not None for at in none) <= 5


def test_pairs_are_the_paired_comparison(rng: np.random.Generator) -> None:
    a = rng.poisson(5, 300).astype(float)
    b = a + rng.poisson(1, 300)
    found = lift_of_pairs(a, b)
    reference = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert found.interval == pytest.approx((reference.low, reference.high), rel=0.01)
    assert found.relative == pytest.approx(b.mean() / a.mean() - 1)
    error = np.hypot(a.std(ddof=1), b.std(ddof=1)) / np.sqrt(150)
    assert found.variance_reduction == pytest.approx(1 - (b - a).var(ddof=1) / 300 / error**2)
    assert found.stopped_after == FIRST_LOOK


def test_intervals_of_pairs_hold_the_truth_at_one_look_and_at_all() -> None:
    rng, held, relative, missed = np.random.default_rng(6), 0, 0, 0
    for _ in range(TESTS):
        liking = rng.gamma(2.0, 2.0, USERS)
        found = lift_of_pairs(rng.poisson(liking).astype(float), rng.poisson(liking * 1.1).astype(float))
        held += found.interval[0] <= 0.4 <= found.interval[1]
        assert found.relative_interval is not None
        relative += found.relative_interval[0] <= 0.1 <= found.relative_interval[1]
        none = lift_of_pairs(rng.poisson(liking).astype(float), rng.poisson(liking).astype(float))
        missed += none.stopped_after is not None
    assert 0.92 * TESTS < held < 0.98 * TESTS
    assert 0.92 * TESTS < relative < 0.98 * TESTS
    assert missed <= 0.05 * TESTS + 2 * np.sqrt(0.05 * 0.95 * TESTS)


def test_one_arm_may_be_alone_at_first() -> None:
    after, before, in_b = draw(np.random.default_rng(5), 0.0, 400)
    order = np.argsort(in_b, kind="stable")  # all of A first
    low, high = confidence_sequence(estimates(after[order], before[order], in_b[order]), 0.05)
    assert np.isinf(high[: int((~in_b).sum())]).all()
    assert np.isfinite([low[-1], high[-1]]).all()


def test_arms_of_the_wrong_size_are_noticed() -> None:
    assert mismatch_p(np.arange(1000) < 480, 0.5) == pytest.approx(stats.chisquare([480, 520]).pvalue)
    assert not mismatch(np.arange(1000) < 480, 0.5)
    assert mismatch(np.arange(1000) < 440, 0.5)
    assert not mismatch(np.arange(1000) < 100, 0.1)


def test_users_are_divided_by_name_alone() -> None:
    names = [f"user {number}" for number in range(4000)]
    drawn = shares(names, "a")
    assert (drawn[:10] == shares(names[:10], "a")).all()
    assert drawn.mean() == pytest.approx(0.5, abs=0.02)
    assert stats.kstest(drawn, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(drawn, shares(names, "b"))[0, 1]) < 0.06


def test_draws_are_even_and_belong_to_their_moment() -> None:
    users, visits = np.arange(200)[:, None], np.arange(50)
    drawn = uniform(0, 1, users, visits)
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 0.001
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.03
    assert (uniform(0, 1, users[7], visits[9]) == drawn[7, 9]).all()
    others = uniform(0, 2, users, visits), uniform(1, 1, users, visits)
    assert all(abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 0.03 for other in others)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31), st.integers(0, 10**6))
def test_draws_are_in_the_unit_interval(seed: int, user: int, visit: int) -> None:
    drawn = uniform(seed, 1, np.array([user]), visit)
    assert 0 <= drawn[0] < 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(-50, 50), st.floats(0.1, 20))
def test_a_lift_moves_and_scales_with_its_figure(seed: int, shift: float, scale: float) -> None:
    after, before, in_b = draw(np.random.default_rng(seed), 0.5, 150)
    one, other = lift(after, before, in_b), lift(scale * after + shift, before - shift, in_b)
    assert other.difference == pytest.approx(scale * one.difference, abs=1e-6)
    assert other.variance_reduction == pytest.approx(one.variance_reduction, abs=1e-6)
    assert other.stopped_after == one.stopped_after
