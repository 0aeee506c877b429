"""One model's metrics over all examples, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from genrec.console import track
from genrec.data import Examples, SessionExamples
from genrec.decoding import Ranking
from genrec_eval.baselines.base import Baseline
from genrec_eval.config import EvaluateConfig
from genrec_eval.metrics import MetricsAccumulator, SessionMetricsAccumulator, check_lists

Histories = Sequence[npt.NDArray[np.int32]]
AnyExamples = Examples | SessionExamples
E = TypeVar("E", bound=AnyExamples)
Recommend = Callable[[AnyExamples, int, Histories | None], Ranking]


@dataclass(frozen=True)
class Measured:
    """What one model achieved.

    Args:
        metrics: means by name, such as ``recall@10`` and ``coverage@10``.
        ranks: int64 [examples], the rank of each target, 0 where it is not in the list; where the targets are
            sessions, one array an example with the rank of each of its items.
        invalid_share: the share of generated sequences that are no item.
        seconds: time to ``fit`` and to ``recommend``.
    """

    metrics: dict[str, float]
    ranks: npt.NDArray[np.int64] | list[npt.NDArray[np.int64]]
    invalid_share: float
    seconds: dict[str, float]


def from_histories(recommend: Callable[[Histories, int, Histories | None], Ranking]) -> Recommend:
    """Return what :func:`measure` takes, of a model that reads nothing but the items of histories."""
    return lambda examples, k, exclude: recommend(examples.histories, k, exclude)


def from_baseline(baseline: Baseline) -> Recommend:
    """Return what :func:`measure` takes, of a baseline, which is told whose histories they are as well."""
    return lambda examples, k, exclude: baseline.recommend(examples.histories, k, exclude, examples.users)


def measure(
    name: str,
    recommend: Recommend,
    examples: Examples,
    config: EvaluateConfig,
    catalogue_size: int,
    fit_seconds: float = 0.0,
    *,
    popularity: npt.NDArray[np.integer] | None = None,
) -> Measured:
    """Return the metrics of a model on examples of one target, ranked over all items.

    Args:
        name: shown beside the progress bar.
        recommend: maps examples, k and exclusions to a ranking.
        examples: the prediction tasks.
        config: cut-offs, exclusion and batch size.
        catalogue_size: the number of items there are.
        fit_seconds: how long fitting took, to be kept with the result.
        popularity: interactions of each item in training; None leaves out what is measured by them.
    """
    metrics = MetricsAccumulator(config.ks, catalogue_size, popularity)
    started = time.monotonic()
    for rows, ranking in _ranked(name, recommend, examples, max(config.ks), config):
        check_lists(name, ranking.items, examples.targets[rows], catalogue_size, config.odd_lists)
        metrics.update(ranking.items, examples.targets[rows])
    return Measured(metrics.result(), metrics.ranks, metrics.invalid_share, _seconds(fit_seconds, started))


def measure_sessions(
    name: str,
    recommend: Recommend,
    examples: SessionExamples,
    config: EvaluateConfig,
    catalogue_size: int,
    fit_seconds: float = 0.0,
    *,
    length: int,
    codes: npt.NDArray[np.integer] | None = None,
) -> Measured:
    """Return the metrics of a model's lists against whole sessions.

    Args:
        name: shown beside the progress bar.
        recommend: maps examples, k and exclusions to a ranking.
        examples: the sessions to be found.
        config: cut-offs, exclusion and batch size; cut-offs above ``length`` are left out, ``length`` is one.
        catalogue_size: the number of items there are.
        fit_seconds: how long fitting took, to be kept with the result.
        length: items in a list.
        codes: int [items, levels], semantic IDs, for diversity; None leaves it out.
    """
    ks = sorted({length, *(k for k in config.ks if k < length)})
    metrics = SessionMetricsAccumulator(ks, catalogue_size, codes)
    started = time.monotonic()
    for rows, ranking in _ranked(name, recommend, examples, length, config):
        check_lists(name, ranking.items, examples.targets[rows], catalogue_size, config.odd_lists)
        metrics.update(ranking.items, examples.targets[rows], examples.histories[rows])
    ranks = metrics.found.per_session()
    return Measured(metrics.result(), ranks, metrics.invalid_share, _seconds(fit_seconds, started))


def _ranked(
    name: str, recommend: Recommend, examples: AnyExamples, k: int, config: EvaluateConfig
) -> Iterator[tuple[slice, Ranking]]:
    """Yield batch by batch which examples it holds, and the model's lists of k items."""
    for start in track(range(0, len(examples), config.batch_size), f"{name}, batches"):
        rows = slice(start, start + config.batch_size)
        part = examples[rows]
        exclude = part.histories if config.exclude_seen else None
        yield rows, recommend(latest(part, config.history_length), k, exclude)


def latest(examples: E, length: int | None) -> E:
    """Return examples whose histories are cut to their latest items; None cuts nothing."""
    if length is None:
        return examples
    starts = None
    if examples.starts is not None and examples.stops is not None:
        starts = np.maximum(examples.starts, examples.stops - length)
    histories = [history[-length:] for history in examples.histories]
    return replace(examples, histories=histories, starts=starts)  # type: ignore[arg-type]  # None in, None out


def _seconds(fit: float, started: float) -> dict[str, float]:
    return {"fit": round(fit, 3), "recommend": round(time.monotonic() - started, 3)}
