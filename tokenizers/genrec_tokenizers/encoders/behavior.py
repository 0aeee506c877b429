"""Behaviour vectors: what users consume close to an item says what the item is.

Co-occurrence counts of items at most ``window`` steps apart in a user's history become positive pointwise
mutual information, and a truncated SVD makes them dense (Levy & Goldberg, "Neural Word Embedding as Implicit
Matrix Factorization", 2014; context smoothing and the square root of the singular values from Levy, Goldberg
& Dagan, "Improving Distributional Similarity with Lessons Learned from Word Embeddings", 2015).

Only the training part is read, so that nothing of a validation or test target leaks into its item's ID.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse
from scipy.sparse.linalg import svds

from genrec.data.dataset import SPLITS, Dataset, Sequences
from genrec.errors import DataError
from genrec_tokenizers.encoders.base import Encoder, ItemVectors, unknown

CONTEXT_SMOOTHING = 0.75  # flattens the contexts' counts, which otherwise favour rare contexts


class BehaviorEncoder(Encoder):
    """PPMI of windowed co-occurrence, made dense by a truncated SVD.

    An item without a neighbour in the training part is not ``known``.

    Args:
        dim: dimensions of the vectors; fewer items than that leave the rest zero.
        window: items at most this many steps apart in a training history co-occur.
        seed: of the SVD's starting vector.
    """

    name = "behavior"

    def __init__(self, dim: int = 64, window: int = 5, seed: int = 0) -> None:
        self._dim = dim
        self.window = window
        self.seed = seed

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return self._dim

    def encode(self, dataset: Dataset) -> ItemVectors:
        """Return float32 [items, dim].

        Raises:
            DataError: if no two items ever follow each other in the training part.
        """
        counts = cooccurrences(dataset.sequences, len(dataset.items), self.window)
        if counts.nnz == 0:
            raise DataError(
                "No user has two interactions in the training part, so behaviour says nothing about any item.",
                "Set tokenize.encoders.behavior.weight=0, or filter the log less strictly.",
            )
        association = ppmi(counts)
        return ItemVectors(truncated_svd(association, self.dim, self.seed), np.diff(association.indptr) > 0)

    def encode_new(self, items: pl.DataFrame) -> ItemVectors:
        """Return zeros, all unknown: nobody has used these items yet."""
        return unknown(len(items), self.dim)


def cooccurrences(sequences: Sequences, items: int, window: int) -> sparse.csr_matrix:
    """Count how often two items stand at most ``window`` steps apart in one user's training part.

    Returns:
        symmetric float64 [items, items] without a diagonal.
    """
    kept = sequences.splits == SPLITS.index("train")
    users = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets))[kept]
    flat = sequences.items[kept]
    total = sparse.csr_matrix((items, items), dtype=np.float64)
    for step in range(1, min(window, len(flat) - 1) + 1):
        near = (users[step:] == users[:-step]) & (flat[step:] != flat[:-step])
        left, right = flat[:-step][near], flat[step:][near]
        total += sparse.coo_matrix((np.ones(len(left)), (left, right)), shape=(items, items)).tocsr()
    return (total + total.T).tocsr()


def ppmi(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return max(0, log(P(i, j) / (P(i) P_a(j)))), where P_a is smoothed by the power ``CONTEXT_SMOOTHING``.

    Args:
        counts: float64 [items, items], without explicit zeros.
    """
    rows = np.asarray(counts.sum(axis=1)).ravel()
    contexts = np.asarray(counts.sum(axis=0)).ravel() ** CONTEXT_SMOOTHING
    pairs = counts.tocoo()
    ratio = pairs.data * contexts.sum() / (rows[pairs.row] * contexts[pairs.col])
    positive = sparse.coo_matrix((np.maximum(np.log(ratio), 0), (pairs.row, pairs.col)), shape=counts.shape).tocsr()
    positive.eliminate_zeros()
    return positive


def truncated_svd(matrix: sparse.csr_matrix, dim: int, seed: int) -> npt.NDArray[np.float32]:
    """Return U √S of the ``dim`` largest singular values, float32 [rows, dim], the same for the same seed."""
    rank = min(dim, min(matrix.shape) - 1)
    start = np.random.default_rng(seed).standard_normal(min(matrix.shape))
    left, values, _ = svds(matrix, k=rank, v0=start)
    order = np.argsort(-values)
    vectors = np.zeros((matrix.shape[0], dim), dtype=np.float32)
    vectors[:, :rank] = left[:, order] * np.sqrt(values[order])
    return vectors
