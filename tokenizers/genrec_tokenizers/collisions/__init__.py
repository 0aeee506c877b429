"""Collisions: items whose codes are equal are told apart, by one more level or by other codes in the last one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.semantic_ids.catalogue import unique_rows
from genrec_tokenizers.collisions.append import append_level
from genrec_tokenizers.collisions.groups import Groups, groups_of
from genrec_tokenizers.config.collisions import CollisionsConfig
from genrec_tokenizers.quantizers.base import Quantizer

__all__ = ["Groups", "append_level", "groups_of", "resolve"]


def resolve(
    config: CollisionsConfig,
    quantizer: Quantizer,
    embeddings: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32],
    popularity: npt.NDArray[np.integer],
    titles: Sequence[str] | None = None,
) -> npt.NDArray[np.int32]:
    """Give each item an ID of its own, as ``tokenize.collisions`` asks.

    Items alone with their codes keep them under every strategy. The work grows with the colliding items, and is
    done in chunks.

    Args:
        config: the strategy.
        quantizer: what made the codes.
        embeddings: float32 [items, dim], what it was given; a memory map is read where items collide.
        codes: int32 [items, levels].
        popularity: [items], how often each item occurs in the training part.
        titles: what to call the items in an error.

    Returns:
        int32 [items, levels] or [items, levels + 1], without equal rows.

    Raises:
        DataError: if the strategy cannot tell some items apart; it says which ones and why.
    """
    if config.strategy == "append":
        return append_level(codes, popularity, config.max_group, titles)
    # Imported here, because torch and scipy's optimizer take a second and most runs need neither.
    if config.strategy == "sinkhorn":
        from genrec_tokenizers.collisions.spread import spread

        unique = spread(quantizer, embeddings, codes, titles)
    else:
        from genrec_tokenizers.collisions.nearest_free import assign_free

        unique = assign_free(quantizer, embeddings, codes, titles)
    assert unique_rows(unique)
    return unique
