"""A tower's layers."""

from __future__ import annotations

from torch import nn


def hidden(width: int) -> nn.Sequential:
    """Return the layers under a tower's output."""
    return nn.Sequential(nn.Linear(width, width), nn.SiLU())


def tower(width: int) -> nn.Sequential:
    """Return a whole tower: vectors [..., width] to a logit [..., 1]."""
    return nn.Sequential(*hidden(width), nn.Linear(width, 1))
