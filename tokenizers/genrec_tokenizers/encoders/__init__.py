"""Encoders: each turns one source of knowledge about items into vectors."""

from __future__ import annotations

from genrec_tokenizers.config.encoders import EncodersConfig, PpmiConfig, SasrecVectorsConfig
from genrec_tokenizers.encoders.base import Encoder, ItemVectors
from genrec_tokenizers.encoders.behavior import BehaviorEncoder
from genrec_tokenizers.encoders.image import ImageEncoder
from genrec_tokenizers.encoders.sasrec import SasrecEncoder
from genrec_tokenizers.encoders.text import TextEncoder

__all__ = [
    "BehaviorEncoder",
    "Encoder",
    "ImageEncoder",
    "ItemVectors",
    "SasrecEncoder",
    "TextEncoder",
    "make_encoders",
]


def make_encoders(config: EncodersConfig, seed: int) -> list[tuple[Encoder, float]]:
    """Return the encoders that count, each with its weight: text, image, behaviour.

    Args:
        config: the ``tokenize.encoders`` section.
        seed: of every random choice.

    Raises:
        MissingPackageError: if bundled weights are asked for and not installed.
        DataError: if a model is neither a folder nor to be had from Hugging Face.
    """
    encoders: list[tuple[Encoder, float]] = []
    text, image, behavior = config.text, config.image, config.behavior
    if text.weight > 0:
        settings = text.model_dump(exclude={"weight"})
        encoders.append((TextEncoder(**settings, seed=seed), text.weight))
    if image.weight > 0:
        encoders.append((ImageEncoder(image.model, image.batch_size, image.dtype), image.weight))
    if behavior.weight > 0:
        encoders.append((_behavior_encoder(behavior, seed), behavior.weight))
    return encoders


def _behavior_encoder(config: PpmiConfig | SasrecVectorsConfig, seed: int) -> Encoder:
    if isinstance(config, SasrecVectorsConfig):
        return SasrecEncoder(config.dim, config.epochs, seed)
    return BehaviorEncoder(config.dim, config.window, seed)
