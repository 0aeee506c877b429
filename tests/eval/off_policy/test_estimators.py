"""Estimators against obp, against a planted bandit, and by their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import ConfigError, DataError
from genrec_eval.off_policy import BanditLog, Estimate, direct_method, doubly_robust, estimate_all, ips, snips
from tests.eval.off_policy import reference
from tests.eval.off_policy.worlds import Draw, World, draw, world


def log_of(planted: World, drawn: Draw, guess: np.ndarray | None = None, wrong: float = 0.0) -> BanditLog:
    """Return a log with a reward model's table; ``wrong`` moves the logged propensities toward uniform ones."""
    logged = (1 - wrong) * planted.logging + wrong / planted.logging.shape[1]
    return BanditLog.from_policies(
        drawn.rewards,
        drawn.actions,
        logged[drawn.kinds, drawn.actions],
        planted.target[drawn.kinds],
        None if guess is None else guess[drawn.kinds],
    )


def test_they_are_obps() -> None:
    log = BanditLog.from_policies(**reference.rows())
    for estimate in estimate_all(log):
        assert estimate.value == pytest.approx(reference.OBP[estimate.estimator], abs=1e-9)
    assert len(estimate_all(log)) == 4


def test_they_are_unbiased_on_a_planted_bandit(rng: np.random.Generator) -> None:
    planted = world()
    found = [estimate_all(log_of(planted, draw(planted, 200, rng), planted.means * 0.5)) for _ in range(400)]
    means = {one.estimator: np.mean([row[at].value for row in found]) for at, one in enumerate(found[0])}
    assert means["ips"] == pytest.approx(planted.value, abs=0.012)
    assert means["snips"] == pytest.approx(planted.value, abs=0.012)
    assert means["doubly_robust"] == pytest.approx(planted.value, abs=0.012)
    assert means["direct_method"] == pytest.approx(planted.value / 2, abs=0.005)


@pytest.mark.parametrize(("model", "wrong", "right"), [(1.0, 0.6, True), (0.2, 0.0, True), (0.2, 0.6, False)])
def test_doubly_robust_is_right_if_either_half_is(model: float, wrong: float, right: bool) -> None:
    planted = world(4)
    log = log_of(planted, draw(planted, 200_000, np.random.default_rng(1)), planted.means * model, wrong)
    assert (abs(doubly_robust(log).value - planted.value) < 0.005) == right


@pytest.mark.parametrize("estimator", [ips, snips, doubly_robust])
def test_intervals_hold_the_truth_as_often_as_they_say(estimator: object, rng: np.random.Generator) -> None:
    planted = world(1)
    logs = [log_of(planted, draw(planted, 500, rng), planted.means * 0.7) for _ in range(400)]
    estimates = [estimator(log) for log in logs]  # type: ignore[operator]
    inside = np.mean([one.low <= planted.value <= one.high for one in estimates])
    assert 0.92 < inside < 0.98


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 1), st.floats(0, 1)), min_size=1, max_size=30).filter(
        lambda rows: any(target > 1e-6 for _, _, target in rows)
    )
)
def test_snips_lies_within_the_rewards_and_the_rows_that_count_are_no_more_than_there_are(
    rows: list[tuple[float, float, float]],
) -> None:
    rewards, propensities, targets = (np.array(column) for column in zip(*rows, strict=True))
    estimate = snips(BanditLog.of(rewards, propensities, targets))
    assert rewards.min() - 1e-9 <= estimate.value <= rewards.max() + 1e-9
    assert 0 < estimate.effective_rows <= len(rows) * (1 + 1e-9)
    assert estimate.low <= estimate.value <= estimate.high


def test_a_policy_valued_by_its_own_log_has_its_mean_and_all_rows_count(rng: np.random.Generator) -> None:
    rewards, chances = rng.normal(size=50), rng.uniform(0.1, 1, 50)
    for estimate in estimate_all(BanditLog.of(rewards, chances, chances)):
        assert estimate.value == pytest.approx(rewards.mean())
        assert estimate.effective_rows == pytest.approx(50)
        half = 1.959964 * rewards.std(ddof=1) / np.sqrt(50)
        assert (estimate.low, estimate.high) == pytest.approx((rewards.mean() - half, rewards.mean() + half))


def test_weights_are_cut_only_when_told() -> None:
    log = BanditLog.of([1.0, 0.0, 1.0], [0.1, 0.5, 0.5], [1.0, 0.5, 0.25])
    assert (ips(log).value, ips(log).clipped) == (pytest.approx(10.5 / 3), 0.0)
    cut = ips(log, max_weight=2)
    assert (cut.value, cut.clipped) == (pytest.approx(2.5 / 3), pytest.approx(1 / 3))
    assert cut.effective_rows == pytest.approx(3.5**2 / (4 + 1 + 0.25))
    with pytest.raises(ConfigError, match="max_weight"):
        snips(log, max_weight=0)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(DataError) as error:
        BanditLog.of([1, np.nan, 0, 1], [0.5, 0.0, -0.1, 0.5], [0.5, 0.5, 1.5, 0.5], estimated_rewards=[0, 0, 0, 0])
    text = str(error.value)
    for words in (
        "rewards is missing or infinite (rows: 1, counted from 0: 1)",
        "propensities is 0 for something that was shown (rows: 1, counted from 0: 1)",
        "propensities is not between 0 and 1 (rows: 1, counted from 0: 2)",
        "target_propensities is not between 0 and 1",
        "estimated_values come together",
        "more exploration",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (([1, 0], [0.5], [0.5, 0.5]), "propensities has 1 rows, and rewards 2"),
        (([], [], []), "no rows"),
        (([[1]], [0.5], [0.5]), "shape"),
        ((["a"], [0.5], [0.5]), "no number"),
    ],
)
def test_odd_columns_are_refused(columns: tuple[list[object], ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        BanditLog.of(*columns)


def test_distributions_that_do_not_fit_are_refused() -> None:
    target = np.full((2, 2), 0.5)
    with pytest.raises(DataError, match="not one of 0 to 1"):
        BanditLog.from_policies([0, 1], [0, 2], [0.5, 0.5], target)
    with pytest.raises(DataError, match="sum to 1"):
        BanditLog.from_policies([0, 1], [0, 1], [0.5, 0.5], target * 2)
    with pytest.raises(DataError, match="shapes do not fit"):
        BanditLog.from_policies([0, 1], [0, 1], [0.5, 0.5], target, estimated=target[:1])
    with pytest.raises(DataError, match="position"):
        BanditLog.from_policies([0, 1], [0, 1], [0.5, 0.5], target, positions=[0, 1])


def test_what_cannot_be_estimated_says_why() -> None:
    log = BanditLog.of([1.0], [0.5], [0.0])
    with pytest.raises(DataError, match="every weight is 0"):
        snips(log)
    for estimator in (direct_method, doubly_robust):
        with pytest.raises(DataError, match="reward model"):
            estimator(log)
    with pytest.raises(ConfigError, match="level"):
        ips(log, level=95)
    assert isinstance(ips(log), Estimate)
