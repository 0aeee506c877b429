"""Settings of the quantizers: one class a kind, chosen by ``quantizer.kind``."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from genrec.config import Section
from genrec_tokenizers.config.bins import bins_for

CodebookSize = Annotated[int, Field(ge=2, le=65536)]
Width = Annotated[int, Field(ge=1)]


class LevelsConfig(Section):
    """What every quantizer has: levels, and a number of codes for each."""

    levels: int = Field(3, ge=1, le=8, description="Codes in an ID, not counting a level appended for collisions.")
    codebook_size: CodebookSize | tuple[CodebookSize, ...] = Field(
        256, description="Codes of every level, or one number a level."
    )

    @model_validator(mode="after")
    def _one_size_a_level(self) -> Self:
        if isinstance(self.codebook_size, tuple) and len(self.codebook_size) != self.levels:
            raise ValueError(f"codebook_size holds {len(self.codebook_size)} numbers for {self.levels} levels")
        return self

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The number of codes of each level."""
        size = self.codebook_size
        return size if isinstance(size, tuple) else (size,) * self.levels


class ResidualKMeansConfig(LevelsConfig):
    """Plain residual k-means (RQ-KMeans), the tokenizer of OneRec's technical report."""

    kind: Literal["residual_kmeans"] = "residual_kmeans"
    iterations: int = Field(25, ge=1, description="Rounds of k-means on each level.")
    restarts: int = Field(1, ge=1, description="Times k-means starts anew on each level; the best one is kept.")


class BalancedKMeansConfig(LevelsConfig):
    """OneRec's greedy balanced residual k-means: codes of a level have equally many items, give or take one."""

    kind: Literal["balanced_kmeans"] = "balanced_kmeans"
    iterations: int = Field(25, ge=1, description="Rounds on each level; it ends earlier once nothing changes.")


class ConstrainedKMeansConfig(LevelsConfig):
    """Residual k-means whose clusters' sizes differ by at most one, assigned at the least total cost."""

    kind: Literal["constrained_kmeans"] = "constrained_kmeans"
    iterations: int = Field(25, ge=1, description="Rounds on each level; it ends earlier once nothing changes.")


class ProductConfig(LevelsConfig):
    """Optimized product quantization: a rotation, then k-means on each of ``levels`` groups of dimensions."""

    kind: Literal["product"] = "product"
    iterations: int = Field(25, ge=1, description="Rounds of k-means in each group of dimensions.")


class TrainedConfig(LevelsConfig):
    """What the quantizers that are neural networks share."""

    epochs: int = Field(200, ge=1, description="Passes over the items.")
    batch_size: int = Field(256, ge=2, description="Items of one training step.")
    learning_rate: float = Field(1e-3, gt=0, description="Of AdamW at the first step; it falls along a cosine.")
    hidden: tuple[Width, ...] = Field(
        (512,), description="Widths of the encoder's hidden layers; the decoder's are the other way round."
    )


class ResidualKMeansPlusConfig(TrainedConfig):
    """RQ-KMeans+: residual k-means as the start, then encoder and codebooks are trained together."""

    kind: Literal["residual_kmeans_plus"] = "residual_kmeans_plus"
    epochs: int = Field(100, ge=1, description="Passes over the items.")
    commitment: float = Field(0.05, ge=0, description="Pull of the vectors towards their centroids.")


class RQVAEConfig(TrainedConfig):
    """RQ-VAE, with Sinkhorn on the last level (LC-Rec) and LETTER's terms as options."""

    kind: Literal["rqvae"] = "rqvae"
    latent: int = Field(32, ge=1, description="Dimensions of the latent vector.")
    commitment: float = Field(0.05, ge=0, description="Pull of the latent vectors towards their centroids.")
    warmup: float = Field(0.25, ge=0, lt=1, description="Share of the epochs that train without codes.")
    sinkhorn_epsilon: float = Field(
        0.003, ge=0, description="Of Sinkhorn on the last level in training (LC-Rec); 0 switches it off."
    )
    collaborative_weight: float = Field(0.0, ge=0, description="LETTER's alpha; .02 was its best.")
    diversity_weight: float = Field(0.0, ge=0, description="LETTER's beta; its value is 1e-4.")


class FSQConfig(TrainedConfig):
    """Finite scalar quantization: an autoencoder whose latent dimensions are rounded to a few values."""

    kind: Literal["fsq"] = "fsq"
    bins: tuple[Annotated[int, Field(ge=2, le=64)], ...] | None = Field(
        None, description="Values of each latent dimension of a level; by default the codebook size is split."
    )

    @model_validator(mode="after")
    def _bins_make_the_codes(self) -> Self:
        for size in self.codebook_sizes:
            if self.bins is None:
                bins_for(size)
            elif math.prod(self.bins) != size:
                raise ValueError(f"the bins {self.bins} make {math.prod(self.bins)} codes, not {size}")
        return self


def _kind_of(raw: Any) -> str:
    return str(raw.get("kind", "residual_kmeans") if isinstance(raw, dict) else getattr(raw, "kind", ""))


QuantizerConfig = Annotated[
    Annotated[ResidualKMeansConfig, Tag("residual_kmeans")]
    | Annotated[BalancedKMeansConfig, Tag("balanced_kmeans")]
    | Annotated[ConstrainedKMeansConfig, Tag("constrained_kmeans")]
    | Annotated[ResidualKMeansPlusConfig, Tag("residual_kmeans_plus")]
    | Annotated[RQVAEConfig, Tag("rqvae")]
    | Annotated[ProductConfig, Tag("product")]
    | Annotated[FSQConfig, Tag("fsq")],
    Discriminator(_kind_of),
]
