"""Evaluations with ranks of one's choice, as ``genrec evaluate`` would have written them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from genrec.runs import new_artifact, open_artifact
from genrec_eval.statistics import gains
from tests.eval.conftest import write_dataset

KS = (1, 5)
Ranks = Mapping[str, Sequence[int] | Sequence[Sequence[int]]]


def write_run(run: Path, ranks: Ranks, *, title: str = "Film", **about: Any) -> Path:
    """Write a dataset of as many users as there are ranks, and an evaluation that has these ranks.

    User u has u + 3 interactions with the first items. ``examples`` and ``log`` among ``about`` are what
    examples.json and the generator's training log hold; the rest goes into the results.
    """
    users = len(next(iter(ranks.values())))
    items = users + 3
    dataset = write_dataset([list(range(user + 3)) for user in range(users)], items, run=run, title=title)
    inputs = {"dataset": dataset.manifest.digest}
    examples, log = about.pop("examples", []), about.pop("log", None)
    if log is not None:
        with new_artifact(run / "generator", "generator", {}, inputs) as draft:
            (draft.path / "training_log.json").write_text(json.dumps({"log": log}))
        inputs["generator"] = open_artifact(run / "generator", "generator").digest
    write_evaluation(run, ranks, [f"i{user + 2:03}" for user in range(users)], inputs, examples, about)
    return run


def write_evaluation(
    run: Path,
    ranks: Ranks,
    targets: Sequence[Any],
    inputs: dict[str, str],
    examples: list[Any],
    about: dict[str, Any],
) -> None:
    """Write the artefact ``evaluation`` alone."""
    columns = {name: pl.Series(column) for name, column in ranks.items()}
    metrics = {
        name: {
            **{
                f"{metric}@{k}": float(gains(column, metric, k).mean()) for metric in ("recall", "ndcg") for k in KS
            },
            **{f"coverage@{k}": 0.5 for k in KS},
        }
        for name, column in columns.items()
    }
    results = {
        "split": "test", "target": "item", "protocol": None, "seed": 0, "users": len(targets), "exclude_seen": True,
        "examples": len(targets), "items": len(targets) + 3, "unreachable": 0, "metrics": metrics, **about,
    }  # fmt: skip
    users = [f"u{user:03}" for user in range(len(targets))]
    with new_artifact(run / "evaluation", "evaluation", {}, inputs, seed=0) as draft:
        (draft.path / "results.json").write_text(json.dumps(results))
        (draft.path / "examples.json").write_text(json.dumps(examples))
        pl.DataFrame({"user_id": users, "item_id": targets, **columns}).write_parquet(draft.path / "ranks.parquet")


def example(user: int, items: Sequence[str], hit: int | None = None, model: str = "generator") -> dict[str, Any]:
    """Return an entry of examples.json, whose list has its target at the place ``hit``."""
    rows = [{"item_id": item, "title": item, "score": 0.0, "hit": at == hit} for at, item in enumerate(items)]
    target = {"item_id": f"i{user + 2:03}", "title": f"Film {user + 2}"}
    return {
        "model": model, "user_id": f"u{user:03}", "history_length": 2, "history": ["Film 0", "Film 1"],
        "targets": [target], "items": rows,
    }  # fmt: skip
