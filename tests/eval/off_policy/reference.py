"""Twelve rows and five lists, and what obp 0.4.1 says of them.

    pip install --no-deps --target obp obp==0.4.1        # and pandas, scikit-learn, torch
    PYTHONPATH=obp python -m tests.eval.off_policy.reference

prints ``OBP`` as it stands below. obp is no dependency of genrec; it is an independent second opinion.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ROWS, ACTIONS, PLACES, LISTS = 12, 4, 3, 5

OBP = {
    "ips": 0.20584065644116512,
    "snips": 0.5122032024094073,
    "direct_method": 0.5047751861012703,
    "doubly_robust": 0.5438452393785125,
    "replay": 0.6666666666666666,
    "independent": 3.479022192824148,
    "cascade": 11.958192131566955,
    "standard": 15.542401030502782,
}


def rows() -> dict[str, Any]:
    """Return a log of actions at places, another policy's probabilities, and a reward model's estimates."""
    rng = np.random.default_rng(12345)
    target = rng.uniform(0.1, 1, (ROWS, ACTIONS, PLACES))
    return {
        "rewards": rng.integers(0, 2, ROWS).astype(float),
        "actions": rng.integers(0, ACTIONS, ROWS),
        "positions": rng.integers(0, PLACES, ROWS),
        "propensities": rng.uniform(0.05, 0.9, ROWS),
        "target": target / target.sum(axis=1, keepdims=True),
        "estimated": rng.uniform(0, 1, (ROWS, ACTIONS, PLACES)),
    }


def certain(target: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the policy that always takes the likeliest action."""
    return (target == target.max(axis=1, keepdims=True)).astype(float)


def lists() -> dict[str, Any]:
    """Return a log of lists with each row's own propensities."""
    rng = np.random.default_rng(54321)
    return {
        "slates": np.repeat(np.arange(LISTS), PLACES),
        "positions": np.tile(np.arange(PLACES), LISTS),
        "rewards": rng.integers(0, 2, LISTS * PLACES).astype(float),
        "propensities": rng.uniform(0.1, 0.9, LISTS * PLACES),
        "target_propensities": rng.uniform(0.1, 0.9, LISTS * PLACES),
    }


def ask_obp() -> dict[str, float]:
    """Return what obp says of the rows and lists."""
    from obp import ope

    log = rows()
    given = {name: log[ours] for name, ours in (("reward", "rewards"), ("action", "actions"))}
    given |= {"position": log["positions"], "pscore": log["propensities"], "action_dist": log["target"]}
    given["estimated_rewards_by_reg_model"] = log["estimated"]
    estimators = {
        "ips": ope.InverseProbabilityWeighting(),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting(),
        "direct_method": ope.DirectMethod(),
        "doubly_robust": ope.DoublyRobust(),
    }
    said = {name: float(estimator.estimate_policy_value(**given)) for name, estimator in estimators.items()}
    given["action_dist"] = certain(log["target"])
    said["replay"] = float(ope.ReplayMethod().estimate_policy_value(**given))
    return said | _ask_obp_of_lists()


def _ask_obp_of_lists() -> dict[str, float]:
    from obp import ope

    log = lists()
    shared = {"slate_id": log["slates"], "reward": log["rewards"], "position": log["positions"]}
    tables = [log[name].reshape(LISTS, PLACES) for name in ("propensities", "target_propensities")]
    cascade = [np.cumprod(table, axis=1).ravel() for table in tables]
    whole = [np.repeat(table.prod(axis=1), PLACES) for table in tables]
    asked = {
        "independent": (ope.SlateIndependentIPS, "pscore_item_position", [table.ravel() for table in tables]),
        "cascade": (ope.SlateRewardInteractionIPS, "pscore_cascade", cascade),
        "standard": (ope.SlateStandardIPS, "pscore", whole),
    }
    return {
        name: float(
            kind(len_list=PLACES).estimate_policy_value(
                **shared, **{score: logged, f"evaluation_policy_{score}": target}
            )
        )
        for name, (kind, score, (logged, target)) in asked.items()
    }


if __name__ == "__main__":
    print(ask_obp())
