"""Entropic optimal transport by Sinkhorn's algorithm: an assignment that fills the codes evenly.

LC-Rec (arXiv 2311.09049) uses it on the last level of its codes ("uniform semantic mapping", epsilon .003, 50
rounds); the algorithm is Cuturi's (2013).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

ROUNDS = 50
# One round in so many is done on logarithms, which neither overflow nor underflow; those between are plain
# products with the plan so far, several times as fast.
_EXACT_EVERY = 10
_LOWEST, _TINY = -80.0, 1e-30


def normalize_costs(costs: torch.Tensor) -> torch.Tensor:
    """Return costs [..., rows, columns] stretched to −1 … 1 over each matrix, as LC-Rec's code does.

    So epsilon means the same whatever the unit of the costs.
    """
    low, high = costs.amin((-2, -1), keepdim=True), costs.amax((-2, -1), keepdim=True)
    middle = (high + low) / 2
    return (costs - middle) / (high - middle).clamp_min(_TINY)


def transport_plan(
    costs: torch.Tensor,
    epsilon: float,
    rows: torch.Tensor | None = None,
    columns: torch.Tensor | None = None,
    rounds: int = ROUNDS,
) -> torch.Tensor:
    """Return the plan that moves the rows' mass to the columns at a small cost and a high entropy.

    The plan P minimises Σ P·costs − epsilon · entropy(P) among those with the given marginals; Sinkhorn's rounds
    scale rows and columns by turns, so the columns' sums are exact and the rows' become so with more rounds.

    Args:
        costs: float [..., rows, columns]; leading dimensions are problems of their own.
        epsilon: above 0; smaller is nearer to the cheapest plan, and slower to converge.
        rows: [..., rows], the mass of each row; by default 1 / rows each. A row of no mass takes no part.
        columns: [..., columns], the same for columns; its sum must be that of ``rows``.
        rounds: of the algorithm.

    Returns:
        Of the shape and dtype of ``costs``.
    """
    height, width = costs.shape[-2:]
    rows = costs.new_full((height,), 1 / height) if rows is None else rows
    columns = costs.new_full((width,), 1 / width) if columns is None else columns
    affinity = -costs / epsilon
    right = torch.zeros_like(affinity[..., 0, :])
    for done in range(0, rounds, _EXACT_EVERY):
        left = rows.log() - _log_sum_exp(affinity + right.unsqueeze(-2), -1)
        right = columns.log() - _log_sum_exp(affinity + left.unsqueeze(-1), -2)
        plan = _exp(affinity + left.unsqueeze(-1) + right.unsqueeze(-2))
        scale = _scale(plan, rows, columns, min(_EXACT_EVERY, rounds - done) - 1)
        left, right = left + scale[0].log(), right + scale[1].log()
    return _exp(affinity + left.unsqueeze(-1) + right.unsqueeze(-2))


def _log_sum_exp(logarithms: torch.Tensor, dim: int) -> torch.Tensor:
    highest = logarithms.amax(dim, keepdim=True)
    return _exp(logarithms - highest).sum(dim).log() + highest.squeeze(dim)


def _exp(logarithms: torch.Tensor) -> torch.Tensor:
    """Return the exponentials, with those below 1e-30 as 0: denormal numbers are fifteen times as slow."""
    return F.threshold(logarithms.clamp_min(_LOWEST).exp(), _TINY, 0.0)


def _scale(
    plan: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, rounds: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the factors of rows and columns after some rounds on a plan."""
    left, right = torch.ones_like(plan[..., 0]), torch.ones_like(plan[..., 0, :])
    for _ in range(rounds):
        left = rows / (plan @ right.unsqueeze(-1)).squeeze(-1).clamp_min(_TINY)
        right = columns / (left.unsqueeze(-2) @ plan).squeeze(-2).clamp_min(_TINY)
    return left, right
