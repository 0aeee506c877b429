"""Settings of the ``loid`` section. All values are ours: of the paper only the abstract was read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from genrec.config import Section

MergeName = Literal["dare_linear_svd", "dare_ties_svd", "dare_linear", "dare_ties", "none"]
TargetName = Literal["rating", "item"]


class AdapterConfig(Section):
    """A LoRA adapter and its training on the texts of one domain."""

    rank: PositiveInt = Field(8, description="Rank of every adapter.")
    alpha: PositiveFloat = Field(16.0, description="What an adapter adds is multiplied by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before each adapter.")
    texts: PositiveInt = Field(2000, description="Texts of a domain that are learned, drawn at most.")
    held_out: PositiveInt = Field(50, description="Further texts whose loss is reported, at most a tenth of all.")
    max_tokens: PositiveInt = Field(64, ge=2, description="Tokens of a text that are read: its first ones.")
    epochs: PositiveInt = Field(1, description="Passes over the texts.")
    batch_size: PositiveInt = Field(16, description="Texts in a step.")
    learning_rate: PositiveFloat = Field(2e-4, description="Peak of the linear schedule.")


class NetworkConfig(Section):
    """The recommender over ID and semantic vectors, and its training."""

    hidden_size: PositiveInt = Field(64, description="Width of the ID vectors and of the exchange.")
    heads: PositiveInt = Field(2, description="Heads of the attention exchange; must divide hidden_size.")
    history_length: PositiveInt = Field(50, description="Interactions that a user's semantic vector is made of.")
    contrast_weight: NonNegativeFloat = Field(0.1, description="Weight of the contrastive losses; 0: without them.")
    contrast_at: Literal["before", "after"] = Field(
        "before", description="Whether vectors are contrasted before or after the attention exchange."
    )
    temperature: PositiveFloat = Field(0.1, description="Temperature of the contrastive losses.")
    negatives: PositiveInt = Field(50, description="Items drawn beside each target; next item only.")
    dropout: float = Field(0.2, ge=0, lt=1, description="On the vectors that go into the exchange.")
    epochs: PositiveInt = Field(30, description="Passes over the training part, at most.")
    patience: PositiveInt = Field(3, description="Epochs without a better validation before training stops.")
    batch_size: PositiveInt = Field(512, description="Interactions in a step.")
    learning_rate: PositiveFloat = Field(2e-3, description="AdamW's learning rate.")
    weight_decay: NonNegativeFloat = Field(1e-2, description="AdamW's decay.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> NetworkConfig:
        if self.hidden_size % self.heads:
            raise ValueError(f"heads {self.heads} must divide hidden_size {self.hidden_size}")
        return self


class LoidConfig(Section):
    """LoRA on source domains, DARE merge, Re-LoRA on the target, and the network that uses what came of it."""

    base: str = Field("smollm2", description="The language model: 'smollm2', a folder, or a Hugging Face id.")
    sources: tuple[str, ...] = Field((), description="Run folders of the source domains; their datasets are read.")
    merge: MergeName = Field(
        "dare_linear_svd",
        description="How the sources' adapters become one; none: the target's starts anew, without sources.",
    )
    drop_rate: float = Field(0.5, gt=0, lt=1, description="DARE's p: the share of changes that is dropped.")
    adapter: AdapterConfig = Field(default_factory=AdapterConfig, description="The adapters and their training.")
    semantic: bool = Field(True, description="Whether vectors of the language model are used at all.")
    target: TargetName | None = Field(
        None, description="What is predicted: ratings or the next item; none: ratings where the log has values."
    )
    network: NetworkConfig = Field(default_factory=NetworkConfig, description="The recommender.")
