"""Fit a baseline with the parameters that are best on the validation part, so that none is left weak.

The budget is stated: the quick methods try their whole grid, the trained ones (``TRAINED``) as many settings as
``evaluate.tries`` says, those of the configuration first and then what optuna proposes. What was tried, and what it
came to, stands in ``results.json``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from genrec.console import remark, track
from genrec.data import Dataset, Examples
from genrec_eval.baselines.base import Baseline
from genrec_eval.baselines.ease import Ease
from genrec_eval.baselines.factors import BprMf, Ials
from genrec_eval.baselines.item_knn import ItemKNN, RecentItemKNN
from genrec_eval.baselines.popularity import Popularity
from genrec_eval.baselines.search import SPACE, Parameters, Tried, load_optuna, propose
from genrec_eval.baselines.transitions import Transitions
from genrec_eval.baselines.validation import VALIDATION_USERS, sample_examples, validation_ndcg
from genrec_eval.config import TRAINED, BaselineName, EvaluateConfig

_CLASSES: dict[str, Callable[..., Baseline]] = {
    "popularity": Popularity,
    "item_knn": ItemKNN,
    "item_knn_recent": RecentItemKNN,
    "transitions": Transitions,
    "ease": Ease,
    "ials": Ials,
    "bpr_mf": BprMf,
}
# Small grids around what was best on the validation parts of MovieLens-100k and Beauty (docs/evaluation.md).
_GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "popularity": {},
    "item_knn": {"neighbours": (50, 500), "shrinkage": (0.0, 10.0)},
    "item_knn_recent": {"neighbours": (50, 500), "decay": (0.6, 0.8)},
    "transitions": {"recency": (0.5, 0.7, 0.9), "backward": (0.0, 0.5), "target_power": (0.0, 0.15, 0.3)},
    "ease": {"regularization": (20.0, 100.0, 500.0)},
    "ials": {"alpha": (2.0, 10.0, 40.0), "regularization": (0.01, 0.1)},
    "bpr_mf": {"learning_rate": (0.02, 0.05), "regularization": (0.01, 0.05)},
}


@dataclass(frozen=True)
class Fitted:
    """A baseline with the best of what was tried.

    Args:
        baseline: fitted.
        parameters: its parameters.
        tried: for each setting, its ``parameters`` and validation ``ndcg@10``, and of trained ones the ``seconds``;
            empty where nothing was chosen.
    """

    baseline: Baseline
    parameters: Parameters
    tried: list[dict[str, Any]]


def fit_best(
    name: BaselineName, dataset: Dataset, config: EvaluateConfig, seed: int, folder: Path | None = None
) -> Fitted:
    """Return a fitted baseline with what was chosen and tried.

    Every setting is fitted on ``train`` and scored by NDCG@10 on ``valid`` (a random 2,000 examples where there
    are more); the first of the best is returned. Without a validation part the first setting stands.

    Args:
        name: the baseline.
        dataset: where it learns and is chosen; ``test`` is not looked at.
        config: the settings of the trained baselines, the budget, and whether seen items are left out.
        seed: the seed of what is trained and of the sample.
        folder: where trained ones keep what was tried, to go on after an interruption; None keeps nothing.

    Raises:
        MissingPackageError: if several settings of a trained one are asked for without optuna.
    """
    choices = first_settings(name, config)
    valid = sample_examples(dataset.examples("valid"), VALIDATION_USERS, seed)
    if name in TRAINED and config.tries > 1 and len(valid):
        with TemporaryDirectory() as passing:
            return _search(name, choices[0], dataset, config, seed, valid, Tried(folder or Path(passing)))
    if len(choices) == 1 or not len(valid):
        return Fitted(build(name, choices[0], config).fit(dataset, seed), choices[0], [])
    best, tried = None, []
    for parameters in track(choices, f"{name}, settings tried"):
        baseline = build(name, parameters, config).fit(dataset, seed)
        score = validation_ndcg(baseline, valid, config.exclude_seen)
        tried.append({"parameters": parameters, "ndcg@10": round(score, 6)})
        if best is None or score > best[0]:
            best = score, baseline, parameters
    assert best is not None
    return Fitted(best[1], best[2], tried)


def first_settings(name: BaselineName, config: EvaluateConfig) -> list[Parameters]:
    """Return the grid of a quick baseline, and of a trained one the settings that are tried first."""
    if name in TRAINED:
        return [config.trained(name).model_dump()]
    grid = _GRIDS[name]
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def build(name: BaselineName, parameters: Parameters, config: EvaluateConfig) -> Baseline:
    """Return a baseline with these parameters, not fitted."""
    if name not in TRAINED:
        return _CLASSES[name](**parameters)
    settings = type(config.trained(name))(**parameters)
    return _trained(name)(settings, config.exclude_seen)


def _search(
    name: BaselineName,
    own: Parameters,
    dataset: Dataset,
    config: EvaluateConfig,
    seed: int,
    valid: Examples,
    tried: Tried,
) -> Fitted:
    load_optuna()  # that it is missing is told before the first setting is fitted
    if tried.rows:
        remark(f"{name}: going on after {len(tried.rows)} of {config.tries} settings")
    while len(tried.rows) < config.tries:
        parameters = propose(own, tried.rows, seed)
        searched = ", ".join(f"{field} {parameters[field]:g}" for field in SPACE)
        remark(f"{name}: settings {len(tried.rows) + 1} of {config.tries} ({searched})")
        started = time.monotonic()
        baseline = build(name, parameters, config).fit(dataset, seed)
        score = validation_ndcg(baseline, valid, config.exclude_seen)
        tried.add(parameters, score, time.monotonic() - started, baseline.arrays())
    best = tried.rows[tried.best]["parameters"]
    return Fitted(build(name, best, config).restore(dataset, tried.arrays(), seed), best, tried.rows)


def _trained(name: BaselineName) -> Callable[..., Baseline]:
    """Return the class of a trained baseline; torch is imported when one is wanted."""
    from genrec_eval.baselines.bert4rec import Bert4rec
    from genrec_eval.baselines.gru4rec import Gru4rec
    from genrec_eval.baselines.hstu import Hstu
    from genrec_eval.baselines.sasrec import Sasrec, SasrecBce

    classes: dict[str, Callable[..., Baseline]] = {
        "sasrec": Sasrec,
        "sasrec_bce": SasrecBce,
        "gru4rec": Gru4rec,
        "bert4rec": Bert4rec,
        "hstu": Hstu,
    }
    return classes[name]
