"""A leaderboard from results files: one row a protocol and model, over the seeds that were run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from genrec.errors import ArtifactError
from genrec.runs import Manifest, open_artifact
from genrec_eval.config import EvaluateConfig
from genrec_eval.protocols import load_protocol
from genrec_eval.results import GENERATOR, RESULTS_FILE
from genrec_eval.statistics import mean_and_sd
from genrec_eval.verify import verify_evaluation

Row = dict[str, Any]
METRICS = ("recall@5", "ndcg@5", "recall@10", "ndcg@10", "coverage@10")


def rows_of(run: Path) -> list[Row]:
    """Return a row for every model of a run's evaluation, after it was verified.

    A generator has the name of its kind, such as ``decoder``.

    Raises:
        ArtifactError: if it was not measured by a protocol, its files are not what was written, or its generator
            is not there any more.
    """
    verify_evaluation(run)
    manifest = open_artifact(run / "evaluation", "evaluation")
    results = json.loads((run / "evaluation" / RESULTS_FILE).read_text(encoding="utf-8"))
    if results["protocol"] is None:
        raise ArtifactError(
            f"{run} was not measured by a protocol, so its figures compare with no others.",
            f"Measure it by one: genrec evaluate --run {run} --protocol NAME",
        )
    protocol = results["protocol"]["name"]
    made = " ".join(manifest.command)
    return [
        {
            "protocol": protocol,
            "model": _generator_kind(run, manifest) if model == GENERATOR else model,
            "seed": results["seed"],
            "command": _again(manifest, results, model) if model in results["parameters"] else made,
            "commit": manifest.git_commit,
            "settings_tried": max(1, len(results["tried"].get(model, []))),
            **{name: figures[name] for name in METRICS if name in figures},
        }
        for model, figures in results["metrics"].items()
    ]


def _again(evaluation: Manifest, results: Row, model: str) -> str:
    """Return the command that fits and measures one baseline of an evaluation as it was fitted there."""
    usual, used = EvaluateConfig().model_dump(mode="json"), evaluation.config
    changed = {"tries": used["tries"]} if used["tries"] != usual["tries"] else {}
    own, own_usual = used.get(model) or {}, usual.get(model) or {}
    changed |= {f"{model}.{name}": value for name, value in own.items() if value != own_usual.get(name)}
    words = [f"evaluate.{name}={value}" for name, value in changed.items()]
    start = f"genrec evaluate --protocol {results['protocol']['name']} seed={results['seed']}"
    return " ".join([start, f"'evaluate.baselines=[{model}]'", *words])


def _generator_kind(run: Path, evaluation: Manifest) -> str:
    """Return the kind of the generator that was measured, from its manifest."""
    generator = open_artifact(run / GENERATOR, GENERATOR)
    if generator.digest != evaluation.inputs[GENERATOR]:
        raise ArtifactError(
            f"{run / GENERATOR} is not the generator that {run / 'evaluation'} is about.",
            f"Measure it again: genrec evaluate --run {run} --protocol NAME",
        )
    return str(generator.config.get("model", {}).get("kind", GENERATOR))


def leaderboard(rows: Iterable[Row]) -> list[Row]:
    """Return one row a protocol and model: seeds, mean and standard deviation of every metric, command, commits.

    A seed that occurs twice counts with its last row.
    """
    unique = {(row["protocol"], row["model"], row["seed"]): row for row in rows}
    ordered = sorted(unique.values(), key=lambda row: (row["protocol"], row["model"], row["seed"]))
    table = [
        _summary(list(group)) for _, group in groupby(ordered, key=lambda row: (row["protocol"], row["model"]))
    ]
    return sorted(table, key=lambda row: (row["protocol"], -row["mean"].get("ndcg@10", 0.0)))


def _summary(rows: Sequence[Row]) -> Row:
    names = [name for name in METRICS if all(name in row for row in rows)]
    figures = {name: mean_and_sd([row[name] for row in rows]) for name in names}
    return {
        **{name: rows[-1][name] for name in ("protocol", "model", "command", "settings_tried")},
        "seeds": [row["seed"] for row in rows],
        "mean": {name: round(mean, 5) for name, (mean, _) in figures.items()},
        "sd": {name: None if sd is None else round(sd, 5) for name, (_, sd) in figures.items()},
        "commits": sorted({str(row["commit"]) for row in rows}),
    }


def as_markdown(table: Sequence[Row]) -> str:
    """Return a page's tables, one for each protocol, best NDCG@10 first."""
    parts = []
    for protocol, group in groupby(table, key=lambda row: row["protocol"]):
        lines = [f"## {protocol}", "", f"{load_protocol(protocol)[0].title}.", ""]
        lines += [
            f"| model | {' | '.join(METRICS)} | seeds | settings tried |",
            "|---|" + "---|" * (len(METRICS) + 2),
        ]
        for row in group:
            cells = [_cell(row["mean"].get(name), row["sd"].get(name)) for name in METRICS]
            lines.append(
                f"| {row['model']} | {' | '.join(cells)} | {len(row['seeds'])} | {row['settings_tried']} |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _cell(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return ""
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} ± {sd:.4f}"
