"""Whether a user likes what is shown: a calibrated logistic model of a few columns that can be named.

    logit P(like) = w₀ + w₁ item + w₂ user + w₃ category + w₄ factors − w₅ log(1 + load)

The first four columns are :mod:`tastes`, learned out of fold; the load is :mod:`fatigue`. Tastes do not change in a
simulation; only the load does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec_eval.simulation.arrays import Bools, Floats, Ints, sigmoid
from genrec_eval.simulation.fatigue import met_in
from genrec_eval.simulation.log import Log
from genrec_eval.simulation.logistic import Logistic, fit_logistic
from genrec_eval.simulation.tastes import Tastes, columns_out_of_fold
from genrec_eval.simulation.values import Values

HALF_LIVES = (1 / 24, 1.0, 7.0)  # days: an hour, a day, a week


@dataclass(frozen=True)
class Tiring:
    """What the log shows of fatigue, and what is simulated.

    Args:
        weight: of log(1 + load) in the log, negative where more of the same is liked less.
        error: its standard error; None where the log cannot show it.
        half_life: days in which a load halves, of ``HALF_LIVES`` the likeliest.
        used: the weight that is simulated, never above 0.
        assumed: whether it was set by hand.
    """

    weight: float = 0.0
    error: float | None = None
    half_life: float = 1.0
    used: float = 0.0
    assumed: bool = False


@dataclass(frozen=True)
class Response:
    """The law of answers.

    Args:
        tastes: the columns.
        model: weights of a constant and of ``COLUMNS``.
        tiring: fatigue.
        values: what a like or its opposite is worth; None where the log has no values.
    """

    tastes: Tastes
    model: Logistic
    tiring: Tiring
    values: Values | None

    def probability(self, users: Ints, items: Ints, met: Floats) -> Floats:
        """Return P(like) of pairs, float64 [pairs].

        Args:
            users: int [pairs].
            items: int [pairs].
            met: float64 [pairs], as :meth:`Fatigue.met` returns it.
        """
        columns = _with_constant(self.tastes.columns(users, items))
        return sigmoid(columns @ self.model.weights + self.tiring.used * met)


def fit_response(log: Log, assumed: float | None = None, seed: int = 0) -> Response:
    """Fit the law of answers to the training part of a log.

    Fatigue is simulated as the log shows it: if its weight is below 0 by two standard errors. If more of the same
    is liked *more* in the log, that is taken for the log's choice of items and nobody tires.

    Args:
        log: the log.
        assumed: a weight of fatigue to be used instead.
        seed: of the folds and the factorisation.
    """
    rows = np.flatnonzero(log.learned)
    users, liked = log.users[rows], log.liked[rows]
    columns = _with_constant(columns_out_of_fold(log, rows, seed))
    tiring, met = _tiring(log, rows, columns, assumed)
    model = fit_logistic(columns, liked, users, tiring.used * met)
    probabilities = sigmoid(columns @ model.weights + tiring.used * met)
    values = None if log.values is None else Values.fit(probabilities, liked, log.values[rows])
    return Response(Tastes.fit(log, rows, seed), model, tiring, values)


def _tiring(log: Log, rows: Ints, columns: Floats, assumed: float | None) -> tuple[Tiring, Floats]:
    """Return fatigue, and what the rows met with the half-life that is used."""
    if not log.timed or not log.category_names:
        return Tiring(used=-(assumed or 0.0), assumed=assumed is not None), np.zeros(len(rows))
    best: tuple[float, Tiring, Floats] | None = None
    for half_life in HALF_LIVES:
        met = met_in(log, half_life)[rows]
        model = fit_logistic(np.column_stack([columns, met]), log.liked[rows], log.users[rows])
        found = _as_shown(model, half_life, assumed)
        loss = _loss(model.probability(np.column_stack([columns, met])), log.liked[rows])
        if best is None or loss < best[0]:
            best = loss, found, met
    assert best is not None
    return best[1], best[2]


def _as_shown(model: Logistic, half_life: float, assumed: float | None) -> Tiring:
    weight, error = float(model.weights[-1]), float(model.errors[-1])
    shown = min(0.0, weight) if model.shows(len(model.weights) - 1) else 0.0
    return Tiring(weight, error, half_life, shown if assumed is None else -assumed, assumed is not None)


def _loss(probabilities: Floats, liked: Bools) -> float:
    return float(-np.log(np.where(liked, probabilities, 1 - probabilities).clip(1e-12)).sum())


def _with_constant(columns: Floats) -> Floats:
    return np.column_stack([np.ones(len(columns)), columns])
