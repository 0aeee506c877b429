"""An autoencoder whose latent vector is quantized level by level: the network of RQ-VAE and RQ-KMeans+."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from genrec_tokenizers.quantizers.letter import LetterTerms
from genrec_tokenizers.quantizers.network import Network, squared_distances
from genrec_tokenizers.quantizers.residual_kmeans import ResidualKMeans
from genrec_tokenizers.quantizers.sinkhorn import normalize_costs, transport_plan

_START_ROUNDS = 25


class ResidualNetwork(Network):
    """Encoder, residual codebooks, decoder.

    With r¹ the latent vector: code sˡ = argmin_k ‖rˡ − cˡ_k‖², rˡ⁺¹ = rˡ − cˡ_{sˡ}, and the decoder gets Σ cˡ_{sˡ}.
    The loss is the reconstruction's mean squared error plus, for each level, that of the codebook,
    ‖sg(rˡ) − c‖², and the commitment, β ‖rˡ − sg(c)‖². The decoder's gradient passes to the encoder as if nothing
    had been quantized (straight-through). Until :meth:`start` the network is trained as a plain autoencoder.

    Args:
        encoder: float32 [items, dim] → [items, latent].
        decoder: float32 [items, latent] → [items, dim].
        latent: dimensions between the two.
        sizes: codes of each level.
        commitment: β.
        sinkhorn_epsilon: of the assignment of the last level in training, which fills its codes evenly; 0 takes
            the nearest code there too.
        seed: of the codebooks' start.

    Attributes:
        letter: LETTER's further terms, while it is trained.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent: int,
        sizes: tuple[int, ...],
        commitment: float,
        sinkhorn_epsilon: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.letter: LetterTerms | None = None
        self.codebooks = nn.ParameterList([nn.Parameter(torch.zeros(size, latent)) for size in sizes])
        self.commitment, self.sinkhorn_epsilon, self.seed = commitment, sinkhorn_epsilon, seed
        self._started = False
        # Of the epoch so far: which codes were nearest to some item, and residuals to move the others onto.
        self._used = [torch.zeros(size, dtype=torch.bool) for size in sizes]
        self._residuals: list[torch.Tensor] = [torch.empty(0)] * len(sizes)

    @torch.no_grad()
    def start(self, vectors: torch.Tensor) -> None:
        """Start the codebooks with residual k-means of the latent vectors."""
        sizes = tuple(len(codebook) for codebook in self.codebooks)
        kmeans = ResidualKMeans(sizes, iterations=_START_ROUNDS, seed=self.seed)
        kmeans.fit(self.encoder(vectors).cpu().numpy())
        for codebook, found in zip(self.codebooks, kmeans.codebooks, strict=True):
            codebook.copy_(torch.from_numpy(found))
        self._started = True

    def loss(self, vectors: torch.Tensor, collaborative: torch.Tensor | None) -> torch.Tensor:
        """Return the loss of a batch; see the class."""
        latent = self.encoder(vectors)
        if not self._started:
            return F.mse_loss(self.decoder(latent), vectors)
        residual, gap, chosen = latent, latent.new_zeros(()), []
        for level, codebook in enumerate(self.codebooks):
            codes = self._assign(level, residual.detach())
            centroids = codebook[codes]
            gap = gap + F.mse_loss(centroids, residual.detach())
            gap = gap + self.commitment * F.mse_loss(residual, centroids.detach())
            residual = residual - centroids.detach()
            chosen.append(codes)
        straight = latent - residual.detach()
        loss = F.mse_loss(self.decoder(straight), vectors) + gap
        if self.letter is not None:
            loss = loss + self.letter(straight, list(self.codebooks), chosen, collaborative)
        return loss

    def finish(self, vectors: torch.Tensor) -> None:
        """Drop what served training only."""
        del vectors
        self.letter = None

    @torch.no_grad()
    def after_epoch(self) -> None:
        """Move codes that were nearest to nothing for an epoch onto random residuals of their level."""
        for codebook, used, residuals in zip(self.codebooks, self._used, self._residuals, strict=True):
            dead = (~used).nonzero()[:, 0]
            chosen = torch.randint(len(residuals), (len(dead),), device="cpu")
            codebook[dead] = residuals[chosen.to(residuals.device)]
            used.zero_()
        if self.letter is not None:
            self.letter.refresh(list(self.codebooks))

    def encode(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the nearest codes, level by level."""
        residual, codes = self.encoder(vectors), []
        for codebook in self.codebooks:
            codes.append(squared_distances(residual, codebook).argmin(1))
            residual = residual - codebook[codes[-1]]
        return torch.stack(codes, dim=1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the decoder's output for the sum of the centroids."""
        return self.decoder(self._sum(codes))

    def costs(self, vectors: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return the squared distances of the latent residual to the next level's centroids."""
        residual = self.encoder(vectors) - self._sum(prefix)
        return squared_distances(residual, self.codebooks[prefix.shape[1]])

    def _sum(self, codes: torch.Tensor) -> torch.Tensor:
        total = self.codebooks[0].new_zeros(len(codes), self.codebooks[0].shape[1])
        for level in range(codes.shape[1]):
            total = total + self.codebooks[level][codes[:, level]]
        return total

    @torch.no_grad()
    def _assign(self, level: int, residual: torch.Tensor) -> torch.Tensor:
        """Return the codes of a training batch at a level and note which ones are used."""
        distances = squared_distances(residual, self.codebooks[level])
        codes = distances.argmin(1)
        self._used[level][codes.cpu()] = True
        self._residuals[level] = residual
        if self.sinkhorn_epsilon and level == len(self.codebooks) - 1:
            codes = transport_plan(normalize_costs(distances), self.sinkhorn_epsilon).argmax(1)
        return codes
