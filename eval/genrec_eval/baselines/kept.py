"""Fitted baselines, kept in the run folder, so that the next evaluation uses them again.

``run/baselines/NAME/`` is an artefact: ``fitted.json`` (parameters, what was tried, seconds) and, where reading
is quicker than fitting, ``arrays.safetensors``. ``run/baselines/NAME.search/`` is there while settings of a trained
one are searched: what was tried by then.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file

from genrec import __version__
from genrec.data import Dataset
from genrec.runs import is_current, new_artifact
from genrec_eval.baselines.base import Baseline
from genrec_eval.baselines.search import SPACE
from genrec_eval.baselines.tuning import Fitted, build, first_settings, fit_best
from genrec_eval.config import TRAINED, BaselineName, EvaluateConfig

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
        force: fit again whatever is there, but for settings tried by a search that was cut off.
    """
    path = dataset.path.parent / FOLDER / name
    searched = {"tries": config.tries, "space": SPACE} if name in TRAINED and config.tries > 1 else {}
    settings: dict[str, Any] = {
        "name": name,
        "settings": first_settings(name, config),
        **searched,
        "exclude_seen": config.exclude_seen,
        "seed": seed,
        "genrec": __version__,
    }
    inputs = {"dataset": dataset.manifest.digest}
    if not force and is_current(path, KIND, settings, inputs):
        return _read(path, name, dataset, config, seed)
    started = time.monotonic()
    search = path.with_name(f"{name}.search")
    work = json.dumps([settings, inputs], sort_keys=True).encode()
    fitted = fit_best(name, dataset, config, seed, search / hashlib.sha256(work).hexdigest()[:16])
    before = sum(row.get("seconds", 0.0) for row in fitted.tried)  # of a search that was cut off
    seconds = round(max(time.monotonic() - started, before), 3)
    with new_artifact(path, KIND, settings, inputs, seed) as draft:
        if arrays := fitted.baseline.arrays():
            save_file(arrays, draft.path / _ARRAYS)
        about = {"parameters": fitted.parameters, "tried": fitted.tried, "seconds": seconds}
        (draft.path / _FITTED).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(search, ignore_errors=True)
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
