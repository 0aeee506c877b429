"""Fusion: the sources' vectors of an item become one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from genrec_tokenizers.encoders.base import ItemVectors

_TINY = 1e-6


def fuse(
    sources: Sequence[tuple[ItemVectors, float]], normalize: Literal["center", "whiten"] = "center"
) -> npt.NDArray[np.float32]:
    """Normalise each source, scale every item's part to the source's weight, and put the parts side by side.

    The squared distance of two items is thus the sum over sources of weight² times their squared distance
    there, whatever units the encoders use. An item that a source does not know gets zeros in that part, which
    is the source's mean: it counts as neither near to nor far from anything.

    Args:
        sources: each source's vectors [items, dim] and its weight.
        normalize: ``center`` takes the mean off; ``whiten`` also gives all principal components the same
            variance.

    Returns:
        float32 [items, sum of dims].
    """
    parts = [np.float32(weight) * normalized(source, normalize == "whiten") for source, weight in sources]
    return np.concatenate(parts, axis=1)


def normalized(source: ItemVectors, whiten: bool = False) -> npt.NDArray[np.float32]:
    """Return a source's vectors centred, whitened if asked for, and scaled to length 1; unknown items are zero.

    The mean and the principal components are those of the known items.
    """
    known = source.vectors[source.known]
    result = np.zeros(source.vectors.shape, dtype=np.float32)
    if not len(known):
        return result
    known -= known.mean(axis=0, dtype=np.float64)
    if whiten:
        known = _whitened(known)
    lengths = np.linalg.norm(known, axis=1, keepdims=True)
    result[source.known] = np.where(lengths > _TINY, known / np.maximum(lengths, _TINY), 0)
    return result


def _whitened(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return centred vectors in their principal axes, each of variance 1; axes without variance become zero."""
    variances, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64) / len(vectors))
    kept = variances > max(variances[-1], 0) * _TINY
    scale = np.where(kept, 1 / np.sqrt(np.where(kept, variances, 1)), 0)
    return vectors @ (axes * scale).astype(np.float32)
