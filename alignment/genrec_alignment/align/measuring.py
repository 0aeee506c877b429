"""What a policy is worth on validation requests: rewards by both models, accuracy, diversity, distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from genrec.models import Events, Generator
from genrec_alignment.align.requests import Requests
from genrec_alignment.preference.candidates import Candidates, Float32
from genrec_alignment.preference.logprobs import log_probabilities
from genrec_eval.metrics import coverage, diversity, session_ndcg, session_ranks, session_recall, target_ranks

Floats = npt.NDArray[np.float64]
_AT_ONCE = 16  # requests whose beams are computed together


@dataclass(frozen=True)
class Figures:
    """A policy's figures.

    Args:
        summary: what the table shows, by name.
        requests: one row a request: ``request``, ``model``, ``judge`` (mean rewards of what is served), ``recall``
            and ``ndcg``.
    """

    summary: dict[str, float]
    requests: pl.DataFrame


def measure(
    candidates: Candidates,
    judged: Float32,
    requests: Requests,
    served: int,
    codes: npt.NDArray[np.integer],
    distance: float,
) -> Figures:
    """Return the figures of a policy's beams.

    Args:
        candidates: its beams, with rewards by the model.
        judged: float32 [requests, beams], rewards by the judge.
        requests: the validation requests, in the order of the candidates.
        served: how many of the first candidates count as what the policy shows.
        codes: int [items, levels], semantic IDs.
        distance: from :func:`distance_to`.

    ``model_mean`` and ``judge_mean`` are means over what is served; ``…_max`` those of each request's best. What
    begins with ``best_`` is the ceiling: the best of all beams by the model are served instead.
    """
    real = candidates.real
    first = _first(candidates, served)
    best = _best(candidates, served)
    recall, ndcg = _accuracy(candidates.items, first, requests)
    best_recall, best_ndcg = _accuracy(candidates.items, best, requests)
    model, judge = _means(candidates.rewards, real, first), _means(judged, real, first)
    shown = _shown(candidates.items, first)
    lengths = (candidates.items >= 0).sum(axis=2)[real]
    summary = {
        "model_mean": model.mean(),
        "model_max": _highest(candidates.rewards, real, first).mean(),
        "judge_mean": judge.mean(),
        "judge_max": _highest(judged, real, first).mean(),
        "best_model": _means(candidates.rewards, real, best).mean(),
        "best_judge": _means(judged, real, best).mean(),
        "best_recall": best_recall.mean(),
        "best_ndcg": best_ndcg.mean(),
        "recall": recall.mean(),
        "ndcg": ndcg.mean(),
        "kl": distance,
        "length": lengths.mean(),
        "diversity": float(np.nan_to_num(diversity(shown, codes, shown.shape[1])).mean()),
        "coverage": coverage(shown, shown.shape[1], len(codes)),
    }
    columns = {"request": requests.stops, "model": model, "judge": judge, "recall": recall, "ndcg": ndcg}
    return Figures({name: round(float(value), 5) for name, value in summary.items()}, pl.DataFrame(columns))


@torch.no_grad()
def distance_to(first: Generator, candidates: Candidates, histories: Sequence[Events]) -> float:
    """Return the mean Kullback-Leibler divergence of a policy from the first one, over its own beams.

    Both distributions are normalised over the beams, so it is 0 where they agree on them, whatever else they say.
    """
    parts = []
    for start in range(0, len(histories), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        before = log_probabilities(first, histories[rows], candidates.items[rows]).sum(dim=-1).double().cpu()
        now = torch.from_numpy(candidates.scores[rows]).double()
        none = torch.from_numpy(~candidates.real[rows])
        now, before = (scores.masked_fill(none, -torch.inf).log_softmax(dim=1) for scores in (now, before))
        apart = (now - before).masked_fill(none, 0)
        parts.append((now.exp() * apart).sum(dim=1))
    return float(torch.cat(parts).mean())


def _first(candidates: Candidates, served: int) -> npt.NDArray[np.int64]:
    return np.broadcast_to(np.arange(served), (len(candidates), served)).astype(np.int64)


def _best(candidates: Candidates, served: int) -> npt.NDArray[np.int64]:
    rewards = np.where(candidates.real, candidates.rewards, -np.inf)
    return (-rewards).argsort(axis=1, kind="stable")[:, :served]


def _means(values: Float32, real: npt.NDArray[np.bool_], places: npt.NDArray[np.int64]) -> Floats:
    taken, counts = (np.take_along_axis(array, places, axis=1) for array in (values, real))
    return np.asarray(
        np.where(counts, taken, 0.0).sum(axis=1, dtype=np.float64) / np.maximum(counts.sum(axis=1), 1)
    )


def _highest(values: Float32, real: npt.NDArray[np.bool_], places: npt.NDArray[np.int64]) -> Floats:
    taken, counts = (np.take_along_axis(array, places, axis=1) for array in (values, real))
    return np.asarray(np.where(counts, taken, -np.inf).max(axis=1), dtype=np.float64)


def _shown(items: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return what a person sees: the served items, or the items of the first session, int64 [requests, places]."""
    if items.shape[2] > 1:
        return items[np.arange(len(items)), places[:, 0]]
    return np.take_along_axis(items[:, :, 0], places, axis=1)


def _accuracy(
    items: npt.NDArray[np.int64], places: npt.NDArray[np.int64], requests: Requests
) -> tuple[Floats, Floats]:
    """Return recall and NDCG of what is shown, float64 [requests] each."""
    shown, targets = _shown(items, places), list(requests.targets)
    if items.shape[2] > 1:
        ranks = session_ranks(shown, targets)
        return session_recall(ranks, shown.shape[1]), session_ndcg(ranks, shown.shape[1])
    ranks_of_one = target_ranks(shown, np.concatenate(targets))
    found = ranks_of_one > 0
    return found.astype(np.float64), found / np.log2(np.maximum(ranks_of_one, 1) + 1.0)
