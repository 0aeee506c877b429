"""Settings of SASRec. Light: nothing heavy is imported here."""

from __future__ import annotations

from pydantic import Field, model_validator

from genrec.config import Section


class SasrecConfig(Section):
    """SASRec: a causal transformer over items, trained with full cross-entropy."""

    embedding_size: int = Field(64, ge=1, description="Width of the item embeddings and of every layer.")
    layers: int = Field(2, ge=1, description="Transformer blocks.")
    heads: int = Field(2, ge=1, description="Attention heads; must divide embedding_size.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout on embeddings and on what every layer adds.")
    history_length: int = Field(50, ge=1, description="The last items of a history the model sees.")
    learning_rate: float = Field(3e-3, gt=0, description="Learning rate of AdamW.")
    weight_decay: float = Field(0.1, ge=0, description="Weight decay of AdamW.")
    batch_size: int = Field(64, ge=1, description="Training windows a step.")
    epochs: int = Field(25, ge=1, description="Passes over the training part at most.")
    patience: int = Field(8, ge=1, description="Epochs without a better validation score before it stops.")

    @model_validator(mode="after")
    def _heads_divide(self) -> SasrecConfig:
        if self.embedding_size % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide embedding_size ({self.embedding_size})")
        return self
