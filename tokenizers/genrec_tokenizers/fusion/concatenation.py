"""Fusion without training: the sources' vectors, normalised and weighted, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from genrec.data.dataset import Dataset
from genrec_tokenizers.encoders.base import ItemVectors
from genrec_tokenizers.fusion.base import Fusion, check_sources

_TINY = 1e-6


class Concatenation(Fusion):
    """Normalise each source, scale every item's part to the source's weight, and put the parts side by side.

    The squared distance of two items is thus the sum over sources of weight² times their squared distance
    there, whatever units the encoders use. An item that a source does not know gets zeros in that part, which
    is the source's mean: it counts as neither near to nor far from anything.

    Args:
        weights: the length of each source's part.
        normalize: ``center`` takes a source's mean off; ``whiten`` also gives all its principal components the
            same variance. Means and components are those of the items the source knows.
    """

    kind = "concatenation"

    def __init__(self, weights: Sequence[float], normalize: Literal["center", "whiten"] = "center") -> None:
        self.weights = tuple(weights)
        self.normalize = normalize
        self._means: list[npt.NDArray[np.float32]] = []
        self._axes: list[npt.NDArray[np.float32]] = []

    def fit_transform(
        self, sources: Sequence[ItemVectors], dataset: Dataset | None = None
    ) -> npt.NDArray[np.float32]:
        """Return float32 [items, sum of dims]; see :meth:`Fusion.fit_transform`."""
        del dataset
        self._means = [_mean(source) for source in sources]
        if self.normalize == "whiten":
            self._axes = [_whitening(source, mean) for source, mean in zip(sources, self._means, strict=True)]
        return self.transform(sources)

    def transform(self, sources: Sequence[ItemVectors]) -> npt.NDArray[np.float32]:
        """Return float32 [items, sum of dims]; see :meth:`Fusion.transform`."""
        check_sources(sources, [len(mean) for mean in self._means])
        parts = [self._normalized(source, number) for number, source in enumerate(sources)]
        return np.concatenate(parts, axis=1)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"weights": list(self.weights), "normalize": self.normalize}

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return each source's mean, and the matrix that whitens it if it does."""
        tensors = {f"mean_{number}": mean for number, mean in enumerate(self._means)}
        return tensors | {f"axes_{number}": axes for number, axes in enumerate(self._axes)}

    def _restore(self, tensors: dict[str, npt.NDArray[Any]]) -> None:
        numbers = range(len(self.weights))
        self._means = [tensors[f"mean_{number}"] for number in numbers]
        self._axes = [tensors[f"axes_{number}"] for number in numbers] if self.normalize == "whiten" else []

    def _normalized(self, source: ItemVectors, number: int) -> npt.NDArray[np.float32]:
        """Return a source's vectors normalised and scaled to its weight; unknown items are zero."""
        result = np.zeros(source.vectors.shape, dtype=np.float32)
        known = source.vectors[source.known] - self._means[number]
        if self._axes:
            known = known @ self._axes[number]
        lengths = np.linalg.norm(known, axis=1, keepdims=True)
        weight = np.float32(self.weights[number])
        result[source.known] = np.where(lengths > _TINY, weight * known / np.maximum(lengths, _TINY), 0)
        return result


def _mean(source: ItemVectors) -> npt.NDArray[np.float32]:
    known = source.vectors[source.known]
    return known.mean(axis=0, dtype=np.float64).astype(np.float32) if len(known) else known.sum(axis=0)


def _whitening(source: ItemVectors, mean: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the matrix that gives a source's principal axes variance 1; axes without variance become zero."""
    known = source.vectors[source.known] - mean
    variances, axes = np.linalg.eigh((known.T @ known).astype(np.float64) / max(len(known), 1))
    kept = variances > max(variances[-1], 0) * _TINY
    scale = np.where(kept, 1 / np.sqrt(np.where(kept, variances, 1)), 0)
    return (axes * scale).astype(np.float32)
