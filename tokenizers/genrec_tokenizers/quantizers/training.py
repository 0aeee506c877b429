"""The training loop of the quantizers that are networks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from genrec.console import progress_bar
from genrec_tokenizers.quantizers.network import Network

_CHUNK = 16_384
_SAMPLE = 100_000
_MEASUREMENTS = 20


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: AdamW, the learning rate falling to zero along a cosine.

    Args:
        epochs: passes over the items.
        warmup: the epochs before the network's codes start.
        batch_size: items of a step.
        learning_rate: of the first step.
        seed: of the order of the items.
        keep_best: keep the weights of the best measured epoch, not of the last.
    """

    epochs: int
    warmup: int
    batch_size: int
    learning_rate: float
    seed: int
    keep_best: bool


class StandardRows:
    """Vectors, in memory or a memory map, read in standardised units: (e − mean) / scale.

    The scale is one number, the root of the mean variance of the dimensions: distances keep their proportions, so
    a network that reconstructs standardised vectors reconstructs the vectors themselves, and no dimension of mere
    noise is blown up.

    Args:
        vectors: float32 [items, dim].
        mean: float32 [dim].
        scale: above 0.
    """

    def __init__(self, vectors: npt.NDArray[np.float32], mean: npt.NDArray[np.float32], scale: float) -> None:
        self.vectors, self.mean, self.scale = vectors, mean, np.float32(scale)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: npt.NDArray[np.int64] | slice) -> torch.Tensor:
        return torch.from_numpy((self.vectors[rows] - self.mean) / self.scale)

    def chunks(self) -> Iterator[slice]:
        """Return slices that cover all rows."""
        return (slice(start, start + _CHUNK) for start in range(0, len(self), _CHUNK))

    def sample(self, size: int) -> torch.Tensor:
        """Return at most ``size`` rows, evenly spread."""
        return self[:: -(-len(self) // size)]


def standardize(vectors: npt.NDArray[np.float32]) -> StandardRows:
    """Return float32 [items, dim] in standardised units, with the mean and scale that make them so."""
    starts = range(0, len(vectors), _CHUNK)
    mean = sum(vectors[start : start + _CHUNK].sum(axis=0, dtype=np.float64) for start in starts) / len(vectors)
    squares = sum(np.square(vectors[start : start + _CHUNK] - mean).sum() for start in starts)
    return StandardRows(vectors, mean.astype(np.float32), float(np.sqrt(squares / vectors.size)))


def train(
    network: Network,
    rows: StandardRows,
    collaborative: npt.NDArray[np.float32] | None,
    recipe: Recipe,
    description: str,
) -> None:
    """Train a network in place.

    To find the best epoch, the error of the reconstruction from the codes of :meth:`Network.encode` is measured
    when the codes start and on every twentieth of the epochs, on all items or on 100,000 of them.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=0.0)
    steps = recipe.epochs * -(-len(rows) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    best = Best(network, lambda: reconstruction_error(network, rows))
    every = max(1, recipe.epochs // _MEASUREMENTS)
    order = np.random.default_rng(recipe.seed)
    with progress_bar() as bar:
        for epoch in bar.track(range(recipe.epochs), description=description):
            if epoch == recipe.warmup:
                network.start(*_to_device(network, rows.sample(_SAMPLE)))
                best.measure()
            for batch in _batches(order.permutation(len(rows)), recipe.batch_size):
                others = None if collaborative is None else torch.from_numpy(collaborative[batch])
                optimizer.zero_grad(set_to_none=True)
                network.loss(*_to_device(network, rows[batch], others)).backward()
                optimizer.step()
                schedule.step()
            if epoch >= recipe.warmup:
                if recipe.keep_best and ((epoch + 1) % every == 0 or epoch + 1 == recipe.epochs):
                    best.measure()
                network.after_epoch()
    if recipe.keep_best:
        best.restore()
    with torch.no_grad():
        network.finish(*_to_device(network, rows.sample(_SAMPLE)))


class Best:
    """The weights with the smallest error so far.

    Args:
        network: whose weights they are.
        error: measures the network as it is.
    """

    def __init__(self, network: Network, error: Callable[[], float]) -> None:
        self._network, self._error = network, error
        self.error, self._weights = float("inf"), network.state_dict()

    def measure(self) -> None:
        """Keep the weights if they are the best so far."""
        error = self._error()
        if error < self.error:
            self.error, self._weights = error, copy.deepcopy(self._network.state_dict())

    def restore(self) -> None:
        """Give the network the best weights."""
        self._network.load_state_dict(self._weights)


@torch.no_grad()
def reconstruction_error(network: Network, rows: StandardRows) -> float:
    """Return the mean squared error of a network's reconstructions: the share of the variance not explained."""
    total, count = 0.0, 0
    step = -(-len(rows) // _SAMPLE)
    for chunk in rows.chunks():
        (vectors,) = _to_device(network, rows[chunk][::step])
        total += float((network.decode(network.encode(vectors)) - vectors).square().sum())
        count += vectors.numel()
    return total / count


def _batches(order: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    return (order[start : start + size] for start in range(0, len(order), size))


def _to_device(network: Network, *tensors: torch.Tensor | None) -> list:
    device = next(network.parameters()).device
    return [None if tensor is None else tensor.to(device) for tensor in tensors]
