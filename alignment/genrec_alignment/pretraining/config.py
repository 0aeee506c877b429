"""Settings of the ``train`` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from genrec.config import Section
from genrec.models.decoder import DecoderConfig


class TrainConfig(Section):
    """How a generator is trained on the training part of the histories."""

    model: DecoderConfig = Field(default_factory=DecoderConfig, description="The decoder's shape.")
    history_length: PositiveInt = Field(50, description="Items in a training window and in a prompt.")
    order_noise: NonNegativeFloat = Field(
        0.0,
        description="Items fewer places apart than this may swap in a training window; for logs of loose order.",
    )
    epochs: PositiveInt = Field(100, description="Passes over the histories, at most.")
    batch_size: PositiveInt = Field(32, description="Histories in a batch, on each process.")
    gradient_accumulation: PositiveInt = Field(1, description="Batches that make one step.")
    learning_rate: PositiveFloat = Field(2e-3, description="Peak of the cosine schedule.")
    warmup_steps: NonNegativeInt = Field(100, description="Steps of linear warm-up.")
    weight_decay: NonNegativeFloat = Field(0.1, description="AdamW's decay, on matrices.")
    dropout: float = Field(
        0.2, ge=0, lt=1, description="On embeddings and on what each block adds, in training only."
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of the target spread over all tokens.")
    max_grad_norm: PositiveFloat = Field(1.0, description="Gradients are clipped to this norm.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic of the forward pass; auto is bfloat16 on GPUs that have it, else float32."
    )
    validate_every: PositiveInt = Field(5, description="Epochs between validations (and checkpoints).")
    validation_users: PositiveInt = Field(1000, description="Validation examples drawn once, at most.")
    validation_beams: PositiveInt = Field(20, description="Beams of the validation search.")
    exclude_seen: bool = Field(True, description="Whether items of the history are left out when validating.")
    patience: PositiveInt = Field(5, description="Validations without a better NDCG@10 before training stops.")
    report_to: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = Field(
        default_factory=list, description="Trackers that get losses and metrics; each needs its package."
    )
