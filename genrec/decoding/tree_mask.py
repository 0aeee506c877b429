"""Who sees whom when all beams of a prompt are tokens of one sequence."""

from __future__ import annotations

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

_WORTH_IT = 0.8  # share of the keys that must be left at most; a copy of the cache is not for nothing


def follow(seen: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Return what each beam's parent could see.

    Args:
        seen: bool [batch, parents, keys].
        origin: int64 [batch, width], the index of each beam's parent.

    Returns:
        Bool [batch, width, keys].
    """
    return seen.gather(1, origin[..., None].expand(-1, -1, seen.shape[2]))


def with_itself(seen: torch.Tensor) -> torch.Tensor:
    """Return what each beam sees once every beam has one more token: that token of its own, besides.

    Args:
        seen: bool [batch, width, keys].

    Returns:
        Bool [batch, width, keys + width].
    """
    batch, width, _ = seen.shape
    itself = torch.eye(width, dtype=torch.bool, device=seen.device).expand(batch, -1, -1)
    return torch.cat([seen, itself], dim=2)


def without_later(seen: torch.Tensor) -> torch.Tensor:
    """Return the same sight where every beam has one more token that these queries do not see.

    Args:
        seen: bool [batch, width, keys].

    Returns:
        Bool [batch, width, keys + width].
    """
    return torch.cat([seen, seen.new_zeros(len(seen), seen.shape[1], seen.shape[1])], dim=2)


def forget(seen: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
    """Drop from the cache what no beam sees any more: tokens of hypotheses that did not go on.

    Without it every beam of every level would stay, and the last items of a long session would look past
    hundreds of them.

    Args:
        seen: bool [batch, width, keys].
        cache: of those keys; changed in place.

    Returns:
        What the beams see of the keys that are left, bool [batch, width, keys left].
    """
    alive = seen.any(dim=1)
    left = int(alive.sum(dim=1).max())
    if left > _WORTH_IT * seen.shape[2]:
        return seen
    # Those that are seen first, in their order; where a prompt has fewer of them, some that are not fill up.
    kept = alive.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :left]
    for layer in cache.layers:
        assert isinstance(layer, DynamicLayer)
        layer.keys, layer.values = _take(layer.keys, kept), _take(layer.values, kept)
    return seen.gather(2, kept[:, None].expand(-1, seen.shape[1], -1))


def _take(states: torch.Tensor | None, keys: torch.Tensor) -> torch.Tensor:
    """Return some of the keys, or values, of each prompt: [batch, heads, kept, head size]."""
    assert states is not None
    return states.gather(2, keys[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3]))
