"""Train the network, and measure it: squared error of ratings, or recall and NDCG of next items."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from genrec.console import track
from genrec_alignment.loid.config import NetworkConfig
from genrec_alignment.loid.examples import Batch, Interactions
from genrec_alignment.loid.losses import task_loss
from genrec_alignment.loid.network import LoidNetwork
from genrec_eval.metrics import MetricsAccumulator

KS = (5, 10)
_VALIDATED, _EVALUATED, _CHUNK = 1000, 32, 1024  # rows of the next item; rows a batch; items a pass


def train_network(network: LoidNetwork, interactions: Interactions, seed: int) -> dict[str, float | None]:
    """Train on the training part; return the epochs run and the best validation.

    The weights of the epoch that does best in validation are kept; without a validation part, the last ones.

    Args:
        network: what is trained; must stand on its device.
        interactions: of the target domain.
        seed: of order, negatives and dropout. The caller's random state is left alone.
    """
    config = network.config
    rng = np.random.default_rng(seed)
    judged = interactions.rows("valid")
    if interactions.target == "item":
        judged = np.sort(rng.permutation(judged)[:_VALIDATED])
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    best, best_state, waited, epochs = -np.inf, None, 0, 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for epochs in track(range(1, config.epochs + 1), "LoID's network, epochs at most"):  # noqa: B007
            _epoch(network, interactions, config, optimizer, rng)
            if not len(judged):
                continue
            score = quality(measure(network, interactions, judged))
            waited = 0 if score > best else waited + 1
            if waited == 0:
                best, best_state = score, copy.deepcopy(network.state_dict())
            if waited >= config.patience:
                break
    if best_state is not None:
        network.load_state_dict(best_state)
    network.eval()
    return {"epochs": epochs, "validation": abs(float(best)) if len(judged) else None}


def quality(metrics: dict[str, float]) -> float:
    """Return what is to be maximised: NDCG@10, or the squared error's negative."""
    return -metrics["mse"] if "mse" in metrics else metrics["ndcg@10"]


def measure(network: LoidNetwork, interactions: Interactions, rows: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return ``mse`` and ``mae`` of ratings, or ``recall@K``, ``ndcg@K`` and ``mrr@K`` over the whole catalogue.

    Items of a user's history are left out of the ranking.
    """
    if interactions.target == "rating":
        return errors(predict(network, interactions, rows), interactions.values[rows])
    accumulator = MetricsAccumulator(KS)
    for some in _cut(rows):
        accumulator.update(rank_items(network, interactions, some, max(KS)), interactions.items[some])
    return accumulator.result()


def errors(predicted: npt.NDArray[np.floating], values: npt.NDArray[np.floating]) -> dict[str, float]:
    """Return the mean squared and the mean absolute error."""
    difference = predicted - values
    return {"mse": float(np.mean(difference**2)), "mae": float(np.mean(np.abs(difference)))}


@torch.inference_mode()
def predict(
    network: LoidNetwork, interactions: Interactions, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the scores of rows' own items, float64 [rows]."""
    network.eval()
    parts = [network(_on(network, interactions.batch(some))).scores[:, 0] for some in _cut(rows, 2048)]
    return torch.cat([torch.zeros(0, device=network.places.device), *parts]).double().cpu().numpy()


@torch.inference_mode()
def rank_items(
    network: LoidNetwork, interactions: Interactions, rows: npt.NDArray[np.int64], k: int
) -> npt.NDArray[np.int64]:
    """Return the best items for the users of rows as of then, int64 [rows, k]; -1 where items ran out."""
    network.eval()
    count = network.item_id.num_embeddings
    scores = np.concatenate(
        [_scores(network, interactions, rows, np.arange(start, min(start + _CHUNK, count)))
         for start in range(0, count, _CHUNK)],
        axis=1,
    )  # fmt: skip
    for at, row in enumerate(rows):
        scores[at, interactions.items[interactions.readable(int(row))]] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.where(np.isneginf(np.take_along_axis(scores, best, axis=1)), -1, best)
    return np.pad(found, ((0, 0), (0, k - found.shape[1])), constant_values=-1)


def _scores(
    network: LoidNetwork, interactions: Interactions, rows: npt.NDArray[np.int64], items: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    candidates = np.broadcast_to(items, (len(rows), len(items))).copy()
    return network(_on(network, interactions.batch(rows, candidates))).scores.cpu().numpy()


def _epoch(
    network: LoidNetwork,
    interactions: Interactions,
    config: NetworkConfig,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> None:
    network.train()
    items = network.item_id.num_embeddings
    for batch in interactions.training_batches(config.batch_size, config.negatives, items, rng):
        batch = _on(network, batch)
        scored = network(batch)
        values = batch.values if interactions.target == "rating" else None
        loss = task_loss(scored.scores, batch.items, values)
        if config.contrast_weight:
            loss = loss + config.contrast_weight * network.contrast(scored, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


def _on(network: LoidNetwork, batch: Batch) -> Batch:
    where = network.places.device
    return Batch(*(getattr(batch, name).to(where) for name in ("users", "items", "values", "history", "weights")))


def _cut(rows: npt.NDArray[np.int64], size: int = _EVALUATED) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
