"""Objectives that can only follow another one, as an order follows a click: ESMM's towers, and ChorusCVR's losses.

Of what was shown and not clicked nobody knows whether it would have been bought. A tower that learns from clicked
items alone is asked about all items, and one that takes every item without a click for one without an order mixes
two things up. Here a tower says P(then | first), and its product with P(first) is what the log shows of every item
(ESMM). ChorusCVR (arXiv:2502.08277) has a second tower for P(not then | first), and what both say of an item that
was not clicked must agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec_alignment.reward.heads import tower

LEAST_PROPENSITY = 0.01  # a probability that is divided by is at least this


class Funnels(nn.Module):
    """All objectives of a model that come after another.

    Args:
        objectives: all names.
        after: for each objective the name of the one that must come first, or "".
        width: of the vectors that the towers read.
        kind: ``esmm``, which adds nothing to the cross-entropies, or ``chorus``.
        agreement: weight of ChorusCVR's agreement.
    """

    def __init__(
        self,
        objectives: Sequence[str],
        after: Sequence[str],
        width: int,
        kind: str = "esmm",
        agreement: float = 1.0,
    ) -> None:
        super().__init__()
        self.steps = [(objectives.index(first), then) for then, first in enumerate(after) if first]
        self.agreement = agreement
        self.towers = nn.ModuleList(tower(width) for _ in self.steps if kind == "chorus")

    def against(self, vectors: Sequence[Tensor]) -> Tensor:
        """Return the logits of P(not then | first), float [sessions, steps], of each objective's vectors.

        For ``esmm`` there are none, [sessions, 0].
        """
        found = [tower(vectors[then]) for tower, (_, then) in zip(self.towers, self.steps, strict=False)]
        return torch.cat(found, dim=-1) if found else vectors[0].new_zeros(len(vectors[0]), 0)

    def of_all(self, logits: Tensor) -> Tensor:
        """Return logits [..., objectives] in which P(then | first) has become P(first and then)."""
        columns = list(logits.unbind(-1))
        for first, then in self.steps:
            columns[then] = joint_logit(logits[..., first], logits[..., then])
        return torch.stack(columns, dim=-1)

    def loss(self, logits: Tensor, against: Tensor, labels: Tensor) -> Tensor:
        """Return :func:`chorus_loss` of all steps, summed; 0 for ``esmm``.

        Args:
            logits: float [items, objectives], before :meth:`of_all`.
            against: float [items, steps].
            labels: float [items, objectives].
        """
        total = logits.new_zeros(())
        for (first, then), never in zip(self.steps, against.unbind(-1), strict=False):
            said, truth = (logits[:, first], logits[:, then], never), (labels[:, first], labels[:, then])
            total = total + chorus_loss(*said, *truth, self.agreement)
        return total


def joint_logit(first: Tensor, then: Tensor) -> Tensor:
    """Return the logit of σ(first) · σ(then), of any shape."""
    log_p = functional.logsigmoid(first) + functional.logsigmoid(then)
    # 1 − σ(a)σ(b) = σ(−a) + σ(a)σ(−b), without the difference of two numbers near 1
    log_rest = torch.logaddexp(
        functional.logsigmoid(-first), functional.logsigmoid(first) + functional.logsigmoid(-then)
    )
    return log_p - log_rest


def chorus_loss(
    first: Tensor, then: Tensor, against: Tensor, came: Tensor, followed: Tensor, agreement: float = 1.0
) -> Tensor:
    """Return what ChorusCVR adds to the cross-entropies of P(first) and of P(first and then): eqs 4, 7, 9, 10.

    With p = P(first), c = P(then | first), n = P(not then | first), o the label of what comes first and r of what
    follows: o · BCE(c, r) / p + BCE(p · n, o (1 − r)) + o · BCE(n, 1 − r) / p, and for the agreement
    BCE(c, 1 − n) + BCE(n, 1 − c) over p where o = 1 and over 1 − p elsewhere, the targets held fixed. All are means
    over the items.

    Args:
        first: float [items], logits of p; the p that is divided by is held fixed (ours) and at least .01.
        then: float [items], logits of c.
        against: float [items], logits of n.
        came: float [items], o.
        followed: float [items], r; never above o.
        agreement: weight of the agreement.
    """
    p = first.sigmoid().detach()
    weight, rest = came / p.clamp(min=LEAST_PROPENSITY), (1 - came) / (1 - p).clamp(min=LEAST_PROPENSITY)
    clicked = weight * (_bce(then, followed) + _bce(against, 1 - followed))
    never = _bce(joint_logit(first, against), came * (1 - followed))
    apart = _bce(then, 1 - against.sigmoid().detach()) + _bce(against, 1 - then.sigmoid().detach())
    return (clicked + never + agreement * (weight + rest) * apart).mean()


def _bce(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
