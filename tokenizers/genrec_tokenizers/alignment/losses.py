"""Contrastive losses: what belongs together comes nearer than everything else in the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.models.contrast import cosine_logits, entity_infonce

_SHARPEST, _START = 0.01, 0.07


class Temperature(nn.Module):
    """The temperature of a contrastive loss, fixed or learnt.

    Args:
        fixed: its value; None learns it, from 0.07 on and never below 0.01.
    """

    def __init__(self, fixed: float | None = None) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(fixed or _START).log(), requires_grad=fixed is None)

    def forward(self) -> Tensor:
        """Return the temperature, a scalar."""
        return self.log.exp().clamp_min(_SHARPEST) if self.log.requires_grad else self.log.exp()


def id_mixup_infonce(
    z: Tensor,
    z_other: Tensor,
    m: Tensor | float,
    tau: Tensor | float,
    permutation: Tensor | None = None,
    ignored: Tensor | None = None,
) -> Tensor:
    """Return InfoNCE of mixed vectors against mixed identities, for pairs that are not all true.

        z~_i = m z_i + (1 - m) z_p(i),   y~_i = m e_i + (1 - m) e_p(i),
        loss = mean over i of -sum_j y~_ij log softmax_j(cos(z~_i, z'_j) / tau)

    ID-MixGCL (arXiv 2304.10045): the idea is the paper's; this exact form is an inference, see its card. With m = 1
    it is :func:`infonce`.

    Args:
        z: float [batch, dim].
        z_other: float [batch, dim], not mixed.
        m: the share a row keeps of itself, a number or [batch, 1].
        tau: the temperature.
        permutation: int64 [batch], whom a row is mixed with; None draws it.
        ignored: as for :func:`infonce`; where a row is mixed, what either of the two ignores.
    """
    if permutation is None:
        permutation = torch.randperm(len(z), device=z.device)
    labels = soft_labels(permutation, m)
    if ignored is not None:
        mixed = torch.as_tensor(m, device=z.device) < 1
        ignored = (ignored | ignored[permutation] & mixed) & (labels == 0)
    logits = cosine_logits(m * z + (1 - m) * z[permutation], z_other, tau, ignored)
    return functional.cross_entropy(logits, labels.to(logits.dtype))


def soft_labels(permutation: Tensor, m: Tensor | float) -> Tensor:
    """Return the mixed identities y~, float [batch, batch]; each row sums to 1."""
    own = torch.eye(len(permutation), device=permutation.device)
    return m * own + (1 - m) * own[permutation]


class ContentIdContrast(nn.Module):
    """EM3's contrast between an item's content vector and its ID embedding (CIC; arXiv 2404.06078, official code).

    A linear map on each side, then InfoNCE both ways. EM3's public code draws 16 negatives from the whole table;
    here the batch's other items are the negatives.

    Args:
        content_dim: dimensions of content vectors.
        id_dim: dimensions of ID embeddings.
        tau: the temperature; EM3's logs use 0.1 and 0.5.
    """

    def __init__(self, content_dim: int, id_dim: int, tau: float = 0.1) -> None:
        super().__init__()
        self.content, self.identity = (nn.Linear(dim, id_dim) for dim in (content_dim, id_dim))
        self.tau = tau

    def forward(self, content: Tensor, identity: Tensor, items: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            content: float [batch, content_dim].
            identity: float [batch, id_dim].
            items: int64 [batch]; an item that is in the batch twice is no negative of itself.
        """
        return entity_infonce(self.content(content), self.identity(identity), self.tau, items)
