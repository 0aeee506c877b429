"""Settings of ``genrec tokenize``. Light: nothing heavy is imported here."""

from __future__ import annotations

from pydantic import Field

from genrec.config import Section
from genrec_tokenizers.config.collisions import CollisionsConfig
from genrec_tokenizers.config.encoders import BehaviorConfig, EncodersConfig, ImageConfig, TextConfig
from genrec_tokenizers.config.fusion import ConcatenationConfig, FusionConfig
from genrec_tokenizers.config.quantizers import QuantizerConfig, ResidualKMeansConfig

__all__ = [
    "BehaviorConfig",
    "CollisionsConfig",
    "ConcatenationConfig",
    "EncodersConfig",
    "FusionConfig",
    "ImageConfig",
    "QuantizerConfig",
    "ResidualKMeansConfig",
    "TextConfig",
    "TokenizeConfig",
]


class TokenizeConfig(Section):
    """Settings of ``genrec tokenize``: encode what is known of items, quantize it, and make the IDs unique."""

    encoders: EncodersConfig = Field(EncodersConfig(), description="Where item vectors come from.")
    fusion: FusionConfig = Field(ConcatenationConfig(), description="How the sources' vectors become one.")
    quantizer: QuantizerConfig = Field(ResidualKMeansConfig(), description="How vectors become codes.")
    fit_items: int | None = Field(
        None, ge=2, description="Learn the codebooks from this many items drawn at random; null means all of them."
    )
    neighbors: int = Field(
        0, ge=0, description="Also write so many nearest items of each, QARM's VQ codes for rankers; 0: none."
    )
    collisions: CollisionsConfig = Field(CollisionsConfig(), description="How equal codes are told apart.")
