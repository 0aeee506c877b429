"""The files of an evaluation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from genrec.data import Dataset
from genrec.runs import Draft
from genrec_eval.comparisons import comparisons, leading_cut_off
from genrec_eval.config import EvaluateConfig
from genrec_eval.measure import AnyExamples, Measured

RESULTS_FILE, RANKS_FILE, EXAMPLES_FILE = "results.json", "ranks.parquet", "examples.json"
GENERATOR = "generator"


def write_results(
    draft: Draft,
    config: EvaluateConfig,
    dataset: Dataset,
    examples: AnyExamples,
    measured: dict[str, Measured],
    parameters: dict[str, Any],
    shown: list[dict[str, Any]],
    about: dict[str, Any],
) -> None:
    """Write ``results.json``, ``ranks.parquet`` and ``examples.json`` into a draft; see ``make_evaluation``.

    Args:
        draft: the artefact in the making; its details get the figures.
        config: what was measured.
        dataset: gives users and items their ids.
        examples: the prediction tasks.
        measured: what each model achieved.
        parameters: the parameters of each baseline.
        shown: examples for people.
        about: what else the results say.
    """
    targets = [np.atleast_1d(target) for target in examples.targets]
    seen = sum(int(np.isin(*pair).sum()) for pair in zip(targets, examples.histories, strict=True))
    ranks = {name: _rank_column(model) for name, model in measured.items()}
    k = leading_cut_off(name for model in measured.values() for name in model.metrics)
    results = {
        "split": config.split,
        "target": config.target,
        **about,
        "users": len(np.unique(examples.users)),
        "examples": len(examples),
        "items": len(dataset.items),
        "exclude_seen": config.exclude_seen,
        "unreachable": seen if config.exclude_seen else 0,
        "metrics": {name: model.metrics for name, model in measured.items()},
        "invalid_share": measured[GENERATOR].invalid_share if GENERATOR in measured else None,
        "seconds": {name: model.seconds for name, model in measured.items()},
        "parameters": parameters,
        "comparisons": comparisons(ranks, k),
    }
    (draft.path / RESULTS_FILE).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    text = json.dumps(shown, indent=2, ensure_ascii=False)
    (draft.path / EXAMPLES_FILE).write_text(text + "\n", encoding="utf-8")
    names = [[dataset.item_ids[item] for item in target] for target in targets]
    columns = {
        "user_id": [dataset.user_ids[user] for user in examples.users],
        "item_id": names if config.target == "session" else [name for (name,) in names],
        **ranks,
    }
    pl.DataFrame(columns).write_parquet(draft.path / RANKS_FILE)
    draft.details |= {key: results[key] for key in ("split", "users", "metrics", "invalid_share")}


def _rank_column(model: Measured) -> pl.Series:
    if isinstance(model.ranks, list):
        return pl.Series([ranks.tolist() for ranks in model.ranks], dtype=pl.List(pl.Int32))
    return pl.Series(model.ranks, dtype=pl.Int32)
