"""Settings of ``genrec evaluate``. Light: imports neither torch nor polars."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from genrec.config import Section

BaselineName = Literal["popularity", "item_knn", "item_knn_recent", "transitions", "sasrec"]
BASELINES: tuple[BaselineName, ...] = ("popularity", "item_knn", "item_knn_recent", "transitions", "sasrec")


class SasrecConfig(Section):
    """The SASRec baseline: a causal transformer over items, trained with full cross-entropy."""

    embedding_size: int = Field(64, ge=1, description="Width of the item embeddings and of every layer.")
    layers: int = Field(2, ge=1, description="Transformer blocks.")
    heads: int = Field(2, ge=1, description="Attention heads; must divide embedding_size.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout on embeddings and on what every layer adds.")
    history_length: int = Field(50, ge=1, description="The last items of a history the model sees.")
    learning_rate: float = Field(3e-3, gt=0, description="Learning rate of AdamW.")
    weight_decay: float = Field(0.1, ge=0, description="Weight decay of AdamW.")
    batch_size: int = Field(64, ge=1, description="Training windows a step.")
    epochs: int = Field(25, ge=1, description="Passes over the training part at most.")
    patience: int = Field(8, ge=1, description="Epochs without a better validation NDCG@10 before it stops.")

    @model_validator(mode="after")
    def _heads_divide(self) -> SasrecConfig:
        if self.embedding_size % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide embedding_size ({self.embedding_size})")
        return self


class EvaluateConfig(Section):
    """What is measured, on whom, and against what."""

    split: Literal["valid", "test"] = Field("test", description="The part whose interactions are the targets.")
    ks: tuple[int, ...] = Field((5, 10, 20), description="Cut-offs of the metrics.", min_length=1)
    exclude_seen: bool = Field(True, description="Leave items of the history out of every list.")
    baselines: tuple[BaselineName, ...] = Field(BASELINES, description="Baselines to fit on the same split.")
    beams: int | None = Field(None, ge=1, description="Beams of the generator; none: its own default.")
    batch_size: int = Field(64, ge=1, description="Histories a batch.")
    max_users: int | None = Field(None, ge=1, description="Evaluate a random sample of this many users; none: all.")
    examples: int = Field(8, ge=0, description="Users whose lists are kept with titles, for the report.")
    sasrec: SasrecConfig = Field(default_factory=SasrecConfig, description="The SASRec baseline.")

    @model_validator(mode="after")
    def _no_baseline_twice(self) -> EvaluateConfig:
        if len(set(self.baselines)) < len(self.baselines):
            raise ValueError("a baseline is named twice")
        return self

    @field_validator("ks")
    @classmethod
    def _positive_and_sorted(cls, ks: tuple[int, ...]) -> tuple[int, ...]:
        if min(ks) < 1:
            raise ValueError("every cut-off must be at least 1")
        return tuple(sorted(set(ks)))
