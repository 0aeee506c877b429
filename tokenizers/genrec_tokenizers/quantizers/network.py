"""What the trained quantizers ask of a network, and the layers their networks are made of."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn


class Network(nn.Module, ABC):
    """An autoencoder with codes in its middle; everything is in the standardised units of its inputs."""

    def start(self, vectors: torch.Tensor) -> None:
        """Start the codes from float32 [items, dim], after the epochs of warm-up."""

    @abstractmethod
    def loss(self, vectors: torch.Tensor, collaborative: torch.Tensor | None) -> torch.Tensor:
        """Return the loss of a batch, float32 [items, dim] and [items, any]."""

    def finish(self, vectors: torch.Tensor) -> None:
        """Set what is left once the weights are the final ones, from float32 [items, dim]."""

    def after_epoch(self) -> None:
        """Do what is done between epochs."""

    @abstractmethod
    def encode(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return codes, int64 [items, levels], of float32 [items, dim]."""

    @abstractmethod
    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return float32 [items, dim] for int64 [items, levels or fewer]."""

    @abstractmethod
    def costs(self, vectors: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return the cost of each code of the level after ``prefix``, float32 [items, codes]."""


class Perceptron(nn.Module):
    """Linear layers with ReLU between them.

    Args:
        widths: of the input, the hidden layers, and the output.
        residual: add the input to the output, and start with the last layer at zero, so that the whole starts as
            the identity.
    """

    def __init__(self, widths: Sequence[int], residual: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.residual = residual
        if residual:
            last = layers[-2]
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return [items, last width] of [items, first width]."""
        result = self.layers(vectors)
        return vectors + result if self.residual else result


def squared_distances(vectors: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """Return ‖v − c‖², float32 [items, codes], of float32 [items, dim] and [codes, dim]."""
    cross = torch.addmm(codebook.square().sum(1), vectors, codebook.T, alpha=-2)
    return (cross + vectors.square().sum(1, keepdim=True)).clamp_min(0)
