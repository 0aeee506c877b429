"""Fusion: the sources' vectors of an item become one vector."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from genrec.errors import ArtifactError, UnknownNameError
from genrec_tokenizers.config.fusion import FusionConfig
from genrec_tokenizers.fusion.base import CONFIG_FILE, Fusion
from genrec_tokenizers.fusion.concatenation import Concatenation

__all__ = ["KINDS", "Concatenation", "Fusion", "load_fusion", "make_fusion"]

# Where the class of each tokenize.fusion.kind lives; imported when it is asked for, since some need torch.
KINDS = {
    "concatenation": "concatenation:Concatenation",
    "projection": "projection:Projection",
    "qformer": "qformer:QFormer",
}


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
    chosen: Callable[..., Fusion] = class_of(config.kind)
    return chosen(weights=weights, **settings)


def load_fusion(folder: Path) -> Fusion:
    """Read a fusion of any kind from a folder such as ``runs/demo/semantic_ids``.

    Raises:
        ArtifactError: if there is none, or it cannot be read.
    """
    try:
        kind = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))["kind"]
        chosen = class_of(kind)
    except (OSError, KeyError, TypeError, ValueError, UnknownNameError) as error:
        raise ArtifactError(f"{folder} holds no readable fusion: {error}") from error
    return chosen.from_pretrained(folder)


def class_of(kind: str) -> type[Fusion]:
    """Return the class of a ``tokenize.fusion.kind``.

    Raises:
        UnknownNameError: if there is none.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of fusion", kind, KINDS)
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(f"genrec_tokenizers.fusion.{module}"), name)
