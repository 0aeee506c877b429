"""Lists: obp's figures, and worlds in which one assumption holds and another does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genrec.errors import ConfigError, DataError
from genrec_eval.off_policy import SlateLog, slate_ips
from tests.eval.off_policy import reference

INTERACTIONS = ("independent", "cascade", "standard")


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_they_are_obps_in_any_order_of_rows(interaction: Any, rng: np.random.Generator) -> None:
    log = reference.lists()
    order = rng.permutation(len(log["rewards"]))
    found = slate_ips(SlateLog.of(**{name: column[order] for name, column in log.items()}), interaction)
    assert found.value == pytest.approx(reference.OBP[interaction], abs=1e-9)


def lists_of_two(lists: int, rng: np.random.Generator) -> tuple[dict[str, Any], float]:
    """Return lists of two places of 0 or 1, the second of which pays only below a 1, and the target's value."""
    logged, wanted = np.array([0.4, 0.5]), np.array([0.8, 0.7])
    ones = rng.random((lists, 2)) < logged
    rewards = np.stack([ones[:, 0] * 0.5, ones[:, 1] * ones[:, 0] * 1.0], axis=1)
    log = {
        "slates": np.repeat(np.arange(lists), 2), "positions": np.tile([0, 1], lists), "rewards": rewards.ravel(),
        "propensities": np.where(ones, logged, 1 - logged).ravel(),
        "target_propensities": np.where(ones, wanted, 1 - wanted).ravel(),
    }  # fmt: skip
    return log, 0.8 * 0.5 + 0.8 * 0.7


def test_a_reward_that_depends_on_the_item_above_needs_the_cascade(rng: np.random.Generator) -> None:
    log, truth = lists_of_two(100_000, rng)
    found = {interaction: slate_ips(SlateLog.of(**log), interaction) for interaction in INTERACTIONS}  # type: ignore[arg-type]
    assert found["cascade"].value == pytest.approx(truth, abs=0.02)
    assert found["standard"].value == pytest.approx(truth, abs=0.02)
    assert abs(found["independent"].value - truth) > 0.2
    assert found["independent"].effective_rows > found["cascade"].effective_rows > found["standard"].effective_rows


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(DataError) as error:
        SlateLog.of([0, 0], [0, 1], [1, 1], [0.0, 2.0], [0.5, -1])
    assert len(error.value.problems) == 3
    with pytest.raises(DataError, match=r"stands twice in one list \(rows: 1, counted from 0: 2\)"):
        SlateLog.of([7, 8, 7], [1, 1, 1], [1, 1, 1], [0.5] * 3, [0.5] * 3)
    with pytest.raises(ConfigError, match="independent, cascade, standard"):
        slate_ips(SlateLog.of([0], [0], [1], [0.5], [0.5]), "both")  # type: ignore[arg-type]
