"""Fitted baselines, kept in the run folder, so that the next evaluation uses them again.

``run/baselines/NAME/`` is an artefact: ``fitted.json`` (parameters, what was tried, seconds) and, where reading
is quicker than fitting, ``arrays.safetensors``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file

from genrec import __version__
from genrec.data import Dataset
from genrec.runs import is_current, new_artifact
from genrec_eval.baselines.base import Baseline
from genrec_eval.baselines.tuning import Fitted, build, fit_best, settings_to_try
from genrec_eval.config import BaselineName, EvaluateConfig

FOLDER, KIND = "baselines", "baseline"
_FITTED, _ARRAYS = "fitted.json", "arrays.safetensors"


def fit_or_reuse(
    name: BaselineName, dataset: Dataset, config: EvaluateConfig, seed: int, *, force: bool = False
) -> tuple[Fitted, float]:
    """Return a baseline with the best of its settings, and the seconds that finding and fitting them took.

    One that was made from the same dataset, settings and seed by this version of genrec is used again, with the
    seconds that it took then.

    Args:
        name: the baseline.
        dataset: its folder's parent is the run folder.
        config: the settings.
        seed: of what is trained, and of the validation sample.
        force: fit again whatever is there.
    """
    path = dataset.path.parent / FOLDER / name
    settings: dict[str, Any] = {
        "name": name,
        "settings": settings_to_try(name, config),
        "exclude_seen": config.exclude_seen,
        "seed": seed,
        "genrec": __version__,
    }
    inputs = {"dataset": dataset.manifest.digest}
    if not force and is_current(path, KIND, settings, inputs):
        return _read(path, name, dataset, config, seed)
    started = time.monotonic()
    fitted = fit_best(name, dataset, config, seed)
    seconds = round(time.monotonic() - started, 3)
    with new_artifact(path, KIND, settings, inputs, seed) as draft:
        if arrays := fitted.baseline.arrays():
            save_file(arrays, draft.path / _ARRAYS)
        about = {"parameters": fitted.parameters, "tried": fitted.tried, "seconds": seconds}
        (draft.path / _FITTED).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return fitted, seconds


def _read(
    path: Path, name: BaselineName, dataset: Dataset, config: EvaluateConfig, seed: int
) -> tuple[Fitted, float]:
    about = json.loads((path / _FITTED).read_text(encoding="utf-8"))
    baseline: Baseline = build(name, about["parameters"], config)
    if (path / _ARRAYS).is_file():
        baseline.restore(dataset, load_file(path / _ARRAYS), seed)
    else:
        baseline.fit(dataset, seed)
    return Fitted(baseline, about["parameters"], about["tried"]), about["seconds"]
