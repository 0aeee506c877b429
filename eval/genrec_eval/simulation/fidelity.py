"""How far simulated users do what real ones did, on interactions and users that were held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from genrec_eval.metrics.auc import auc, grouped_auc
from genrec_eval.metrics.calibration import calibration_error, log_loss
from genrec_eval.simulation.arrays import Bools, Floats, Ints, sigmoid
from genrec_eval.simulation.draws import uniform
from genrec_eval.simulation.fatigue import met_in
from genrec_eval.simulation.hazards import Hazard, stays, times_away
from genrec_eval.simulation.log import Log
from genrec_eval.simulation.model import UserModel, divided_visits
from genrec_eval.simulation.visits import Visits, mean_of, surprises

_ANSWER, _VALUE = 21, 22  # purposes of draws
_QUANTILES = (0.1, 0.5, 0.9)
_LONGEST_VISIT = 1000


def answers_fidelity(model: UserModel, log: Log, seed: int) -> dict[str, Any] | None:
    """Return how well held-out answers were foretold, beside the item's average and a constant; None without any.

    ``auc``, ``gauc`` (within users), ``log_loss`` and ``ece`` of each; the share of likes and, where the log has
    values, their mean and standard deviation, in the log and simulated.
    """
    rows = np.flatnonzero(log.held_out)
    if not len(rows):
        return None
    users, items, liked = log.users[rows], log.items[rows], log.liked[rows]
    response, met = model.response, np.zeros(len(rows))
    if response.tiring.used:
        met = met_in(log, response.tiring.half_life)[rows]
    probabilities = response.probability(users, items, met)
    foretold = {
        "simulator": probabilities,
        "item_average": sigmoid(response.tastes.items[items]),
        "constant": np.full(len(rows), log.liked[log.learned].mean()),
    }
    drawn = uniform(seed, _ANSWER, rows) < probabilities
    report: dict[str, Any] = {name: _scores(liked, column, users) for name, column in foretold.items()}
    report["likes"] = {"log": float(liked.mean()), "simulated": float(drawn.mean())}
    if response.values is not None and log.values is not None:
        simulated = response.values.draw(probabilities, drawn, uniform(seed, _VALUE, rows))
        real = log.values[rows][~np.isnan(log.values[rows])]
        if len(real):
            report["values"] = {"log": _mean_and_sd(real), "simulated": _mean_and_sd(simulated)}
    return {"rows": len(rows), **report}


def visits_fidelity(model: UserModel, log: Log, pause: float, seed: int) -> dict[str, Any] | None:
    """Return lengths and times away of held-out users' visits, in the log and simulated; None without times.

    Every visit is simulated once: its length with answers drawn by the user's usual share of likes, the time away
    given how the real visit went. Times away that end after the log does are cut off in both.
    """
    if model.leaving is None or model.returning is None:
        return None
    _, visits = divided_visits(log, pause)
    visits = visits[visits.ended]
    if not len(visits):
        return None
    lengths = _lengths(model.leaving, model.usual[visits.users], visits, seed)
    better = mean_of(visits, surprises(log, model.usual))
    away = times_away(model.returning, better, seed, visits.users, visits.starts)
    window = log.days.max() - log.days[visits.stops - 1]
    back = away <= window
    return {
        "users": len(np.unique(visits.users)),
        "visits": len(visits),
        "items": _side_by_side((visits.stops - visits.starts).astype(float), lengths.astype(float)),
        "returned": {"log": float(visits.returned.mean()), "simulated": float(back.mean())},
        "days_away": _side_by_side(visits.away[visits.returned], away[back]),
    }


def _scores(liked: Bools, probabilities: Floats, users: Ints) -> dict[str, float | None]:
    return {
        "auc": auc(liked, probabilities),
        "gauc": grouped_auc(liked, probabilities, users)[0],
        "log_loss": log_loss(liked, probabilities),
        "ece": calibration_error(liked, probabilities),
    }


def _mean_and_sd(values: Floats) -> dict[str, float]:
    return {"mean": float(values.mean()), "sd": float(values.std())}


def _lengths(leaving: Hazard, usual: Floats, visits: Visits, seed: int) -> Ints:
    """Draw how many items each visit has, without a list that could end it."""
    lengths, here = np.zeros(len(visits), dtype=np.int64), np.arange(len(visits))
    for place in range(1, _LONGEST_VISIT + 1):
        lengths[here] = place
        users, starts = visits.users[here], visits.starts[here]
        liked = uniform(seed, _ANSWER, starts, place) < usual[here]
        here = here[stays(leaving, place, liked - usual[here], seed, users, starts)]
        if not len(here):
            break
    return lengths


def _side_by_side(real: Floats, simulated: Floats) -> dict[str, Any]:
    """Return quantiles of both, and the largest difference of their distribution functions (Kolmogorov–Smirnov)."""
    both = {"log": real, "simulated": simulated}
    report: dict[str, Any] = {name: _quantiles(values) for name, values in both.items()}
    at = np.sort(np.concatenate([real, simulated]))
    curves = [np.searchsorted(np.sort(values), at, side="right") / max(1, len(values)) for values in both.values()]
    report["ks"] = float(np.abs(curves[0] - curves[1]).max(initial=0.0))
    return report


def _quantiles(values: Floats) -> dict[str, float | None]:
    names = [f"{quantile:.0%}" for quantile in _QUANTILES]
    found = np.quantile(values, _QUANTILES).tolist() if len(values) else [None] * len(names)
    return dict(zip(names, found, strict=True))
