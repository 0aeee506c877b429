"""Finite scalar quantization: the dimensions of a latent vector are rounded to a few values each.

Mentzer et al. 2023 (arXiv 2309.15505). There is no codebook to learn, so no code can die and no term of the loss is
needed besides the reconstruction.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from genrec.errors import ConfigError
from genrec_tokenizers.config.bins import bins_for
from genrec_tokenizers.quantizers.network import Network, Perceptron, squared_distances
from genrec_tokenizers.quantizers.trained import TrainedQuantizer

_MARGIN = 1e-3


class FSQ(TrainedQuantizer):
    """An autoencoder whose latent vector has one group of rounded dimensions for each level of the ID.

    The values of a level's dimensions, read as one number, are its code. **The order of the levels means nothing**:
    no level refines another, and two items with equal first codes are alike in the dimensions of that group, not in
    the coarse. A generator still learns such IDs, but their prefixes are no hierarchy. Decoding a prefix puts the
    other levels at the code nearest their mean over the items it was fitted on.

    Args:
        codebook_sizes: the number of codes of each level.
        bins: values of each latent dimension of a level, whose product is the codebook size; None splits each
            size by :func:`genrec_tokenizers.config.bins.bins_for`.
        hidden: widths of the encoder's hidden layers; the decoder has them the other way round.
        epochs: passes over the items.
        batch_size: items of one training step.
        learning_rate: of AdamW at the first step.
        seed: of every random choice.

    Raises:
        ConfigError: if a size cannot be split, or the bins' product is another number.
    """

    kind = "fsq"
    description = "Training FSQ"

    def __init__(
        self,
        codebook_sizes: tuple[int, ...] = (256, 256, 256),
        bins: tuple[int, ...] | None = None,
        hidden: tuple[int, ...] = (512,),
        epochs: int = 200,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__(codebook_sizes, epochs, batch_size, learning_rate, hidden, seed)
        self.bins = None if bins is None else tuple(bins)
        wrong = [size for size in self.codebook_sizes if self.bins and math.prod(self.bins) != size]
        if wrong:
            raise ConfigError(
                f"The bins {self.bins} make {math.prod(self.bins or ())} codes, not {wrong[0]}.",
                "Set tokenize.quantizer.codebook_size to their product, or leave tokenize.quantizer.bins out.",
            )
        try:
            self._bins = [self.bins or bins_for(size) for size in self.codebook_sizes]
        except ValueError as error:
            raise ConfigError(f"tokenize.quantizer.codebook_size: {error}.") from error

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        bins = None if self.bins is None else list(self.bins)
        return {**super().settings(), "bins": bins}

    def _fewest_items(self) -> int:
        return 1  # no codebook has to be filled

    def _make_network(self, dim: int) -> Network:
        widths = (dim, *self.hidden, sum(len(bins) for bins in self._bins))
        return ScalarNetwork(Perceptron(widths), Perceptron(widths[::-1]), self._bins)


class ScalarNetwork(Network):
    """Encoder, rounding, decoder.

    With L values a dimension, h = (L − 1)(1 + margin) / 2 and the offset o of a half where L is even, a latent z is
    bounded to f(z) = h · tanh(z + atanh(o / h)) − o and rounded, which gives the L whole numbers from −⌊L/2⌋ on
    (section 3.1 of the paper). Divided by ⌊L/2⌋ they lie in −1 … 1. The gradient passes as if nothing had been
    rounded.

    Args:
        encoder: float32 [items, dim] → [items, dimensions of all levels].
        decoder: the way back.
        bins: values of each dimension, for each level.
    """

    _halves: torch.Tensor
    _reach: torch.Tensor
    _offset: torch.Tensor
    middle: torch.Tensor

    def __init__(self, encoder: nn.Module, decoder: nn.Module, bins: list[tuple[int, ...]]) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.widths = [len(level) for level in bins]
        values = torch.tensor([value for level in bins for value in level])
        self.register_buffer("_halves", values // 2, persistent=False)
        self.register_buffer("_reach", (values - 1) * (1 + _MARGIN) / 2, persistent=False)
        self.register_buffer("_offset", torch.where(values % 2 == 0, 0.5, 0.0), persistent=False)
        for level, sizes in enumerate(bins):
            self.register_buffer(f"_grid_{level}", _grid(sizes), persistent=False)
        # The code of each level for prefixes; set after training.
        self.register_buffer("middle", torch.zeros(len(bins), dtype=torch.long))

    def loss(self, vectors: torch.Tensor, collaborative: torch.Tensor | None) -> torch.Tensor:
        """Return the mean squared error of the reconstruction."""
        del collaborative
        bounded = self._bound(self.encoder(vectors))
        rounded = bounded + (bounded.round() - bounded).detach()
        return F.mse_loss(self.decoder(rounded / self._halves), vectors)

    def finish(self, vectors: torch.Tensor) -> None:
        """Take the code nearest the mean of each level from float32 [items, dim]."""
        mean = self._latent(vectors).mean(0, keepdim=True)
        self.middle.copy_(self._nearest(mean)[0])

    def encode(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the codes of the rounded latent vector."""
        return self._nearest(self._latent(vectors))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the decoder's output for the codes' grid points."""
        rest = self.middle[codes.shape[1] :].expand(len(codes), -1)
        columns = torch.cat([codes, rest], dim=1).T
        return self.decoder(torch.cat([self._points(level)[column] for level, column in enumerate(columns)], dim=1))

    def costs(self, vectors: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return the squared distances of the bounded latent group to its grid points; the prefix plays no part."""
        level = prefix.shape[1]
        return squared_distances(self._latent(vectors).split(self.widths, dim=1)[level], self._points(level))

    def _latent(self, vectors: torch.Tensor) -> torch.Tensor:
        return self._bound(self.encoder(vectors)) / self._halves

    def _bound(self, latent: torch.Tensor) -> torch.Tensor:
        return self._reach * torch.tanh(latent + torch.atanh(self._offset / self._reach)) - self._offset

    def _nearest(self, latent: torch.Tensor) -> torch.Tensor:
        groups = latent.split(self.widths, dim=1)
        nearest = [squared_distances(group, self._points(level)).argmin(1) for level, group in enumerate(groups)]
        return torch.stack(nearest, dim=1)

    def _points(self, level: int) -> torch.Tensor:
        return self.get_buffer(f"_grid_{level}")


def _grid(bins: tuple[int, ...]) -> torch.Tensor:
    """Return the values that each code of a level stands for, float32 [codes, dimensions], the last one fastest."""
    values = [(np.arange(size) - size // 2) / (size // 2) for size in bins]
    return torch.from_numpy(np.stack(np.meshgrid(*values, indexing="ij"), axis=-1).reshape(-1, len(bins))).float()
