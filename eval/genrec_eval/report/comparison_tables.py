"""A comparison as tables of plain rows, for CSV files: metrics, curves, and groups."""

from __future__ import annotations

import polars as pl

from genrec_eval.report.findings import Findings
from genrec_eval.report.grouping import ACTIVITY, ITEMS

_METRICS = {
    "model": pl.String, "run": pl.String, "metric": pl.String, "value": pl.Float64, "difference": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "p": pl.Float64, "p_holm": pl.Float64, "significant": pl.Boolean,
}  # fmt: skip
_GROUPS = {
    "model": pl.String, "users": pl.String, "items": pl.String, "group": pl.String, "targets": pl.Int64,
    "found": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip


def tables(findings: Findings) -> dict[str, pl.DataFrame]:
    """Return the tables by the names of their files."""
    return {"metrics.csv": _metrics(findings), "curves.csv": _curves(findings), "groups.csv": _groups(findings)}


def _metrics(findings: Findings) -> pl.DataFrame:
    """One row a model and metric; empty where there is no test, as for the reference."""
    against = {(row.other, name): row for name, rows in findings.differences.items() for row in rows}
    rows = []
    for entry in findings.compared.entries:
        for name, value in entry.metrics.items():
            found = against.get((entry.name, name))
            test = (found.difference, *found.interval, found.p, found.p_holm, found.significant) if found else ()
            rows.append((entry.name, entry.run, name, value, *(test or [None] * 6)))
    return pl.DataFrame(rows, schema=_METRICS, orient="row")


def _curves(findings: Findings) -> pl.DataFrame:
    rows = [
        (name, metric, k, value)
        for metric, curves in findings.curves.items()
        for name, values in curves.items()
        for k, value in enumerate(values, start=1)
    ]
    schema = {"model": pl.String, "metric": pl.String, "k": pl.Int64, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _groups(findings: Findings) -> pl.DataFrame:
    """One row a model and group, then one a model and user group × item group (without an interval)."""
    by_name = {grouping.name: grouping for grouping in findings.groupings}
    rows: list[tuple[object, ...]] = []
    for grouping in findings.groupings:
        of_items = grouping.name == ITEMS
        for model, found in findings.shares[grouping.name].items():
            for label, size, share in zip(grouping.labels, grouping.sizes.tolist(), found, strict=True):
                about = (None, label) if of_items else (label, None)
                rows.append((model, *about, grouping.name, size, *share))
    for model, cells in findings.cells.items():
        for at, users in enumerate(by_name[ACTIVITY].labels):
            for to, items in enumerate(by_name[ITEMS].labels):
                size = int(cells.sizes[at, to])
                value = float(cells.means[at, to]) if size else None
                rows.append((model, users, items, f"{ACTIVITY} × {ITEMS}", size, value, None, None))
    return pl.DataFrame(rows, schema=_GROUPS, orient="row")
