"""What the quantizers that are networks share: vectors in and out, training, and the trip to disk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from genrec_tokenizers.quantizers.base import Quantizer, check_codes, check_trainable, check_vectors
from genrec_tokenizers.quantizers.network import Network
from genrec_tokenizers.quantizers.training import Recipe, StandardRows, standardize, train

_CHUNK = 16_384


class TrainedQuantizer(Quantizer):
    """A network between standardised vectors and codes; a subclass makes the network.

    Args:
        codebook_sizes: the number of codes of each level.
        epochs: passes over the items.
        batch_size: items of one training step.
        learning_rate: of AdamW at the first step; it falls to zero along a cosine.
        hidden: widths of the encoder's hidden layers; the decoder has them the other way round.
        seed: of the weights, the order of the items, and every other random choice.
    """

    description: ClassVar[str] = "Training the quantizer"

    def __init__(
        self,
        codebook_sizes: tuple[int, ...],
        epochs: int,
        batch_size: int,
        learning_rate: float,
        hidden: tuple[int, ...],
        seed: int = 0,
    ) -> None:
        super().__init__(codebook_sizes, seed)
        self.hidden = tuple(hidden)
        self.epochs, self.batch_size, self.learning_rate = epochs, batch_size, learning_rate
        self._network: Network | None = None
        self._mean, self._scale = np.zeros(0, np.float32), 1.0

    @abstractmethod
    def _make_network(self, dim: int) -> Network:
        """Return an untrained network for vectors of ``dim`` dimensions."""

    def _add_terms(self, network: Network, collaborative: int) -> None:
        """Give the network the further terms of its loss, for collaborative vectors of that many dimensions."""

    def fit_encode(
        self, embeddings: npt.NDArray[np.float32], collaborative: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.int32]:
        """Train the network and return the codes of :meth:`encode`; see :meth:`Quantizer.fit_encode`.

        An accelerator is used if there is one.
        """
        vectors = check_vectors(embeddings)
        check_trainable(vectors, self._fewest_items())
        rows = standardize(vectors)
        self._dim, self._mean, self._scale = vectors.shape[1], rows.mean, float(rows.scale)
        # The global generator is put back afterwards: who uses it elsewhere is not disturbed.
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = self._make_network(self.dim)
            self._add_terms(network, 0 if collaborative is None else collaborative.shape[1])
            network.to("cuda" if torch.cuda.is_available() else "cpu")
            train(network, rows, collaborative, self._recipe(), self.description)
        self._network = network
        return self.encode(vectors)

    def encode(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Return the codes with the network as it is; see :meth:`Quantizer.encode`."""
        rows = self._standard(embeddings)
        codes = np.empty((len(rows), self.levels), dtype=np.int32)
        for chunk in rows.chunks():
            codes[chunk] = self._run(self._trained.encode, rows[chunk])
        return codes

    def decode(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return the decoder's output in the units of the embeddings; see :meth:`Quantizer.decode`."""
        known = torch.from_numpy(check_codes(codes, self.codebook_sizes))
        vectors = np.empty((len(known), self.dim), dtype=np.float32)
        for start in range(0, len(known), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            vectors[chunk] = self._run(self._trained.decode, known[chunk]) * np.float32(self._scale) + self._mean
        return vectors

    def costs(
        self, embeddings: npt.NDArray[np.float32], prefix: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        """Return the squared distances in the latent space; see :meth:`Quantizer.costs`."""
        rows = self._standard(embeddings)
        known = torch.from_numpy(check_codes(prefix, self.codebook_sizes))
        costs = np.empty((len(rows), self.codebook_sizes[prefix.shape[1]]), dtype=np.float32)
        for chunk in rows.chunks():
            costs[chunk] = self._run(self._trained.costs, rows[chunk], known[chunk])
        return costs

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "codebook_sizes": list(self.codebook_sizes),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "hidden": list(self.hidden),
            "seed": self.seed,
        }

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return the network's weights, and the mean and scale of its inputs."""
        weights = {name: tensor.cpu().numpy() for name, tensor in self._trained.state_dict().items()}
        return {**weights, "mean": self._mean, "scale": np.float32(self._scale).reshape(1)}

    def _restore(self, tensors: dict[str, npt.NDArray[Any]]) -> None:
        weights = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
        self._mean, self._scale = weights.pop("mean").numpy(), float(weights.pop("scale"))
        if self._mean.shape != (self.dim,):
            raise ValueError(f"a mean of the shape {self._mean.shape}")
        with torch.random.fork_rng():
            network = self._make_network(self.dim)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        self._network = network

    def _recipe(self) -> Recipe:
        return Recipe(self.epochs, 0, self.batch_size, self.learning_rate, self.seed, keep_best=True)

    def _fewest_items(self) -> int:
        return max(self.codebook_sizes)

    @property
    def _trained(self) -> Network:
        if self._network is None:
            raise RuntimeError("the quantizer is not fitted: call fit() or from_pretrained() first")
        return self._network

    def _standard(self, embeddings: npt.NDArray[np.float32]) -> StandardRows:
        return StandardRows(check_vectors(embeddings, self.dim), self._mean, self._scale)

    def _run(self, function: Callable[..., torch.Tensor], *tensors: torch.Tensor) -> npt.NDArray[Any]:
        with torch.no_grad():
            return function(*(tensor.to(_device(self._trained)) for tensor in tensors)).cpu().numpy()


def _device(network: Network) -> torch.device:
    return next(network.parameters()).device
