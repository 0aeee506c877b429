"""What several models differ in, each against one of them, corrected for every test that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec_eval.metrics import SessionRanks, session_hit, session_map, session_ndcg, session_recall
from genrec_eval.report.compared import Compared, Entry
from genrec_eval.statistics import Comparison, compare, holm
from genrec_eval.statistics.gains import as_found
from genrec_eval.statistics.paired import SAMPLES

_FOR_EACH = 100  # sign changes for each test of a page, so that the smallest p is .01 after the correction
Floats = npt.NDArray[np.float64]
# Metrics that are a mean over examples and follow from the ranks. With one target an example, AP is 1 / rank.
_OF_RANKS = {
    "recall": session_recall,
    "ndcg": session_ndcg,
    "mrr": session_map,
    "map": session_map,
    "hit": session_hit,
}


def tested(name: str) -> bool:
    """Return whether a metric such as ``ndcg@10`` has a figure for every example, so that it can be tested."""
    return name.partition("@")[0] in _OF_RANKS


def per_example(ranks: pl.Series, name: str) -> Floats:
    """Return a tested metric of each example, float64 [examples]."""
    metric, _, k = name.partition("@")
    return _OF_RANKS[metric](as_found(ranks), int(k))


def differences(compared: Compared) -> dict[str, list[Comparison]]:
    """Return for every tested metric how far each other model lies above the reference.

    Unlike in ``results.json`` a difference is the other's figure minus the reference's. ``p_holm`` is corrected for
    all models and all metrics together (Holm, 1979).
    """
    if len(compared.entries) < 2:
        return {}
    names = [name for name in compared.names if tested(name)]
    samples = max(SAMPLES, _FOR_EACH * len(names) * (len(compared.entries) - 1))
    found = {name: _against(compared.entries, compared.reference, name, samples) for name in names}
    corrected = iter(holm([row.p for rows in found.values() for row in rows]))
    return {name: [replace(row, p_holm=next(corrected)) for row in rows] for name, rows in found.items()}


def _against(entries: Sequence[Entry], reference: str, name: str, samples: int) -> list[Comparison]:
    figures = {entry.name: per_example(entry.ranks, name) for entry in entries}
    return [_turned(row) for row in compare(reference, figures, samples=samples)]


def _turned(row: Comparison) -> Comparison:
    """Return other minus reference for reference minus other."""
    low, high = row.interval
    return replace(row, difference=-row.difference, interval=(-high, -low), effect=-row.effect)


def curve(ranks: pl.Series, metric: str, deepest: int) -> list[float]:
    """Return a metric's mean at K = 1 … ``deepest``."""
    found: SessionRanks = as_found(ranks)
    return [float(_OF_RANKS[metric](found, k).mean()) for k in range(1, deepest + 1)]
