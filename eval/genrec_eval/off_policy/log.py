"""A bandit log: what was shown, with which probability, what it earned, and how likely another policy shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError
from genrec_eval.off_policy.checks import Floats, as_columns, not_finite, rows_where, wrong_propensities

_REMEDY = (
    "A policy's value follows from a log only where what was shown had a chance above 0, and that chance was "
    "logged; leave such rows out of both policies, or log with more exploration."
)


@dataclass(frozen=True)
class BanditLog:
    """A checked log; make one with :meth:`of` or :meth:`from_policies`.

    Args:
        rewards: float64 [rows].
        propensities: float64 [rows], the logging policy's probability of the action that was shown, above 0.
        target_propensities: float64 [rows], the probability of that action under the policy to be valued.
        estimated_rewards: float64 [rows], a reward model's estimate for what was shown; None without one.
        estimated_values: float64 [rows], its mean over the actions of the policy to be valued,
            ``Σ_a π(a | x) q(x, a)``; None without one.
    """

    rewards: Floats
    propensities: Floats
    target_propensities: Floats
    estimated_rewards: Floats | None = None
    estimated_values: Floats | None = None

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def weights(self) -> Floats:
        """Importance weights, target propensity over propensity, float64 [rows]."""
        return self.target_propensities / self.propensities

    @classmethod
    def of(
        cls,
        rewards: npt.ArrayLike,
        propensities: npt.ArrayLike,
        target_propensities: npt.ArrayLike,
        estimated_rewards: npt.ArrayLike | None = None,
        estimated_values: npt.ArrayLike | None = None,
    ) -> BanditLog:
        """Check the columns of a log.

        Raises:
            DataError: naming everything that is wrong: lengths, missing numbers, propensities that are none or 0,
                one estimate without the other.
        """
        given = {
            "rewards": rewards,
            "propensities": propensities,
            "target_propensities": target_propensities,
            "estimated_rewards": estimated_rewards,
            "estimated_values": estimated_values,
        }
        columns = as_columns({name: values for name, values in given.items() if values is not None})
        problems = [
            *not_finite(columns),
            *wrong_propensities("propensities", columns["propensities"], zero_allowed=False),
            *wrong_propensities("target_propensities", columns["target_propensities"], zero_allowed=True),
        ]
        if (estimated_rewards is None) != (estimated_values is None):
            problems.append("estimated_rewards and estimated_values come together, and one of them is missing.")
        if problems:
            raise DataError(problems, _REMEDY)
        return cls(**columns)

    @classmethod
    def from_policies(
        cls,
        rewards: npt.ArrayLike,
        actions: npt.ArrayLike,
        propensities: npt.ArrayLike,
        target: npt.ArrayLike,
        estimated: npt.ArrayLike | None = None,
        positions: npt.ArrayLike | None = None,
    ) -> BanditLog:
        """Make a log of whole distributions over actions.

        With ``positions``, a row is one place of a list, and the reward is taken to depend on the action and its
        place alone (the item-position assumption); propensities and target are those of the action at this place.

        Args:
            rewards: float [rows].
            actions: int [rows], what was shown.
            propensities: float [rows], the logging policy's probability of it.
            target: float [rows, actions] or [rows, actions, positions], the other policy's probabilities.
            estimated: a reward model's estimates, of the same shape; None without one.
            positions: int [rows], from 0; None where there is one.

        Raises:
            DataError: as for :meth:`of`, and if the shapes do not fit, an action or position does not exist, or the
                target's probabilities of a row do not sum to 1.
        """
        columns = as_columns({"rewards": rewards, "actions": actions, "propensities": propensities})
        of, rows = columns["actions"].astype(np.int64), len(columns["rewards"])
        places = np.zeros(rows, dtype=np.int64) if positions is None else np.asarray(positions, dtype=np.int64)
        tables = {"target": target} | ({} if estimated is None else {"estimated": estimated})
        full = {name: _three_axes(np.asarray(table, dtype=np.float64)) for name, table in tables.items()}
        problems = _misfits(full, rows, of, places)
        if problems:
            raise DataError(problems)
        row = np.arange(rows)
        chosen = full["target"][row, :, places]
        if problems := rows_where(
            np.abs(chosen.sum(axis=1) - 1) > 1e-6, "target does not sum to 1 over the actions"
        ):
            raise DataError(problems)
        if "estimated" not in full:
            return cls.of(columns["rewards"], columns["propensities"], chosen[row, of])
        guessed = full["estimated"][row, :, places]
        values = (chosen * guessed).sum(axis=1)
        return cls.of(columns["rewards"], columns["propensities"], chosen[row, of], guessed[row, of], values)


def _three_axes(table: Floats) -> Floats:
    return table[:, :, None] if table.ndim == 2 else table


def _misfits(
    tables: dict[str, Floats], rows: int, actions: npt.NDArray[np.int64], places: npt.NDArray[np.int64]
) -> list[str]:
    shapes = {table.shape for table in tables.values()}
    if len(shapes) > 1 or any(len(shape) != 3 or shape[0] != rows for shape in shapes) or places.shape != (rows,):
        given = ", ".join(f"{name} {table.shape}" for name, table in tables.items())
        return [f"The shapes do not fit {rows:,} rows: {given}, positions {places.shape}."]
    (_, there, depth) = next(iter(shapes))
    return [
        *rows_where((actions < 0) | (actions >= there), f"An action is not one of 0 to {there - 1}"),
        *rows_where((places < 0) | (places >= depth), f"A position is not one of 0 to {depth - 1}"),
    ]
