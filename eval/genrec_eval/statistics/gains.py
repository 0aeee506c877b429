"""Per-example figures of a model, from the ranks that an evaluation keeps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec_eval.metrics import SessionRanks, session_ndcg, session_recall

Floats = npt.NDArray[np.float64]


def gains(ranks: pl.Series, metric: str, k: int) -> Floats:
    """Return a metric of each example, float64 [examples].

    Args:
        ranks: a model's column of ``ranks.parquet``: one rank an example, or one list of ranks a session.
        metric: ``recall`` or ``ndcg``.
        k: the cut-off.
    """
    return {"ndcg": session_ndcg, "recall": session_recall}[metric](as_found(ranks), k)


def as_found(ranks: pl.Series) -> SessionRanks:
    """Return one target an example, or the items of one session an example, in the same form."""
    if isinstance(ranks.dtype, pl.List):
        return SessionRanks(ranks.explode().to_numpy(), ranks.list.len().cast(pl.Int64).to_numpy())
    return SessionRanks(ranks.to_numpy(), np.ones(len(ranks), dtype=np.int64))
