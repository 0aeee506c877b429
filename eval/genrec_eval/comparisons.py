"""What the results say of differences: the best model by each metric against all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from genrec_eval.statistics import compare, gains

LEADING_CUT_OFF = 10
METRICS = ("recall", "ndcg")


def leading_cut_off(names: Iterable[str]) -> int:
    """Return which cut-off of ``metric@K`` names is shown first: 10 or the next one there is, else the largest."""
    cut_offs = sorted({int(name.partition("@")[2]) for name in names})
    return next((cut for cut in cut_offs if cut >= LEADING_CUT_OFF), cut_offs[-1] if cut_offs else LEADING_CUT_OFF)


def comparisons(ranks: Mapping[str, pl.Series], k: int) -> dict[str, Any]:
    """Return for recall and NDCG at k the best model against each other one; nothing where there is one model.

    ``{"ndcg@10": {"reference": best, "against": [Comparison.to_dict(), …]}}``; the tests are over examples, so they
    speak of these trained models, not of other seeds.
    """
    if len(ranks) < 2:
        return {}
    found = {}
    for metric in METRICS:
        figures = {name: gains(column, metric, k) for name, column in ranks.items()}
        best = max(figures, key=lambda name: float(figures[name].mean()))
        against = [row.to_dict() for row in compare(best, figures)]
        found[f"{metric}@{k}"] = {"reference": best, "against": against}
    return found


def clear_winner(comparison: Mapping[str, Any] | None) -> str | None:
    """Return the model that is significantly better than every other by one metric; None where none is."""
    if not comparison or not all(row["significant"] for row in comparison["against"]):
        return None
    return str(comparison["reference"])
