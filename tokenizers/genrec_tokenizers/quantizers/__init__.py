"""Quantizers: each turns item vectors into codes and back.

A kind's module is imported when it is asked for: k-means needs faiss, and the trained kinds need torch.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from genrec.errors import ArtifactError, UnknownNameError
from genrec_tokenizers.config.quantizers import QuantizerConfig
from genrec_tokenizers.quantizers.base import CONFIG_FILE, Quantizer
from genrec_tokenizers.quantizers.residual_kmeans import ResidualKMeans

__all__ = ["KINDS", "Quantizer", "ResidualKMeans", "load_quantizer", "make_quantizer"]

# Where the class of each tokenize.quantizer.kind lives.
KINDS = {
    "residual_kmeans": "residual_kmeans:ResidualKMeans",
    "balanced_kmeans": "balanced_kmeans:BalancedKMeans",
    "constrained_kmeans": "constrained_kmeans:ConstrainedKMeans",
    "residual_kmeans_plus": "residual_kmeans_plus:ResidualKMeansPlus",
    "rqvae": "rqvae:RQVAE",
    "product": "product:ProductQuantizer",
    "fsq": "fsq:FSQ",
}


def make_quantizer(config: QuantizerConfig, seed: int) -> Quantizer:
    """Return the unfitted quantizer that a ``tokenize.quantizer`` section describes."""
    settings = config.model_dump(exclude={"kind", "levels", "codebook_size"})
    return _class_of(config.kind)(codebook_sizes=config.codebook_sizes, seed=seed, **settings)


def load_quantizer(folder: Path) -> Quantizer:
    """Read a quantizer of any kind from a folder such as ``runs/demo/semantic_ids``.

    Raises:
        ArtifactError: if there is none, or it cannot be read.
    """
    try:
        kind = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))["kind"]
        chosen = _class_of(kind)
    except (OSError, KeyError, TypeError, ValueError, UnknownNameError) as error:
        raise ArtifactError(f"{folder} holds no readable quantizer: {error}") from error
    return chosen.from_pretrained(folder)


def _class_of(kind: str) -> type[Quantizer]:
    if kind not in KINDS:
        raise UnknownNameError("kind of quantizer", kind, KINDS)
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(f"genrec_tokenizers.quantizers.{module}"), name)
