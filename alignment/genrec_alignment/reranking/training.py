"""Fits the scorer to a log, and writes what the device reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from genrec.reranking.marks import Float64
from genrec.reranking.scorer import Scorer, Shape
from genrec.reranking.store import save_scorer
from genrec_alignment.reranking.batches import Windows
from genrec_alignment.reranking.config import RerankConfig
from genrec_alignment.reranking.log import SessionLog
from genrec_alignment.reranking.network import ScorerNetwork


def train(log: SessionLog, config: RerankConfig | None = None, seed: int = 0) -> ScorerNetwork:
    """Return a scorer fitted to a log by the cross-entropy of its three outcomes, summed.

    On the device some of what stands before an item is only planned, and so is not answered. For half of the rows
    the latest events are therefore pending, up to ``config.pending`` of them. How the paper trains for that was
    not at hand; this is ours.

    Args:
        log: what was shown.
        config: settings; None for the defaults.
        seed: of weights and batches.
    """
    config, rng = config or RerankConfig(), np.random.default_rng(seed)
    network = _network(log, config, seed)
    windows, outcomes = Windows(log, config.past), torch.from_numpy(log.outcomes)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, config.updates)
    for _ in range(config.updates):
        rows = rng.integers(len(log), size=min(len(log), config.batch_size))
        pending = rng.integers(config.pending + 1, size=len(rows)) * rng.integers(2, size=len(rows))
        optimizer.zero_grad()
        logits = network(windows.at(rows, pending))
        functional.binary_cross_entropy_with_logits(logits, outcomes[rows]).backward()
        optimizer.step()
        schedule.step()
    return network


def _network(log: SessionLog, config: RerankConfig, seed: int) -> ScorerNetwork:
    sizes = (config.hidden, config.heads, config.experts, config.past)
    shape = Shape(log.vectors.shape[1], log.feature_names, *sizes)
    scale = log.features.std(axis=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ScorerNetwork(shape, log.features.mean(axis=0), np.where(scale > 0, scale, 1).astype(np.float32))


def cross_entropy(network: ScorerNetwork, log: SessionLog) -> Float64:
    """Return the mean cross-entropy of each outcome with every answer so far known, float64 [3], in nats."""
    windows, total = Windows(log, network.shape.past), np.zeros(3)
    with torch.no_grad():
        for rows in np.array_split(np.arange(len(log)), max(1, len(log) // 2048)):
            logits = network(windows.at(rows, np.zeros_like(rows)))
            target = torch.from_numpy(log.outcomes[rows])
            loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
            total += loss.double().sum(dim=0).numpy()
    return total / len(log)


def to_scorer(network: ScorerNetwork) -> Scorer:
    """Return the network as the device runs it, without torch."""
    weights = {name: tensor.detach().cpu().float().numpy() for name, tensor in network.state_dict().items()}
    return Scorer(network.shape, weights)


def export(network: ScorerNetwork, folder: Path) -> None:
    """Write the folder that :func:`genrec.reranking.store.load_scorer` reads.

    Raises:
        ArtifactError: if the folder holds something else.
    """
    save_scorer(to_scorer(network), folder)
