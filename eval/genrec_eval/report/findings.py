"""Everything that a comparison of runs says, measured once: for its page, its JSON and its tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genrec import __version__
from genrec.runs import open_artifact
from genrec_eval.comparisons import comparisons
from genrec_eval.metrics import Cells
from genrec_eval.report.compared import Compared, Run
from genrec_eval.report.comparison_examples import Example, side_by_side
from genrec_eval.report.differences import curve, differences
from genrec_eval.report.grouping import ACTIVITY, ITEMS, Grouping, Share, cells, groupings, shares
from genrec_eval.report.training_figures import accuracy_names, points
from genrec_eval.results import GENERATOR
from genrec_eval.statistics import Comparison

CURVES = ("recall", "ndcg")
_DIGITS = 6


@dataclass(frozen=True)
class Findings:
    """What is said of several runs.

    Args:
        compared: the runs and their models.
        differences: by metric, every other model minus the reference.
        best: the best model by recall and NDCG against all others, as in ``results.json``.
        curves: recall and NDCG by model, at K = 1, 2, ….
        groupings: of targets, by their items and users; empty without a dataset.
        shares: by grouping and model, what is found of each group.
        cells: by model, what is found of each user group × item group.
        learning: by metric and model, step and figure on the validation part, where a run kept its log.
        examples: the same users before several models.
    """

    compared: Compared
    differences: dict[str, list[Comparison]]
    best: dict[str, Any]
    curves: dict[str, dict[str, list[float]]]
    groupings: list[Grouping]
    shares: dict[str, dict[str, list[Share]]]
    cells: dict[str, Cells]
    learning: dict[str, dict[str, list[tuple[float, float]]]]
    examples: list[Example]


def find(compared: Compared) -> Findings:
    """Return everything that a comparison says."""
    entries, groups = compared.entries, groupings(compared)
    by_name = {grouping.name: grouping for grouping in groups}
    return Findings(
        compared=compared,
        differences=differences(compared),
        best=comparisons({entry.name: entry.ranks for entry in entries}, compared.k),
        curves={
            metric: {entry.name: curve(entry.ranks, metric, compared.deepest) for entry in entries}
            for metric in CURVES
        },
        groupings=groups,
        shares={
            grouping.name: {entry.name: shares(entry, grouping, compared.k) for entry in entries}
            for grouping in groups
        },
        cells={
            entry.name: cells(entry, by_name[ACTIVITY], by_name[ITEMS], compared.k) for entry in entries if by_name
        },
        learning={metric: found for metric in CURVES if (found := _learning(compared, metric))},
        examples=side_by_side(compared),
    )


def _learning(compared: Compared, metric: str) -> dict[str, list[tuple[float, float]]]:
    found = {run.label: _log(run, metric) for run in compared.runs if GENERATOR in run.results["metrics"]}
    return {compared.name_of(label, GENERATOR): steps for label, steps in found.items() if steps}


def _log(run: Run, metric: str) -> list[tuple[float, float]]:
    """Return a run's own validation figures; none where the measured generator is not here or keeps no log."""
    file = run.path / GENERATOR / "training_log.json"
    if not file.is_file():
        return []
    if open_artifact(run.path / GENERATOR, GENERATOR).digest != run.manifest.inputs.get(GENERATOR):
        return []
    log = json.loads(file.read_text(encoding="utf-8")).get("log", [])
    names = accuracy_names(log, (metric,))
    return points(log, names[0]) if names else []


def as_plain(findings: Findings) -> dict[str, Any]:
    """Return what ``comparison.json`` holds; numbers that do not exist are null."""
    compared = findings.compared
    return {
        "genrec": __version__,
        "runs": {run.label: _run(run) for run in compared.runs},
        "reference": compared.reference,
        "k": compared.k,
        "models": [
            {"name": entry.name, "run": entry.run, "model": entry.model, "metrics": entry.metrics}
            for entry in compared.entries
        ],
        "differences": {name: [row.to_dict() for row in rows] for name, rows in findings.differences.items()},
        "best": findings.best,
        "curves": {
            metric: {name: _rounded(curve) for name, curve in curves.items()}
            for metric, curves in findings.curves.items()
        },
        "groups": [_grouping(grouping, findings.shares[grouping.name]) for grouping in findings.groupings],
        "cells": {name: _cells(one) for name, one in findings.cells.items()},
        "learning": findings.learning,
        "examples": findings.examples,
    }


def _run(run: Run) -> dict[str, Any]:
    shared = ("protocol", "split", "target", "users", "examples", "items", "exclude_seen", "seed", "unreachable")
    return {
        "evaluation": run.manifest.digest,
        "made": run.manifest.created,
        "command": " ".join(run.manifest.command),
        "inputs": run.manifest.inputs,
        **{name: run.results.get(name) for name in shared},
    }


def _grouping(grouping: Grouping, found: dict[str, list[Share]]) -> dict[str, Any]:
    models = {name: [_rounded(list(share)) for share in row] for name, row in found.items()}
    sizes = grouping.sizes.tolist()
    return {"name": grouping.name, "groups": grouping.labels, "targets": sizes, "found_low_high": models}


def _cells(found: Cells) -> dict[str, Any]:
    figures = {name: getattr(found, name) for name in ("cv", "worst_quarter", "user_cv", "item_cv")}
    rounded = {name: round(value, _DIGITS) for name, value in figures.items()}
    return {"found": [_rounded(row) for row in found.means], "targets": found.sizes.tolist(), **rounded}


def _rounded(values: npt.ArrayLike) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), _DIGITS) for value in np.asarray(values, dtype=float)]
