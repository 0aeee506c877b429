"""Settings of SASRec and of what is trained as it is. Light: nothing heavy is imported here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from genrec.config import Section


class SequentialConfig(Section):
    """What every model of next items over item embeddings shares."""

    embedding_size: int = Field(64, ge=1, description="Width of the item embeddings and of every layer.")
    layers: int = Field(2, ge=1, description="Layers.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout on embeddings and on what every layer adds.")
    history_length: int = Field(50, ge=1, description="The last items of a history the model sees.")
    loss: Literal["full", "sampled", "bce"] = Field(
        "full",
        description="Cross-entropy over all items; over the target and shared negatives, for large catalogues; or "
        "binary, against one negative, as SASRec was published.",
    )
    negatives: int = Field(2048, ge=1, description="sampled: items a step that every target is set against.")
    learning_rate: float = Field(3e-3, gt=0, description="Learning rate of AdamW.")
    schedule: Literal["constant", "linear"] = Field(
        "constant", description="The learning rate stays, or falls to 0 over the epochs."
    )
    weight_decay: float = Field(0.1, ge=0, description="Weight decay of AdamW.")
    batch_size: int = Field(64, ge=1, description="Training windows a step.")
    epochs: int = Field(25, ge=1, description="Passes over the training part at most.")
    patience: int = Field(8, ge=1, description="Epochs without a better validation score before it stops.")


class SasrecConfig(SequentialConfig):
    """SASRec: a causal transformer over items, trained with full cross-entropy unless told otherwise."""

    heads: int = Field(2, ge=1, description="Attention heads; must divide embedding_size.")

    @model_validator(mode="after")
    def _heads_divide(self) -> SasrecConfig:
        if self.embedding_size % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide embedding_size ({self.embedding_size})")
        return self
