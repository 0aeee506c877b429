"""RQ-KMeans+: residual k-means as the start of a network that then moves codes and vectors together.

Named in GPR (arXiv 2511.10138): codebooks from RQ-KMeans, updated with RQ-VAE's loss, and a residual connection on
the encoder's side; known here from summaries of that paper. That the encoder is x + f(x) with the last layer of f
at zero, so that the first step sees exactly the k-means solution, is from a public script of that name.
"""

from __future__ import annotations

from typing import Any

from genrec_tokenizers.quantizers.network import Network, Perceptron
from genrec_tokenizers.quantizers.residual_network import ResidualNetwork
from genrec_tokenizers.quantizers.trained import TrainedQuantizer


class ResidualKMeansPlus(TrainedQuantizer):
    """Residual k-means on the vectors themselves, then an encoder x + f(x), codebooks and a decoder are trained.

    Ours is the decoder q + g(q), with g at zero to start with: that script starts an ordinary one at random.
    So the start reconstructs what residual k-means does, and as the best epoch is kept, start included, the result
    is never worse on the items it was fitted on. β is .05, where that script has .25, because codes are then
    used more evenly (MovieLens-100k, 3 × 64: 5.4 instead of 4.4 bits on the last level).

    Args:
        codebook_sizes: the number of codes of each level.
        hidden: widths of the hidden layers of f; those of g are the other way round.
        commitment: β, the weight of the encoder's share in ‖residual − centroid‖².
        epochs: passes over the items.
        batch_size: items of one training step.
        learning_rate: of AdamW at the first step.
        seed: of every random choice.
    """

    kind = "residual_kmeans_plus"
    description = "Training RQ-KMeans+"

    def __init__(
        self,
        codebook_sizes: tuple[int, ...] = (256, 256, 256),
        hidden: tuple[int, ...] = (512,),
        commitment: float = 0.05,
        epochs: int = 100,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__(codebook_sizes, epochs, batch_size, learning_rate, hidden, seed)
        self.commitment = commitment

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().settings(), "commitment": self.commitment}

    def _make_network(self, dim: int) -> Network:
        encoder = Perceptron((dim, *self.hidden, dim), residual=True)
        decoder = Perceptron((dim, *self.hidden[::-1], dim), residual=True)
        return ResidualNetwork(encoder, decoder, dim, self.codebook_sizes, self.commitment, seed=self.seed)
