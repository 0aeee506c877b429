"""Quantizers: each turns item vectors into codes and back.

A kind's module is imported when it is asked for: k-means needs faiss, and the trained kinds need torch.
"""

from __future__ import annotations

from pathlib import Path

from genrec_tokenizers.config.quantizers import QuantizerConfig
from genrec_tokenizers.pretrained import Kinds
from genrec_tokenizers.quantizers.base import Quantizer
from genrec_tokenizers.quantizers.residual_kmeans import ResidualKMeans

__all__ = ["KINDS", "Quantizer", "ResidualKMeans", "load_quantizer", "make_quantizer"]

# Where the class of each tokenize.quantizer.kind lives.
KINDS = Kinds[Quantizer](
    Quantizer,  # type: ignore[type-abstract]
    __name__,
    {
        "residual_kmeans": "residual_kmeans:ResidualKMeans",
        "balanced_kmeans": "balanced_kmeans:BalancedKMeans",
        "constrained_kmeans": "constrained_kmeans:ConstrainedKMeans",
        "residual_kmeans_plus": "residual_kmeans_plus:ResidualKMeansPlus",
        "rqvae": "rqvae:RQVAE",
        "product": "product:ProductQuantizer",
        "fsq": "fsq:FSQ",
    },
)


def make_quantizer(config: QuantizerConfig, seed: int) -> Quantizer:
    """Return the unfitted quantizer that a ``tokenize.quantizer`` section describes."""
    settings = config.model_dump(exclude={"kind", "levels", "codebook_size"})
    return KINDS[config.kind](codebook_sizes=config.codebook_sizes, seed=seed, **settings)


def load_quantizer(folder: Path) -> Quantizer:
    """Read a quantizer of any kind from a folder such as ``runs/demo/semantic_ids``.

    Raises:
        ArtifactError: if there is none, or it cannot be read.
    """
    return KINDS.load(folder)
