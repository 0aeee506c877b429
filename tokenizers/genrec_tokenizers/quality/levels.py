"""How evenly the codes of each level are used, and how much of the vectors they keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from genrec_tokenizers.quantizers.base import Quantizer

_CHUNK = 65_536


def level_figures(codes: npt.NDArray[np.integer], size: int) -> dict[str, Any]:
    """Return how evenly one level's codes [items] use a codebook of ``size`` codes.

    Returns:
        ``codes``, the size; ``used``, codes of at least one item; ``utilisation``, their share; ``entropy``, the
        entropy in bits of the code of a random item, at most log2(size); ``perplexity``, 2 to the entropy: as
        many equally frequent codes would be as uncertain; ``balance``, the entropy as a share of log2(size), so
        that 1 means that all codes have equally many items; ``largest``, the items of the most frequent code.
    """
    counts = np.bincount(codes, minlength=size)
    shares = counts[counts > 0] / len(codes)
    entropy = abs(float(-(shares * np.log2(shares)).sum()))
    used = len(shares)
    return {
        "codes": size,
        "used": used,
        "utilisation": used / size,
        "entropy": entropy,
        "perplexity": 2**entropy,
        "balance": entropy / float(np.log2(size)),
        "largest": int(counts.max(initial=0)),
    }


def reconstruction_errors(
    quantizer: Quantizer, embeddings: npt.NDArray[np.float32], codes: npt.NDArray[np.int32]
) -> list[float]:
    """Return, for 1, 2, … levels, the share of the embeddings' variance that the codes do not explain.

    Σ‖e − decode(codes up to the level)‖² / Σ‖e − mean(e)‖²; 0 is perfect, 1 no better than the mean.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    variance, errors = 0.0, np.zeros(codes.shape[1])
    for start in range(0, len(codes), _CHUNK):
        part, rows = np.asarray(embeddings[start : start + _CHUNK]), codes[start : start + _CHUNK]
        variance += _squared(part - mean)
        for level in range(codes.shape[1]):
            errors[level] += _squared(part - quantizer.decode(rows[:, : level + 1]))
    return (errors / variance).tolist()


def _squared(vectors: npt.NDArray[np.float32]) -> float:
    return float(np.einsum("ij,ij->i", vectors, vectors).sum(dtype=np.float64))
