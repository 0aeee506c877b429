"""Settings of fusion: how the sources' vectors of an item become one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from genrec.config import Section


class ConcatenationConfig(Section):
    """The sources side by side, each normalised and scaled to its weight; nothing is trained."""

    kind: Literal["concatenation"] = "concatenation"
    normalize: Literal["center", "whiten"] = Field(
        "center",
        description="What happens to each source before it is scaled to its weight: 'center' takes its mean off; "
        "'whiten' also gives all its principal components the same variance.",
    )


class AlignedConfig(Section):
    """What the trained fusions share: a network trained so that items used together come nearer (InfoNCE)."""

    dim: int = Field(128, ge=4, description="Dimensions of the fused vectors.")
    epochs: int = Field(20, ge=1, description="Passes over the item pairs; held-out pairs end it earlier.")
    batch_size: int = Field(256, ge=2, description="Pairs a step; a pair's negatives are the others of its batch.")
    learning_rate: float = Field(1e-3, gt=0, description="Of AdamW.")
    temperature: float | None = Field(None, gt=0, description="Of InfoNCE; null learns it.")
    mixup: float = Field(
        0.0,
        ge=0,
        description="alpha of the Beta that items are mixed by (ID-MixGCL), for noisy pairs; 0 mixes none.",
    )
    cic: float = Field(
        0.0, ge=0, description="Weight of the contrast with items' ID vectors (EM3); 0 leaves it out."
    )


class ProjectionConfig(AlignedConfig):
    """The sources side by side through a small network, trained on item pairs (QARM's item alignment)."""

    kind: Literal["projection"] = "projection"


class QFormerConfig(AlignedConfig):
    """Learnt queries that read whatever sources know the item, trained on item pairs (EM3's Fusion-Q-Former)."""

    kind: Literal["qformer"] = "qformer"
    dim: int = Field(128, ge=4, multiple_of=4, description="Width of the tokens, and dimensions of the vectors.")
    queries: int = Field(2, ge=1, description="Learnt queries.")
    layers: int = Field(1, ge=1, description="Layers of self-attention.")
    dropout: float = Field(0.1, ge=0, lt=1, description="In training, on what each layer adds.")


def _kind_of(raw: Any) -> str:
    return str(raw.get("kind", "concatenation") if isinstance(raw, dict) else getattr(raw, "kind", ""))


FusionConfig = Annotated[
    Annotated[ConcatenationConfig, Tag("concatenation")]
    | Annotated[ProjectionConfig, Tag("projection")]
    | Annotated[QFormerConfig, Tag("qformer")],
    Discriminator(_kind_of),
]
