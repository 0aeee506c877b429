"""One model's metrics over all examples, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genrec.console import track
from genrec.data import Examples
from genrec.decoding import Ranking
from genrec_eval.config import EvaluateConfig
from genrec_eval.metrics import MetricsAccumulator

Histories = Sequence[npt.NDArray[np.int32]]
Recommend = Callable[[Histories, int, Histories | None], Ranking]


@dataclass(frozen=True)
class Measured:
    """What one model achieved.

    Args:
        metrics: means by name, such as ``recall@10`` and ``coverage@10``.
        ranks: int64 [examples], the rank of each target; 0 where it is not among the first max(ks).
        invalid_share: the share of generated sequences that are no item.
        seconds: time to ``fit`` and to ``recommend``.
    """

    metrics: dict[str, float]
    ranks: npt.NDArray[np.int64]
    invalid_share: float
    seconds: dict[str, float]


def measure(
    name: str,
    recommend: Recommend,
    examples: Examples,
    config: EvaluateConfig,
    catalogue_size: int,
    fit_seconds: float = 0.0,
) -> Measured:
    """Return the metrics of a model on examples, ranked over all items.

    Args:
        name: shown beside the progress bar.
        recommend: maps histories, k and exclusions to a ranking.
        examples: the prediction tasks.
        config: cut-offs, exclusion and batch size.
        catalogue_size: the number of items there are.
        fit_seconds: how long fitting took, to be kept with the result.
    """
    metrics = MetricsAccumulator(config.ks, catalogue_size)
    started = time.monotonic()
    for start in track(range(0, len(examples), config.batch_size), f"{name}, batches"):
        rows = slice(start, start + config.batch_size)
        histories = examples.histories[rows]
        ranking = recommend(histories, max(config.ks), histories if config.exclude_seen else None)
        metrics.update(ranking.items, examples.targets[rows])
    seconds = {"fit": round(fit_seconds, 3), "recommend": round(time.monotonic() - started, 3)}
    return Measured(metrics.result(), metrics.ranks, metrics.invalid_share, seconds)
