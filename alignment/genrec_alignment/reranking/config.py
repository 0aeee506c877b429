"""Settings of the re-ranker."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from genrec.config import Section


class RerankConfig(Section):
    """Sizes and training of the scorer. The values are ours."""

    hidden: PositiveInt = Field(32, description="Width.")
    heads: PositiveInt = Field(2, description="Of the attention.")
    experts: PositiveInt = Field(3, description="Shared by the three probabilities.")
    past: PositiveInt = Field(30, description="Latest events that are read.")
    pending: NonNegativeInt = Field(5, description="Most latest events whose answers are hidden in training.")
    learning_rate: PositiveFloat = Field(3e-3, description="Learning rate of Adam.")
    batch_size: PositiveInt = Field(512, description="Events in a batch.")
    updates: PositiveInt = Field(1500, description="Batches.")

    @model_validator(mode="after")
    def _heads_divide(self) -> RerankConfig:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        return self
