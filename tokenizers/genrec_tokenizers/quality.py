"""Figures that say how good a set of semantic IDs is before anything is trained on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from genrec_tokenizers.collisions import groups_of
from genrec_tokenizers.quantizers.base import Quantizer


def quality(
    quantizer: Quantizer,
    embeddings: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32],
    unique: npt.NDArray[np.int32],
) -> dict[str, Any]:
    """Return the figures of ``quality.json``.

    Args:
        quantizer: what made the codes.
        embeddings: float32 [items, dim], what it was given.
        codes: int32 [items, levels], before collisions were resolved.
        unique: int32 [items, levels or levels + 1], after.

    Returns:
        ``levels``: one entry a level of the quantizer, see :func:`level_figures`, with
        ``reconstruction_error``, see :func:`reconstruction_errors`, and ``prefixes``, the number of different
        beginnings of IDs up to that level. ``collisions``: ``before`` and ``after``, items that share all codes
        with another item; ``share_before``, as a share of all items; ``largest_group``. ``appended_level`` and
        ``appended_codes``: whether a level was added, and its size. ``entropy_unit``: ``bits``.
    """
    levels = []
    errors = reconstruction_errors(quantizer, embeddings, codes)
    for level, size in enumerate(quantizer.codebook_sizes):
        figures = {"level": level + 1, **level_figures(codes[:, level], size)}
        figures["prefixes"] = len(groups_of(codes[:, : level + 1]).sizes)
        levels.append({**figures, "reconstruction_error": errors[level]})
    before, after = groups_of(codes), groups_of(unique)
    appended = unique.shape[1] > codes.shape[1]
    return {
        "items": len(codes),
        "levels": levels,
        "collisions": {
            "before": before.colliding,
            "share_before": before.colliding / len(codes),
            "largest_group": before.largest,
            "after": after.colliding,
        },
        "appended_level": appended,
        "appended_codes": int(unique[:, -1].max()) + 1 if appended else 0,
        "entropy_unit": "bits",
    }


def level_figures(codes: npt.NDArray[np.integer], size: int) -> dict[str, Any]:
    """Return how evenly one level's codes [items] use a codebook of ``size`` codes.

    Returns:
        ``codes``, the size; ``used``, codes of at least one item; ``utilisation``, their share; ``entropy``, the
        entropy in bits of the code of a random item, at most log2(size); ``perplexity``, 2 to the entropy: as
        many equally frequent codes would be as uncertain.
    """
    counts = np.bincount(codes, minlength=size)
    shares = counts[counts > 0] / len(codes)
    entropy = abs(float(-(shares * np.log2(shares)).sum()))
    used = len(shares)
    return {"codes": size, "used": used, "utilisation": used / size, "entropy": entropy, "perplexity": 2**entropy}


def reconstruction_errors(
    quantizer: Quantizer, embeddings: npt.NDArray[np.float32], codes: npt.NDArray[np.int32]
) -> list[float]:
    """Return, for 1, 2, … levels, the share of the embeddings' variance that the codes do not explain.

    Σ‖e − decode(codes up to the level)‖² / Σ‖e − mean(e)‖²; 0 is perfect, 1 no better than the mean.
    """
    variance = _squared(embeddings - embeddings.mean(axis=0, dtype=np.float64).astype(np.float32))
    errors = []
    for level in range(1, codes.shape[1] + 1):
        errors.append(_squared(embeddings - quantizer.decode(codes[:, :level])) / variance)
    return errors


def _squared(vectors: npt.NDArray[np.float32]) -> float:
    return float(np.einsum("ij,ij->i", vectors, vectors).sum(dtype=np.float64))
