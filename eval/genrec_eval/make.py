"""The stage ``evaluate``: the generator and the baselines on the same examples, with the same exclusions."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genrec.console import remark
from genrec.data import Dataset, Examples
from genrec.decoding import Recommender
from genrec.errors import ArtifactError, DataError
from genrec.runs import Draft, Manifest, is_current, new_artifact, open_artifact
from genrec_eval.baselines.tuning import fit_best
from genrec_eval.baselines.validation import sample_examples
from genrec_eval.config import EvaluateConfig
from genrec_eval.examples import describe
from genrec_eval.measure import Measured, Recommend, measure

ARTIFACT = "evaluation"
RESULTS_FILE, RANKS_FILE, EXAMPLES_FILE = "results.json", "ranks.parquet", "examples.json"
GENERATOR = "generator"


def make_evaluation(config: EvaluateConfig, run: Path, seed: int, *, force: bool = False) -> Manifest:
    """Measure ``run``'s generator, where there is one, and the baselines; write ``run/evaluation``.

    ``results.json``   split, users, exclude_seen, metrics and seconds of every model, invalid_share,
                       the baselines' parameters, and ``unreachable``: targets that stand in their own
                       history, which no model can reach while seen items are excluded
    ``ranks.parquet``  user_id, item_id (the target), and for every model the target's rank, 1 the best,
                       0 where it is not among the first max(ks)
    ``examples.json``  histories and lists with titles, for people

    Args:
        config: the ``evaluate`` section.
        run: the run folder.
        seed: the seed of SASRec and of the samples.
        force: measure again even if nothing has changed.

    Raises:
        ArtifactError: if there is no dataset, or the generator was made from another one.
        DataError: if there is nothing to learn from or nothing to predict.
    """
    dataset = Dataset.load(run / "dataset")
    inputs = {"dataset": dataset.manifest.digest}
    if (run / GENERATOR).is_dir():
        inputs[GENERATOR] = open_artifact(run / GENERATOR, GENERATOR).digest
    path, settings = run / ARTIFACT, {**config.model_dump(mode="json"), "seed": seed}
    if not force and is_current(path, ARTIFACT, settings, inputs):
        remark(f"{path} is up to date.")
        return open_artifact(path, ARTIFACT)
    examples = _examples(dataset, config, seed)
    with new_artifact(path, ARTIFACT, settings, inputs, seed) as draft:
        _evaluate(config, run, seed, dataset, examples, draft)
    return open_artifact(path, ARTIFACT)


def _examples(dataset: Dataset, config: EvaluateConfig, seed: int) -> Examples:
    if not any(len(items) for items in dataset.sequences.part("train")):
        raise DataError(f"{dataset.path} has no training part.", "Loosen data.filters or data.split.")
    examples = sample_examples(dataset.examples(config.split), config.max_users, seed)
    if not len(examples):
        raise DataError(f"{dataset.path} has no {config.split} part.", "Choose a data.split that makes one.")
    return examples


def _evaluate(
    config: EvaluateConfig, run: Path, seed: int, dataset: Dataset, examples: Examples, draft: Draft
) -> None:
    measured: dict[str, Measured] = {}
    parameters: dict[str, Any] = {}
    shown: list[dict[str, Any]] = []
    if (run / GENERATOR).is_dir():
        recommender = _open_generator(run, dataset, config.batch_size)
        recommend = _with_beams(recommender, config)
        measured[GENERATOR] = measure(GENERATOR, recommend, examples, config, len(dataset.items))
        shown = describe(GENERATOR, recommend, examples, dataset, config, seed, recommender.catalogue)
    for name in config.baselines:
        started = time.monotonic()
        baseline, parameters[name] = fit_best(name, dataset, config.sasrec, seed, config.exclude_seen)
        fit_seconds = time.monotonic() - started
        measured[name] = measure(name, baseline.recommend, examples, config, len(dataset.items), fit_seconds)
        if not shown:
            shown = describe(name, baseline.recommend, examples, dataset, config, seed)
    _write(draft, config, dataset, examples, measured, parameters, shown)


def _open_generator(run: Path, dataset: Dataset, batch_size: int) -> Recommender:
    recommender = Recommender.from_pretrained(run / GENERATOR, batch_size=batch_size)
    if recommender.catalogue.item_ids != dataset.item_ids:
        raise ArtifactError(
            f"{run / GENERATOR} was made from other items than {run / 'dataset'} holds.",
            f"Train again: genrec train --run {run}",
        )
    return recommender


def _with_beams(recommender: Recommender, config: EvaluateConfig) -> Recommend:
    return lambda histories, k, exclude: recommender.recommend(histories, k, config.beams, exclude)


def _write(
    draft: Draft,
    config: EvaluateConfig,
    dataset: Dataset,
    examples: Examples,
    measured: dict[str, Measured],
    parameters: dict[str, Any],
    shown: list[dict[str, Any]],
) -> None:
    seen = [target in history for target, history in zip(examples.targets, examples.histories, strict=True)]
    results = {
        "split": config.split,
        "users": len(np.unique(examples.users)),
        "examples": len(examples),
        "items": len(dataset.items),
        "exclude_seen": config.exclude_seen,
        "unreachable": sum(seen) if config.exclude_seen else 0,
        "metrics": {name: model.metrics for name, model in measured.items()},
        "invalid_share": measured[GENERATOR].invalid_share if GENERATOR in measured else None,
        "seconds": {name: model.seconds for name, model in measured.items()},
        "parameters": parameters,
    }
    (draft.path / RESULTS_FILE).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    text = json.dumps(shown, indent=2, ensure_ascii=False)
    (draft.path / EXAMPLES_FILE).write_text(text + "\n", encoding="utf-8")
    columns = {
        "user_id": [dataset.user_ids[user] for user in examples.users],
        "item_id": [dataset.item_ids[item] for item in examples.targets],
        **{name: model.ranks.astype(np.int32) for name, model in measured.items()},
    }
    pl.DataFrame(columns).write_parquet(draft.path / RANKS_FILE)
    draft.details |= {key: results[key] for key in ("split", "users", "metrics", "invalid_share")}
