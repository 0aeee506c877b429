"""Who sees whom when all beams of a prompt are tokens of one sequence."""

from __future__ import annotations

import torch


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
