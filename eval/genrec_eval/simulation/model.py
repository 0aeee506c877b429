"""Simulated users: how they answer, when they leave, when they come back; kept in a run's folder ``simulator``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from genrec.errors import ArtifactError
from genrec_eval.simulation.arrays import Floats
from genrec_eval.simulation.config import UsersConfig
from genrec_eval.simulation.draws import shares
from genrec_eval.simulation.hazards import Hazard, fit_leaving, fit_returning
from genrec_eval.simulation.log import Log
from genrec_eval.simulation.logistic import Logistic
from genrec_eval.simulation.response import Response, Tiring, fit_response
from genrec_eval.simulation.tastes import Tastes
from genrec_eval.simulation.values import Values
from genrec_eval.simulation.visits import Visits, mean_of, surprises, visits_of

_MODEL, _ARRAYS = "simulator.json", "arrays.safetensors"
_JUDGED_ON = 0.2  # the share of the users whose visits are held out


@dataclass(frozen=True)
class UserModel:
    """The users of one log.

    Args:
        response: whether they like what they are shown.
        leaving: after which item they go; None where the log has no times, and they look at the whole list.
        returning: when they come back; None where the log has no times.
    """

    response: Response
    leaving: Hazard | None
    returning: Hazard | None

    @property
    def usual(self) -> Floats:
        """Every user's usual share of likes, float64 [users]."""
        users = np.arange(len(self.response.tastes.users))
        return self.response.tastes.usual(users)

    def save(self, folder: Path) -> None:
        """Write ``simulator.json`` and ``arrays.safetensors``."""
        response, values = self.response, self.response.values
        arrays = {f"tastes.{name}": array for name, array in vars(response.tastes).items()}
        arrays |= {f"model.{name}": array for name, array in vars(response.model).items()}
        arrays |= {f"values.{name}": array for name, array in vars(values).items()} if values else {}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _ARRAYS)
        plain = {"tiring": asdict(response.tiring), **{name: _plain(getattr(self, name)) for name in _HAZARDS}}
        (folder / _MODEL).write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> UserModel:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: if a file is missing or broken.
        """
        try:
            plain = json.loads((folder / _MODEL).read_text(encoding="utf-8"))
            arrays = load_file(folder / _ARRAYS)
            values = Values(**_group(arrays, "values")) if "values.pool" in arrays else None
            tastes, model = Tastes(**_group(arrays, "tastes")), Logistic(**_group(arrays, "model"))
            response = Response(tastes, model, Tiring(**plain["tiring"]), values)
            return cls(response, *(_hazard(plain[name]) for name in _HAZARDS))
        except (OSError, KeyError, TypeError, ValueError) as error:
            remedy = f"Make it again: genrec simulate users --run {folder.parent} --force"
            raise ArtifactError(f"{folder} holds no readable simulator: {error}", remedy) from error


_HAZARDS = ("leaving", "returning")


def fit_users(log: Log, config: UsersConfig, seed: int = 0) -> UserModel:
    """Fit simulated users to a log.

    Answers are learned from the training part. When users come and go is learned from all visits of four fifths of
    the users, so that the visits of the others can be compared with; a split that leaves the last interaction out
    would hide the only thing that matters here, whether there was a next one.

    Args:
        log: the log.
        config: how it is read.
        seed: of the folds and the factorisation.
    """
    response = fit_response(log, config.fatigue, seed)
    if not log.timed:
        return UserModel(response, None, None)
    pause = config.session_minutes / (24 * 60)
    better = surprises(log, response.tastes.usual(np.arange(len(log.user_ids))))
    visits = divided_visits(log, pause)[0]
    leaving = fit_leaving(visits, better)
    returning = fit_returning(visits, mean_of(visits, better), pause, config.return_effect)
    return UserModel(response, leaving, returning)


def divided_visits(log: Log, pause: float) -> tuple[Visits, Visits]:
    """Return the visits to learn from, and those of the users that are held out."""
    visits, held_out = visits_of(log, pause), shares(log.user_ids, "visits") < _JUDGED_ON
    return visits[~held_out[visits.users]], visits[held_out[visits.users]]


def _plain(hazard: Hazard | None) -> dict[str, Any] | None:
    if hazard is None:
        return None
    return {**asdict(hazard), "edges": hazard.edges.tolist(), "logits": hazard.logits.tolist()}


def _hazard(plain: dict[str, Any] | None) -> Hazard | None:
    if plain is None:
        return None
    return Hazard(**{**plain, "edges": np.array(plain["edges"]), "logits": np.array(plain["logits"])})


def _group(arrays: dict[str, Any], group: str) -> dict[str, Any]:
    return {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{group}.")}
