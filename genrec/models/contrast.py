"""InfoNCE: what belongs together comes nearer than everything else in the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def infonce(z: Tensor, z_other: Tensor, tau: Tensor | float, ignored: Tensor | None = None) -> Tensor:
    """Return the mean over rows i of -log softmax_j(cos(z_i, z'_j) / tau) at j = i.

    Args:
        z: float [batch, dim].
        z_other: float [batch, dim]; row i belongs with row i of ``z``, the others are its negatives.
        tau: the temperature.
        ignored: bool [batch, batch], columns that are no negatives of a row; not on the diagonal.
    """
    logits = cosine_logits(z, z_other, tau, ignored)
    return functional.cross_entropy(logits, torch.arange(len(z), device=z.device))


def symmetric_infonce(
    z: Tensor, z_other: Tensor, tau: Tensor | float, ignored: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Return the mean of :func:`infonce` in both directions, each with its own ``ignored``."""
    there, back = ignored or (None, None)
    return (infonce(z, z_other, tau, there) + infonce(z_other, z, tau, back)) / 2


def entity_infonce(one: Tensor, other: Tensor, tau: Tensor | float, who: Tensor) -> Tensor:
    """Return :func:`symmetric_infonce` of two views of entities; one that occurs twice is no negative of itself.

    Args:
        one: float [batch, dim].
        other: float [batch, dim].
        tau: the temperature.
        who: int64 [batch], the entity of each row.
    """
    same = duplicates(who, who)
    return symmetric_infonce(one, other, tau, (same, same))


def duplicates(items: Tensor, others: Tensor) -> Tensor:
    """Return bool [batch, batch]: where column j must not count as a negative of row i.

    That is where pair j's right item is one of pair i's two: itself, or a known relative. Never on the diagonal.

    Args:
        items: int64 [batch], the left items of the pairs.
        others: int64 [batch], the right items.
    """
    same = torch.zeros(len(items), len(items), dtype=torch.bool, device=items.device)
    for left in (items, others):
        same |= left[:, None] == others[None, :]
    return same & ~torch.eye(len(items), dtype=torch.bool, device=items.device)


def cosine_logits(z: Tensor, z_other: Tensor, tau: Tensor | float, ignored: Tensor | None) -> Tensor:
    """Return cos(z_i, z'_j) / tau, float [batch, batch], and next to nothing in what is ``ignored``."""
    logits = functional.normalize(z, dim=-1) @ functional.normalize(z_other, dim=-1).T / tau
    # Finite, because a soft label of 0 times infinity is not a number.
    return logits if ignored is None else logits.masked_fill(ignored, torch.finfo(logits.dtype).min / 4)
