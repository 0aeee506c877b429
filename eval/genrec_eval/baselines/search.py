"""Settings of a trained baseline, searched with optuna; a search that was cut off goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from genrec.errors import MissingPackageError

Parameters = dict[str, Any]

# What moved validation scores most when it was tried by hand (docs/experiments.md), each with its range.
SPACE: dict[str, tuple[float, float]] = {"dropout": (0.0, 0.6), "learning_rate": (3e-4, 1e-2)}
_LOGARITHMIC = ("learning_rate",)
_RANDOM_FIRST = 5


class Tried:
    """The settings tried so far with their validation scores, and the arrays of the best, in a folder.

    Args:
        path: the folder; made if it is not there, and read if it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        rows = path / "tried.json"
        self.rows: list[dict[str, Any]] = json.loads(rows.read_text(encoding="utf-8")) if rows.is_file() else []

    @property
    def best(self) -> int:
        """The place of the best in ``rows``; of equals, the first."""
        return max(range(len(self.rows)), key=lambda at: self.rows[at]["ndcg@10"])

    def add(
        self, parameters: Parameters, ndcg: float, seconds: float, arrays: Mapping[str, npt.NDArray[np.generic]]
    ) -> None:
        """Add what was fitted with these parameters, in so many seconds. A row that is there has its arrays."""
        new = len(self.rows)
        self.rows.append({"parameters": parameters, "ndcg@10": round(ndcg, 6), "seconds": round(seconds, 3)})
        if self.best == new:
            save_file(dict(arrays), self._arrays(new))
        half = self.path / "tried.json.half"
        half.write_text(json.dumps(self.rows, indent=2) + "\n", encoding="utf-8")
        half.replace(self.path / "tried.json")
        for file in self.path.glob("*.safetensors"):
            if file != self._arrays(self.best):
                file.unlink()

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return what the best had learned."""
        return load_file(self._arrays(self.best))

    def _arrays(self, at: int) -> Path:
        return self.path / f"{at}.safetensors"


def propose(own: Parameters, tried: list[dict[str, Any]], seed: int) -> Parameters:
    """Return what to try next: first ``own``, then what optuna's TPE sampler makes of the scores so far.

    It depends on its arguments alone, so a search that was cut off proposes what it would have proposed.

    Args:
        own: the settings of the configuration.
        tried: ``parameters`` and ``ndcg@10`` of each setting tried.
        seed: of the sampler; the first five proposals after ``own`` are random.

    Raises:
        MissingPackageError: if optuna is not installed.
    """
    if not tried:
        return own
    optuna = load_optuna()
    space = {
        name: optuna.distributions.FloatDistribution(*ends, log=name in _LOGARITHMIC)
        for name, ends in SPACE.items()
    }
    sampler = optuna.samplers.TPESampler(seed=seed + len(tried), n_startup_trials=1 + _RANDOM_FIRST)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for row in tried:
        values = {name: row["parameters"][name] for name in SPACE}
        if all(low <= values[name] <= high for name, (low, high) in SPACE.items()):  # one's own may lie outside
            study.add_trial(optuna.trial.create_trial(params=values, distributions=space, value=row["ndcg@10"]))
    return own | {name: float(f"{value:.2g}") for name, value in study.ask(space).params.items()}


def load_optuna() -> Any:
    """Return the package optuna, quiet.

    Raises:
        MissingPackageError: if it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise MissingPackageError("optuna", "evaluate.tries above 1", "pip install 'genrec[baselines]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
