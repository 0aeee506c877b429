"""Whether items that begin alike lie near each other: in the vectors they were made from, or in behaviour."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from genrec_tokenizers.collisions import groups_of


def neighbor_hit_rates(
    vectors: npt.NDArray[np.float32],
    codes: npt.NDArray[np.integer],
    neighbors: int = 10,
    sample: int = 2_000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return, for each length of prefix, how often items with the same prefix are nearest neighbours.

    For an item with m mates (other items with its prefix), it is the number of mates among its ``neighbors``
    nearest vectors, divided by the most there could be, min(m, neighbors); averaged over items with a mate.

    Args:
        vectors: float32 [items, dim]; the nearest are those of the smallest Euclidean distance.
        codes: [items, levels].
        neighbors: how many nearest vectors count.
        sample: items looked at, drawn at random.
        seed: of the draw.

    Returns:
        for each level ``hit_rate``; ``by_chance``, what groups of the same sizes, filled at random, would reach;
        ``with_mates``, the share of items that have a mate. Rates are 0 where no item has one.
    """
    items = len(vectors)
    near = min(neighbors, items - 1)
    chosen = np.random.default_rng(seed).permutation(items)[:sample]
    _, found = faiss.knn(np.ascontiguousarray(vectors[chosen]), np.ascontiguousarray(vectors), near + 1)
    others = found != chosen[:, None]
    others[others.all(axis=1), -1] = False  # among many equal vectors the item itself may not be found
    nearest = found[others].reshape(len(chosen), near)
    rates = []
    for level in range(1, codes.shape[1] + 1):
        groups = groups_of(codes[:, :level])
        mates = groups.sizes[groups.of_item[chosen]] - 1
        counted = mates > 0
        most = np.minimum(mates, near)[counted]
        hits = (groups.of_item[nearest] == groups.of_item[chosen][:, None]).sum(axis=1)[counted]
        chance = near * mates[counted] / (items - 1)
        rates.append(
            {
                "hit_rate": float((hits / most).mean()) if len(most) else 0.0,
                "by_chance": float((chance / most).mean()) if len(most) else 0.0,
                "with_mates": float(counted.mean()),
            }
        )
    return rates
