"""Write a comparison of several runs: one page, and the same data as JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from genrec import __version__
from genrec.runs import new_artifact
from genrec_eval.comparisons import clear_winner
from genrec_eval.report.compared import Compared, compare_runs
from genrec_eval.report.comparison_figures import (
    Look,
    curves_figure,
    differences_figure,
    learning_figure,
    looks,
    plane_figure,
    shares_figure,
)
from genrec_eval.report.comparison_tables import tables
from genrec_eval.report.findings import Findings, as_plain, find
from genrec_eval.report.grouping import ACTIVITY, ITEMS
from genrec_eval.results import GENERATOR

KIND, PAGE, DATA = "comparison", "comparison.html", "comparison.json"
_MOST_DRAWN = 8  # models in a figure; tables have all
_LESS_IS_BETTER = ("repeats", "seen", "gini", "popularity")


def write_comparison(runs: Sequence[Path], out: Path | None = None, against: str | None = None) -> dict[str, Any]:
    """Write ``comparison.html``, ``comparison.json`` and CSV files that compare runs; return what was found.

    The page needs no other file and no network.

    Args:
        runs: two run folders or more, each with an evaluation.
        out: the folder to write, replaced as a whole; None: ``comparison`` in the first run.
        against: the model that the others are compared with; None: the first run's generator.

    Raises:
        ArtifactError: if an evaluation is missing or broken, they do not compare, or ``out`` is a folder that
            genrec did not write.
        UnknownNameError: if there is no model ``against``.
    """
    compared = compare_runs(runs, against)
    path = out or runs[0] / KIND
    inputs = {run.label: run.manifest.digest for run in compared.runs}
    with new_artifact(path, KIND, {"reference": compared.reference}, inputs) as draft:
        findings = find(compared)
        (draft.path / PAGE).write_text(render(findings), encoding="utf-8")
        text = json.dumps(as_plain(findings), indent=1, ensure_ascii=False, allow_nan=False)
        (draft.path / DATA).write_text(text + "\n", encoding="utf-8")
        for name, table in tables(findings).items():
            table.write_csv(draft.path / name)
    return _summary(findings, path)


def _summary(findings: Findings, path: Path) -> dict[str, Any]:
    leading = f"ndcg@{findings.compared.k}"
    best = findings.compared.entries[0]
    rows = findings.differences.get(leading, [])
    return {
        "report": str(path / PAGE),
        "models": len(findings.compared.entries),
        "reference": findings.compared.reference,
        "best": f"{best.name}, {leading} {best.metrics[leading]:.4f}",
        "above": [row.other for row in rows if row.significant and row.difference > 0],
        "below": [row.other for row in rows if row.significant and row.difference < 0],
    }


def render(findings: Findings) -> str:
    """Return the page."""
    compared, k = findings.compared, findings.compared.k
    environment = Environment(
        loader=PackageLoader("genrec_eval"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    at_k = [name for name in compared.names if name.endswith(f"@{k}")]
    drawn = looks(_drawn(compared))
    return environment.get_template("comparison.html.j2").render(
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        compared=compared,
        findings=findings,
        leading=f"ndcg@{k}",
        at_k=at_k,
        others=[name for name in compared.names if name not in at_k],
        best_of={name: _best(compared, name) for name in compared.names},
        clear=clear_winner(findings.best.get(f"ndcg@{k}")),
        tests={name: {row.other: row for row in rows} for name, rows in findings.differences.items()},
        left_out=len(compared.entries) - len(drawn),
        figures=_figures(findings, drawn),
        heat={name: _heat(cells.means) for name, cells in findings.cells.items() if name in drawn},
        profiles=[grouping for grouping in findings.groupings if grouping.name not in (ITEMS, ACTIVITY)],
        by_name={grouping.name: grouping for grouping in findings.groupings},
        depths=[place for place in _PLACES if place <= compared.deepest],
    )


_PLACES = (1, 2, 3, 5, 10, 15, 20, 30, 50, 100)


def _drawn(compared: Compared) -> list[str]:
    """Return the models of the figures: the reference, the best one, the generators, and the best of the rest."""
    generators = [entry.name for entry in compared.entries if entry.model == GENERATOR]
    everyone = [entry.name for entry in compared.entries]
    return list(dict.fromkeys([compared.reference, everyone[0], *generators, *everyone]))[:_MOST_DRAWN]


def _best(compared: Compared, name: str) -> float | None:
    """Return the best figure of a metric; None where more is not better, or not every model has one."""
    if name.startswith(_LESS_IS_BETTER) or not all(name in entry.metrics for entry in compared.entries):
        return None
    return max(entry.metrics[name] for entry in compared.entries)


def _heat(means: Any) -> list[list[float]]:
    """Return how strongly each cell is coloured, 0 to 1, 1 being the largest of its table."""
    known = [float(value) for row in means for value in row if value == value]
    largest = max(known, default=0.0) or 1.0
    return [[float(value) / largest if value == value else 0.0 for value in row] for row in means]


def _figures(findings: Findings, drawn: dict[str, Look]) -> dict[str, list[Markup]]:
    compared, k = findings.compared, findings.compared.k
    found = {
        "differences": [
            differences_figure(name, compared.reference, findings.differences[name], drawn)
            for name in (f"ndcg@{k}", f"recall@{k}")
            if name in findings.differences
        ],
        "curves": [curves_figure(metric, curves, drawn) for metric, curves in findings.curves.items()],
        "groups": [
            shares_figure(grouping.name, k, grouping.labels, findings.shares[grouping.name], drawn)
            for grouping in findings.groupings
            if grouping.name in (ITEMS, ACTIVITY)
        ],
        "learning": [learning_figure(metric, logs, drawn) for metric, logs in findings.learning.items()],
    }
    points, variety = _plane(compared)
    found["plane"] = [plane_figure(points, f"NDCG@{k}", variety, drawn)] if set(drawn) <= set(points) else []
    return found


def _plane(compared: Compared) -> tuple[dict[str, tuple[float, float]], str]:
    """Return accuracy and variety of every model: of a session's list if that was measured, else of all lists."""
    k = compared.k
    own = all(f"diversity@{k}" in entry.metrics for entry in compared.entries)
    name = f"diversity@{k}" if own else f"coverage@{k}"
    label = f"diversity within a list (diversity@{k})" if own else f"share of items shown at all (coverage@{k})"
    points = {
        entry.name: (entry.metrics[f"ndcg@{k}"], entry.metrics[name])
        for entry in compared.entries
        if name in entry.metrics
    }
    return points, label
