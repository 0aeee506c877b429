"""LETTER's two further terms of an RQ-VAE's loss: codes that know behaviour, and codes that are used evenly.

From the description of LETTER (arXiv 2405.07314) and its published settings.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from genrec_tokenizers.quantizers.network import squared_distances
from genrec_tokenizers.quantizers.sinkhorn import normalize_costs, transport_plan

CLUSTERS = 10
_ROUNDS = 10
_EPSILON = 0.05


class LetterTerms(nn.Module):
    """α · collaborative term + β · diversity term.

    *Collaborative*: in-batch cross-entropy with the scores ⟨ẑ_i W, h_j⟩ of item i's quantized latent vector and
    item j's fixed collaborative vector; item i's own is the target. W is ours, because LETTER gives both the same
    dimensions. Items whose collaborative vector is zero take no part.

    *Diversity*: each codebook is clustered; the centroid of the chosen code is drawn to a random other code of its
    cluster, by cross-entropy over the products with all codes but itself. The clusters are refreshed after every
    epoch. LETTER clusters with constrained k-means; here each round of k-means assigns by a Sinkhorn plan, which
    keeps the clusters about equal at any size of codebook.

    Args:
        latent: dimensions of the quantized vector.
        collaborative: dimensions of the collaborative vectors; 0 if there are none.
        collaborative_weight: α.
        diversity_weight: β.
    """

    def __init__(
        self, latent: int, collaborative: int, collaborative_weight: float, diversity_weight: float
    ) -> None:
        super().__init__()
        self.collaborative_weight, self.diversity_weight = collaborative_weight, diversity_weight
        self.projection = nn.Linear(latent, max(collaborative, 1), bias=False)
        self._partners: list[Partners] = []

    def forward(
        self,
        quantized: torch.Tensor,
        codebooks: list[torch.Tensor],
        codes: list[torch.Tensor],
        collaborative: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the weighted sum of both terms for a batch.

        Args:
            quantized: float32 [items, latent], through which gradients reach the encoder.
            codebooks: float32 [codes, latent] of each level.
            codes: int64 [items] of each level.
            collaborative: float32 [items, any].
        """
        total = quantized.new_zeros(())
        if self.collaborative_weight and collaborative is not None:
            total = total + self.collaborative_weight * self._collaborative(quantized, collaborative)
        if self.diversity_weight:
            if not self._partners:
                self.refresh(codebooks)
            pairs = zip(codebooks, codes, self._partners, strict=True)
            total = total + self.diversity_weight * sum(diversity(*pair) for pair in pairs)
        return total

    def refresh(self, codebooks: list[torch.Tensor]) -> None:
        """Cluster the codebooks anew."""
        if self.diversity_weight:
            self._partners = [Partners(clusters_of(codebook.detach())) for codebook in codebooks]

    def _collaborative(self, quantized: torch.Tensor, collaborative: torch.Tensor) -> torch.Tensor:
        known = collaborative.any(dim=1)
        if known.sum() < 2:
            return quantized.new_zeros(())
        scores = self.projection(quantized[known]) @ collaborative[known].T
        return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


class Partners:
    """Draws random other codes of the same cluster.

    Args:
        clusters: int64 [codes].
    """

    def __init__(self, clusters: torch.Tensor) -> None:
        self._order = clusters.argsort(stable=True)
        sizes = torch.bincount(clusters)
        self._size = sizes[clusters]
        self._first = (sizes.cumsum(0) - sizes)[clusters]
        self._place = torch.empty_like(self._order)
        self._place[self._order] = torch.arange(len(clusters), device=clusters.device)
        self._place -= self._first

    def draw(self, codes: torch.Tensor) -> torch.Tensor:
        """Return for each code another of its cluster, int64 [items]; −100 for one that is alone in its cluster."""
        size = self._size[codes]
        # A step of 1 … size − 1 round the cluster never comes back to the code itself.
        step = 1 + (torch.rand(len(codes), device=codes.device) * (size - 1)).long()
        place = (self._place[codes] + step) % size
        return torch.where(size > 1, self._order[self._first[codes] + place], -100)


def diversity(codebook: torch.Tensor, codes: torch.Tensor, partners: Partners) -> torch.Tensor:
    """Return one level's diversity term for the codes, int64 [items], of a batch; see :class:`LetterTerms`."""
    targets = partners.draw(codes)
    if (targets < 0).all():
        return codebook.new_zeros(())
    scores = codebook[codes] @ codebook.T
    itself = F.one_hot(codes, len(codebook)).bool()
    return F.cross_entropy(scores.masked_fill(itself, -1e12), targets)


@torch.no_grad()
def clusters_of(codebook: torch.Tensor) -> torch.Tensor:
    """Return the cluster, int64 [codes], of each row of float32 [codes, latent]: about equally many rows each."""
    count = min(CLUSTERS, len(codebook) // 2)
    if count < 2:
        return torch.zeros(len(codebook), dtype=torch.long, device=codebook.device)
    centres = codebook[torch.randperm(len(codebook), device="cpu")[:count].to(codebook.device)]
    for _ in range(_ROUNDS):
        plan = transport_plan(normalize_costs(squared_distances(codebook, centres)), _EPSILON)
        clusters = plan.argmax(1)
        members = F.one_hot(clusters, count).to(codebook.dtype)
        centres = (members.T @ codebook) / members.sum(0).clamp_min(1).unsqueeze(1)
    return clusters
