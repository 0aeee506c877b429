"""What the trained fusions share: sources side by side go through a network trained on pairs of items."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from genrec.console import remark
from genrec.data.dataset import Dataset
from genrec_tokenizers.alignment.pairs import item_pairs
from genrec_tokenizers.alignment.training import AlignmentSettings, align, all_vectors, hit_rate
from genrec_tokenizers.encoders.base import ItemVectors
from genrec_tokenizers.fusion.base import Fusion
from genrec_tokenizers.fusion.concatenation import Concatenation

SOURCE_DROPOUT = 0.3  # in training a source is hidden so often, as behaviour is for items that come later


class TrainedFusion(Fusion):
    """A network over the normalised sources, trained so that items used together come nearer.

    Pairs come from the training part (:mod:`genrec_tokenizers.alignment.pairs`). Held-out pairs decide when to
    stop, and a remark says how often one's item is among the other's ten nearest, against plain concatenation.
    Vectors have length 1. An item that a source does not know still gets one, from the other sources.

    Args:
        weights: how much each source counts before training.
        dim: dimensions of the fused vectors.
        epochs: passes over the pairs, at most.
        batch_size: pairs a step.
        learning_rate: of AdamW.
        temperature: of InfoNCE; None learns it.
        mixup: alpha of ID-MixGCL's Beta; 0 mixes nothing.
        cic: weight of EM3's content-ID contrast; 0 leaves it out.
        seed: of the weights and of training.
    """

    def __init__(
        self,
        weights: Sequence[float],
        dim: int = 128,
        epochs: int = 20,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        temperature: float | None = None,
        mixup: float = 0.0,
        cic: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.dim = dim
        self._alignment = AlignmentSettings(epochs, batch_size, learning_rate, temperature, mixup, cic, seed)
        self._side_by_side = Concatenation(weights)
        self._network: nn.Module | None = None

    @abstractmethod
    def network(self, dims: Sequence[int]) -> nn.Module:
        """Return the untrained network.

        It takes the sources side by side, float32 [batch, sum of dims], and bool [batch, sources], where a source
        knows the item, and returns float32 [batch, dim]. What is unknown must not change the result.
        """

    def fit_transform(self, sources: Sequence[ItemVectors], dataset: Dataset) -> npt.NDArray[np.float32]:
        """Return float32 [items, dim]; see :meth:`Fusion.fit_transform`.

        Raises:
            DataError: if the training part has hardly any pairs of items used together.
        """
        plain = self._side_by_side.fit_transform(sources)
        pairs = item_pairs(dataset, self._alignment.seed)
        self._network = self._build(sources)
        fused = _Items(self._network, plain, _known(sources), [source.vectors.shape[1] for source in sources])
        outcome = align(fused, len(plain), pairs, self._alignment)
        remark(
            f"{self.kind}: in {outcome.epochs} epochs on {len(pairs.train):,} item pairs the hit rate@10 of "
            f"{len(pairs.held_out):,} held-out pairs went from {outcome.before:.3f} to {outcome.after:.3f}; "
            f"plain concatenation has {hit_rate(plain, pairs):.3f}."
        )
        return all_vectors(fused, len(plain))

    def transform(self, sources: Sequence[ItemVectors]) -> npt.NDArray[np.float32]:
        """Return float32 [items, dim]; see :meth:`Fusion.transform`."""
        if self._network is None:
            raise RuntimeError(f"this {self.kind} fusion is not fitted")
        plain = self._side_by_side.transform(sources)
        fused = _Items(self._network, plain, _known(sources), [source.vectors.shape[1] for source in sources])
        return all_vectors(fused, len(plain))

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"weights": list(self._side_by_side.weights), "dim": self.dim, **vars(self._alignment)}

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return each source's mean, and the network's weights."""
        if self._network is None:
            raise RuntimeError(f"this {self.kind} fusion is not fitted")
        weights = {f"network.{name}": weight.numpy() for name, weight in self._network.state_dict().items()}
        return self._side_by_side.tensors() | weights

    def _restore(self, tensors: dict[str, npt.NDArray[Any]]) -> None:
        self._side_by_side._restore(tensors)
        numbers = range(len(self._side_by_side.weights))
        network = self.network([len(tensors[f"mean_{number}"]) for number in numbers])
        prefix = "network."
        weights = {
            name.removeprefix(prefix): torch.from_numpy(tensor)
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        self._network = network.eval()

    def _build(self, sources: Sequence[ItemVectors]) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(self._alignment.seed)
            return self.network([source.vectors.shape[1] for source in sources])


class _Items(nn.Module):
    """A fusion's network over item indices, as alignment wants it; in training, sources are hidden at random."""

    def __init__(
        self, network: nn.Module, plain: npt.NDArray[np.float32], known: Tensor, dims: Sequence[int]
    ) -> None:
        super().__init__()
        self.network, self.plain, self.known = network, torch.from_numpy(plain), known
        self.owner = torch.repeat_interleave(torch.arange(len(dims)), torch.tensor(dims))

    def forward(self, items: Tensor) -> Tensor:
        plain, known = self.plain[items], self.known[items]
        if self.training:
            shown = known & (torch.rand(known.shape) >= SOURCE_DROPOUT)
            known = torch.where(shown.any(dim=1, keepdim=True), shown, known)  # never hide everything
            plain = plain * known[:, self.owner]
        return nn.functional.normalize(self.network(plain, known), dim=-1)


def _known(sources: Sequence[ItemVectors]) -> Tensor:
    return torch.from_numpy(np.stack([source.known for source in sources], axis=1))
