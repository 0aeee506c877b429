"""All figures of a set of semantic IDs, as ``quality.json`` holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec_tokenizers.collisions import groups_of
from genrec_tokenizers.encoders.base import ItemVectors
from genrec_tokenizers.quality.levels import level_figures, reconstruction_errors
from genrec_tokenizers.quality.neighbors import neighbor_hit_rates
from genrec_tokenizers.quality.purity import category_purity
from genrec_tokenizers.quantizers.base import Quantizer


def quality(
    quantizer: Quantizer,
    embeddings: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32],
    unique: npt.NDArray[np.int32],
    items: pl.DataFrame | None = None,
    behavior: ItemVectors | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of ``quality.json``.

    Args:
        quantizer: what made the codes.
        embeddings: float32 [items, dim], what it was given.
        codes: int32 [items, levels], before collisions were resolved.
        unique: int32 [items, levels or levels + 1], after.
        items: the dataset's items, whose categories are compared with the prefixes.
        behavior: vectors of what users do with the items in the training part, whose neighbours are compared with
            the prefixes.
        seed: of samples and shuffles.

    Returns:
        ``levels``: one entry a level of the quantizer, see :func:`level_figures`, with
        ``reconstruction_error``, see :func:`reconstruction_errors`; ``prefixes``, the number of different
        beginnings of IDs up to that level; ``neighbors``, see :func:`neighbor_hit_rates`; and where behaviour is
        known ``behavior_neighbors``, the same with behaviour's neighbours. ``collisions``: ``before`` and
        ``after``, items that share all codes with another item; ``share_before``, as a share of all items;
        ``largest_group``; ``moved``, items whose codes were changed. ``appended_level`` and ``appended_codes``:
        whether a level was added, and its size. ``purity``: for each column that reads like a category, see
        :func:`category_purity`. ``entropy_unit``: ``bits``.
    """
    levels = _levels(quantizer, embeddings, codes, behavior, seed)
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
            "moved": int((unique[:, : codes.shape[1]] != codes).any(axis=1).sum()),
        },
        "appended_level": appended,
        "appended_codes": int(unique[:, -1].max()) + 1 if appended else 0,
        "purity": {} if items is None else category_purity(codes, items, seed),
        "entropy_unit": "bits",
    }


def _levels(
    quantizer: Quantizer,
    embeddings: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32],
    behavior: ItemVectors | None,
    seed: int,
) -> list[dict[str, Any]]:
    errors = reconstruction_errors(quantizer, embeddings, codes)
    near = neighbor_hit_rates(embeddings, codes, seed=seed)
    levels: list[dict[str, Any]] = []
    for level, size in enumerate(quantizer.codebook_sizes):
        figures = {"level": level + 1, **level_figures(codes[:, level], size)}
        figures["prefixes"] = len(groups_of(codes[:, : level + 1]).sizes)
        levels.append({**figures, "reconstruction_error": errors[level], "neighbors": near[level]})
    if behavior is not None and behavior.known.sum() > 1:
        vectors = behavior.vectors[behavior.known]
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        rates = neighbor_hit_rates(vectors, codes[behavior.known], seed=seed)
        for figures, rate in zip(levels, rates, strict=True):
            figures["behavior_neighbors"] = rate
    return levels
