"""Quantizers: each turns item vectors into codes and back."""

from genrec_tokenizers.quantizers.base import Quantizer
from genrec_tokenizers.quantizers.residual_kmeans import ResidualKMeans

__all__ = ["Quantizer", "ResidualKMeans"]
