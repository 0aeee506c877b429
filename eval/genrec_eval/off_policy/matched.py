"""A policy's value from a randomised trial: users whose arm happens to be the one the policy recommends.

The evaluation of budget methods such as LBCF (arXiv:2201.12585), as its authors' README describes it: for each arm
the mean outcome of the users who were recommended and had it, weighted by how many were recommended it, relative to
the base arm. That the base arm's users are those who were recommended the same is our reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError
from genrec_eval.off_policy.checks import Floats, as_columns, not_finite


@dataclass(frozen=True)
class ArmValue:
    """Users who were recommended one arm.

    Args:
        arm: the arm.
        recommended: how many users.
        matched: how many of them had it in the trial.
        value: mean outcome of these.
        base: mean outcome of those who had the base arm instead.
    """

    arm: int
    recommended: int
    matched: int
    value: float
    base: float


@dataclass(frozen=True)
class MatchedValue:
    """A policy's value in a trial.

    Args:
        value: the mean outcome if everybody got the recommended arm, with ``low`` and ``high``.
        gain: the same minus the mean outcome if everybody got the base arm, with ``gain_low`` and ``gain_high``.
        arms: each recommended arm.
    """

    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    arms: list[ArmValue]


def matched_policy_value(
    arms: npt.ArrayLike,
    recommended: npt.ArrayLike,
    outcomes: npt.ArrayLike,
    *,
    base: int = 0,
    level: float = 0.95,
) -> MatchedValue:
    """Return what a policy earns, from a trial in which arms were drawn without regard to the user.

    The same with costs for outcomes gives what it spends. The recommendations must come from a model that was not
    fitted to these users. Intervals are normal approximations.

    Args:
        arms: int [users], what each had in the trial.
        recommended: int [users], what the policy recommends to each.
        outcomes: float [users].
        base: the arm to compare with.
        level: of the intervals.

    Raises:
        DataError: naming every recommended arm that fewer than two users had whom it is recommended to, or for whom
            there are not two users of the base arm.
    """
    columns = as_columns({"arms": arms, "recommended": recommended, "outcomes": outcomes})
    if problems := not_finite(columns):
        raise DataError(problems)
    had, wanted, earned = columns["arms"], columns["recommended"], columns["outcomes"]
    groups = {int(arm): wanted == arm for arm in np.unique(wanted)}
    cells = {arm: (earned[of & (had == arm)], earned[of & (had == base)]) for arm, of in groups.items()}
    _require_users(cells, base)
    shares = np.array([of.mean() for of in groups.values()])
    reach = NormalDist().inv_cdf((1 + level) / 2)
    value, error = _mean(shares, [matched for matched, _ in cells.values()], len(had))
    gain, gain_error = _gain(shares, list(cells.values()), [arm == base for arm in cells], len(had))
    table = [
        ArmValue(arm, int(groups[arm].sum()), len(matched), float(matched.mean()), float(others.mean()))
        for arm, (matched, others) in cells.items()
    ]
    gains = (gain, gain - reach * gain_error, gain + reach * gain_error)
    return MatchedValue(value, value - reach * error, value + reach * error, *gains, table)


def _require_users(cells: dict[int, tuple[Floats, Floats]], base: int) -> None:
    problems = []
    for arm, (matched, others) in cells.items():
        for users, had in ((matched, arm), (others, base)):
            if len(users) < 2:
                problems.append(f"Of the users who are recommended arm {arm}, {len(users)} had arm {had}.")
    if problems:
        remedy = "At least two are needed of each: recommend fewer arms, or take more users."
        raise DataError(list(dict.fromkeys(problems)), remedy)


def _mean(shares: Floats, cells: list[Floats], users: int) -> tuple[float, float]:
    """Return the weighted mean of groups and its standard error: within them, and of their shares."""
    means = np.array([cell.mean() for cell in cells])
    within = np.array([cell.var(ddof=1) / len(cell) for cell in cells])
    return _combine(shares, means, within, users)


def _gain(
    shares: Floats, cells: list[tuple[Floats, Floats]], is_base: list[bool], users: int
) -> tuple[float, float]:
    """Return the weighted mean of differences from the base arm; users who are recommended it gain nothing."""
    differences = np.array([matched.mean() - others.mean() for matched, others in cells])
    within = np.array([_squared_error(matched) + _squared_error(others) for matched, others in cells])
    return _combine(shares, np.where(is_base, 0.0, differences), np.where(is_base, 0.0, within), users)


def _squared_error(outcomes: Floats) -> float:
    return float(outcomes.var(ddof=1)) / len(outcomes)


def _combine(shares: Floats, means: Floats, within: Floats, users: int) -> tuple[float, float]:
    value = float(shares @ means)
    between = float(shares @ np.square(means - value)) / users
    return value, float(np.sqrt(np.square(shares) @ within + between))
