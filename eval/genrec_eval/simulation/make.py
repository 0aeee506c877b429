"""``genrec simulate users``: simulated users of a run's log, with what is known of their fidelity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genrec.console import remark
from genrec.data import Dataset
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec_eval.simulation.config import UsersConfig
from genrec_eval.simulation.fidelity import answers_fidelity, visits_fidelity
from genrec_eval.simulation.hazards import Hazard
from genrec_eval.simulation.log import read_log
from genrec_eval.simulation.model import UserModel, fit_users
from genrec_eval.simulation.tastes import COLUMNS

KIND = "simulator"
REPORT = "fidelity.json"


def make_simulator(config: UsersConfig, run: Path, seed: int, *, force: bool = False) -> Manifest:
    """Fit simulated users to the log of ``run``; write ``run/simulator``.

    ``simulator.json``, ``arrays.safetensors``   the model
    ``fidelity.json``                            what it learned, and how it did on what was held out

    Args:
        config: the section ``simulate.users``.
        run: the run folder.
        seed: of the folds, the factorisation and the draws of the report.
        force: fit again even if nothing has changed.

    Raises:
        ArtifactError: if there is no dataset.
        ConfigError: if the settings do not say what a like is.
        DataError: if the training part has no likes, or nothing else.
    """
    dataset = Dataset.load(run / "dataset")
    path, inputs = run / KIND, {"dataset": dataset.manifest.digest}
    settings = {**config.model_dump(mode="json"), "seed": seed}
    if not force and is_current(path, KIND, settings, inputs):
        remark(f"{path} is up to date.")
        return open_artifact(path, KIND)
    log = read_log(dataset, config)
    with new_artifact(path, KIND, settings, inputs, seed) as draft:
        model = fit_users(log, config, seed)
        model.save(draft.path)
        report = {
            "users": len(log.user_ids),
            "items": len(log.categories),
            "rows": int(log.learned.sum()),
            "categories": len(log.category_names),
            "learned": _learned(model),
            "answers": answers_fidelity(model, log, seed),
            "visits": visits_fidelity(model, log, config.session_minutes / (24 * 60), seed),
        }
        (draft.path / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return open_artifact(path, KIND)


def read_report(run: Path) -> dict[str, Any]:
    """Return the report of the run's simulator.

    Raises:
        ArtifactError: if there is none.
    """
    open_artifact(run / KIND, KIND)
    report: dict[str, Any] = json.loads((run / KIND / REPORT).read_text(encoding="utf-8"))
    return report


def _learned(model: UserModel) -> dict[str, Any]:
    """Return every effect with its standard error, and the weight that is simulated."""
    response, tiring = model.response, model.response.tiring
    pairs = zip(("constant", *COLUMNS), response.model.weights, response.model.errors, strict=True)
    learned: dict[str, Any] = {
        name: {"weight": float(weight), "error": float(error), "used": float(weight)}
        for name, weight, error in pairs
    }
    learned["fatigue"] = {
        "weight": tiring.weight if tiring.error is not None else None,
        "error": tiring.error,
        "used": tiring.used,
        "assumed": tiring.assumed,
        "half_life_days": tiring.half_life,
    }
    for name in ("leaving", "returning"):
        learned[name] = _effect(getattr(model, name))
    return learned


def _effect(hazard: Hazard | None) -> dict[str, Any] | None:
    if hazard is None:
        return None
    return {"weight": hazard.weight, "error": hazard.error, "used": hazard.used, "assumed": hazard.assumed}
