"""RQ-VAE: an autoencoder whose latent vector is quantized level by level.

As in TIGER (arXiv 2305.05065), with LC-Rec's Sinkhorn on the last level in training (arXiv 2311.09049) and LETTER's
two terms (arXiv 2405.07314) as options. Two things differ because they measured better (MovieLens-100k, 3 × 64
codes): the codebooks start after a quarter of the epochs instead of before the first step, and β is .05, not .25.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError
from genrec_tokenizers.quantizers.letter import LetterTerms
from genrec_tokenizers.quantizers.network import Network, Perceptron
from genrec_tokenizers.quantizers.residual_network import ResidualNetwork
from genrec_tokenizers.quantizers.trained import TrainedQuantizer
from genrec_tokenizers.quantizers.training import Recipe


class RQVAE(TrainedQuantizer):
    """A residual-quantized autoencoder; the loss is in :class:`ResidualNetwork`.

    In the warm-up the autoencoder learns without codes; then the codebooks start as residual k-means of its latent
    vectors. A code that was nearest to no item for an epoch is moved onto a random residual. In training, Sinkhorn
    spreads each batch evenly over the codes of the last level; :meth:`encode` takes the nearest code everywhere.
    The measured epoch with the smallest reconstruction error is kept; with one of LETTER's terms the last one is,
    because those terms give up some reconstruction.

    Args:
        codebook_sizes: the number of codes of each level.
        hidden: widths of the encoder's hidden layers; the decoder has them the other way round.
        latent: dimensions of the latent vector.
        commitment: β, the weight of the encoder's share in ‖residual − centroid‖².
        sinkhorn_epsilon: of Sinkhorn on the last level in training; 0 switches it off.
        collaborative_weight: LETTER's α; 0 leaves the term out.
        diversity_weight: LETTER's β; 0 leaves the term out.
        epochs: passes over the items.
        warmup: the share of the epochs before the codebooks start.
        batch_size: items of one training step.
        learning_rate: of AdamW at the first step.
        seed: of every random choice.
    """

    kind = "rqvae"
    description = "Training the RQ-VAE"

    def __init__(
        self,
        codebook_sizes: tuple[int, ...] = (256, 256, 256),
        hidden: tuple[int, ...] = (512,),
        latent: int = 32,
        commitment: float = 0.05,
        sinkhorn_epsilon: float = 0.003,
        collaborative_weight: float = 0.0,
        diversity_weight: float = 0.0,
        epochs: int = 200,
        warmup: float = 0.25,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__(codebook_sizes, epochs, batch_size, learning_rate, hidden, seed)
        self.latent = latent
        self.commitment, self.sinkhorn_epsilon = commitment, sinkhorn_epsilon
        self.collaborative_weight, self.diversity_weight = collaborative_weight, diversity_weight
        self.warmup = warmup

    def fit_encode(
        self, embeddings: npt.NDArray[np.float32], collaborative: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.int32]:
        """Train and return the codes of :meth:`encode`; see :meth:`Quantizer.fit_encode`.

        Raises:
            DataError: besides the usual, if ``collaborative_weight`` asks for collaborative vectors and there are
                none, or not one for each item.
        """
        if not self.collaborative_weight:
            collaborative = None
        elif collaborative is None or len(collaborative) != len(embeddings):
            given = "none are given" if collaborative is None else f"{len(collaborative):,} are given"
            raise DataError(
                f"LETTER's collaborative term needs a collaborative vector for each of the {len(embeddings):,} "
                f"items, but {given}.",
                "Give behaviour a weight (tokenize.encoders.behavior.weight), or leave the term out: "
                "tokenize.quantizer.collaborative_weight=0.",
            )
        return super().fit_encode(embeddings, collaborative)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().settings(),
            "latent": self.latent,
            "commitment": self.commitment,
            "sinkhorn_epsilon": self.sinkhorn_epsilon,
            "collaborative_weight": self.collaborative_weight,
            "diversity_weight": self.diversity_weight,
            "warmup": self.warmup,
        }

    def _recipe(self) -> Recipe:
        letter = bool(self.collaborative_weight or self.diversity_weight)
        return replace(super()._recipe(), warmup=int(self.warmup * self.epochs), keep_best=not letter)

    def _make_network(self, dim: int) -> Network:
        widths = (dim, *self.hidden, self.latent)
        return ResidualNetwork(
            Perceptron(widths),
            Perceptron(widths[::-1]),
            self.latent,
            self.codebook_sizes,
            self.commitment,
            self.sinkhorn_epsilon,
            self.seed,
        )

    def _add_terms(self, network: Network, collaborative: int) -> None:
        if self.collaborative_weight or self.diversity_weight:
            weights = self.collaborative_weight, self.diversity_weight
            network.letter = LetterTerms(self.latent, collaborative, *weights)
