"""Other evaluators on lists as arrays, timed, and held to the figures they should find."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Figures = dict[str, float]


def timed(call: Callable[[], Any], rounds: int = 5) -> tuple[float, Any]:
    """Return the median seconds of a call after a first one, and what it returns."""
    result, seconds = call(), []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


def ranx_row(lists: np.ndarray, targets: np.ndarray, expected: Figures) -> dict[str, float]:
    """Return ranx's seconds to convert and to evaluate; it must find the same figures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba warns of its own code
        import ranx

        gains = [float(lists.shape[1] - place) for place in range(lists.shape[1])]
        _ranx_dictionaries(lists[:2], targets[:2], gains)  # compiles
        started = time.perf_counter()
        qrels, run = _ranx_dictionaries(lists, targets, gains)
        convert = time.perf_counter() - started
        seconds, found = timed(lambda: ranx.evaluate(qrels, run, list(expected)), rounds=3)
    np.testing.assert_allclose([found[name] for name in expected], list(expected.values()), rtol=1e-10)
    return {"convert": convert, "evaluate": seconds}


def _ranx_dictionaries(lists: np.ndarray, targets: np.ndarray, gains: list[float]) -> tuple[Any, Any]:
    import ranx

    qrels = ranx.Qrels({str(user): {str(target): 1} for user, target in enumerate(targets.tolist())})
    rows = enumerate(lists.tolist())
    return qrels, ranx.Run({str(user): dict(zip(map(str, row), gains, strict=True)) for user, row in rows})


def recbole_seconds(lists: np.ndarray, targets: np.ndarray, expected: Figures, ks: Sequence[int]) -> float | None:
    """Return the seconds of RecBole's evaluator from hits to figures; None where it cannot be imported."""
    try:
        import torch
        from recbole.evaluator import Evaluator
        from recbole.evaluator.collector import DataStruct
    except ImportError:
        return None
    np.float = float  # type: ignore[attr-defined]  # RecBole 1.2.1 asks for this name, which numpy gave up in 1.24
    settings = {"metrics": ["Recall", "NDCG", "MRR"], "topk": list(ks), "metric_decimal_place": 10}
    data, hits = DataStruct(), lists == targets[:, None]
    # What its collector hands over: hits place by place, and how many there could be, here one for each user.
    data.set("rec.topk", torch.from_numpy(np.column_stack([hits[:, : max(ks)], np.ones(len(hits), int)])))
    seconds, found = timed(lambda: Evaluator(settings).evaluate(data), rounds=3)
    np.testing.assert_allclose([found[name] for name in expected], list(expected.values()), atol=1e-9)
    return seconds
