"""Fit a baseline with the parameters that are best on the validation part, so that none is left weak."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from genrec.console import track
from genrec.data import Dataset
from genrec.models.sasrec import SasrecConfig
from genrec_eval.baselines.base import Baseline
from genrec_eval.baselines.item_knn import ItemKNN, RecentItemKNN
from genrec_eval.baselines.popularity import Popularity
from genrec_eval.baselines.transitions import Transitions
from genrec_eval.baselines.validation import VALIDATION_USERS, sample_examples, validation_ndcg
from genrec_eval.config import BaselineName

Parameters = dict[str, Any]

_CLASSES: dict[str, Callable[..., Baseline]] = {
    "popularity": Popularity,
    "item_knn": ItemKNN,
    "item_knn_recent": RecentItemKNN,
    "transitions": Transitions,
}
# Small grids around what was best on MovieLens-100k's validation part (docs/evaluation.md).
_GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "popularity": {},
    "item_knn": {"neighbours": (50, 500), "shrinkage": (0.0, 10.0)},
    "item_knn_recent": {"neighbours": (50, 500), "decay": (0.6, 0.8)},
    "transitions": {"recency": (0.5, 0.7, 0.9), "backward": (0.0, 0.5), "target_power": (0.0, 0.15, 0.3)},
}


def fit_best(
    name: BaselineName, dataset: Dataset, sasrec: SasrecConfig, seed: int, exclude_seen: bool = True
) -> tuple[Baseline, Parameters]:
    """Return a fitted baseline and its parameters.

    Every combination of the method's grid is fitted on ``train`` and scored by NDCG@10 on ``valid`` (a
    random 2,000 examples where there are more); the first of the best is returned. Without a validation
    part the defaults stand. SASRec takes its parameters from ``sasrec`` and stops by ``valid``.

    Args:
        name: the baseline.
        dataset: where it learns and is chosen; ``test`` is not looked at.
        sasrec: the settings of SASRec.
        seed: the seed of SASRec and of the sample.
        exclude_seen: whether items of the history are left out when scoring.
    """
    if name == "sasrec":
        from genrec_eval.baselines.sasrec import Sasrec

        return Sasrec(sasrec, exclude_seen).fit(dataset, seed), sasrec.model_dump()
    grid = _GRIDS[name]
    choices: list[Parameters] = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    valid = sample_examples(dataset.examples("valid"), VALIDATION_USERS, seed)
    if len(choices) == 1 or not len(valid):
        return _CLASSES[name]().fit(dataset, seed), {}
    best, chosen, fitted = -1.0, choices[0], None
    for parameters in track(choices, f"{name}, settings tried"):
        baseline = _CLASSES[name](**parameters).fit(dataset, seed)
        score = validation_ndcg(baseline, valid, exclude_seen)
        if score > best:
            best, chosen, fitted = score, parameters, baseline
    assert fitted is not None
    return fitted, chosen
