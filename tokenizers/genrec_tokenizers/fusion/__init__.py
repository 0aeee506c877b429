"""Fusion: the sources' vectors of an item become one vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from genrec_tokenizers.config.fusion import FusionConfig
from genrec_tokenizers.fusion.base import Fusion
from genrec_tokenizers.fusion.concatenation import Concatenation
from genrec_tokenizers.pretrained import Kinds

__all__ = ["KINDS", "Concatenation", "Fusion", "load_fusion", "make_fusion"]

# Where the class of each tokenize.fusion.kind lives; imported when it is asked for, since some need torch.
KINDS = Kinds[Fusion](
    Fusion,  # type: ignore[type-abstract]
    __name__,
    {
        "concatenation": "concatenation:Concatenation",
        "projection": "projection:Projection",
        "qformer": "qformer:QFormer",
    },
)


def make_fusion(config: FusionConfig, weights: Sequence[float], seed: int) -> Fusion:
    """Return the unfitted fusion that a ``tokenize.fusion`` section describes.

    Args:
        config: the section.
        weights: how much each source counts.
        seed: of every random choice, for the kinds that are trained.
    """
    settings = config.model_dump(exclude={"kind"})
    if config.kind != Concatenation.kind:
        settings["seed"] = seed
    chosen: Callable[..., Fusion] = KINDS[config.kind]
    return chosen(weights=weights, **settings)


def load_fusion(folder: Path) -> Fusion:
    """Read a fusion of any kind from a folder such as ``runs/demo/semantic_ids``.

    Raises:
        ArtifactError: if there is none, or it cannot be read.
    """
    return KINDS.load(folder)
