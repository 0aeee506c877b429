"""Move events of right-padded rows to where they are wanted, without a loop over the rows."""

from __future__ import annotations

import torch
from torch import Tensor


def take(states: Tensor, places: Tensor) -> Tensor:
    """Return [batch, n, hidden], the states [batch, events, hidden] at places int64 [batch, n]; -1 takes any."""
    return states.gather(1, places.clamp(min=0)[..., None].expand(-1, -1, states.shape[2]))


def newest(mask: Tensor, most: int) -> Tensor:
    """Return the places of the newest events that a mask bool [batch, events] marks, newest first.

    Returns:
        int64 [batch, the smaller of ``most`` and events]; -1 where there are no more.
    """
    places = torch.arange(mask.shape[1], device=mask.device).where(mask, -1)
    return places.topk(min(most, mask.shape[1]), dim=1).values


def to_the_left(states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return states [batch, n, hidden] and their mask bool [batch, n] with the padding on the right, order kept."""
    order = (~mask).long().argsort(dim=1, stable=True)
    return take(states, order), mask.gather(1, order)
