"""Settings of the ``train`` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from genrec.config import Section
from genrec.models.decoder import DecoderConfig
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.tiger.config import T5Config
from genrec_alignment.teacher.config import TeacherConfig


def _kind_of(raw: Any) -> str:
    return str(raw.get("kind", "decoder") if isinstance(raw, dict) else getattr(raw, "kind", ""))


AnyModelConfig = Annotated[
    Annotated[DecoderConfig, Tag("decoder")]
    | Annotated[EncoderDecoderConfig, Tag("encoder_decoder")]
    | Annotated[LazyDecoderConfig, Tag("lazy_decoder")]
    | Annotated[T5Config, Tag("t5")],
    Discriminator(_kind_of),
]


class SessionConfig(Section):
    """Which sessions are targets: OneRec's filter for sessions of high quality (arXiv:2502.18965)."""

    length: PositiveInt = Field(5, description="Items of a session that are learned: its first ones.")
    min_items: PositiveInt | None = Field(None, description="Different items of a session at least; none: length.")
    min_value: float | None = Field(None, description="Sum of a session's values at least.")
    min_value_quantile: float | None = Field(
        None, ge=0, le=1, description="The same as a quantile of the sums of all training sessions."
    )
    strong_behaviors: tuple[str, ...] = Field((), description="A session needs one of these; empty: none needed.")

    @model_validator(mode="after")
    def _one_threshold(self) -> SessionConfig:
        if self.min_value is not None and self.min_value_quantile is not None:
            raise ValueError("min_value and min_value_quantile are two ways to say one thing: give one of them")
        return self


class TrainConfig(Section):
    """How a generator is trained on the training part of the histories."""

    model: AnyModelConfig = Field(default_factory=DecoderConfig, description="The kind of model and its shape.")
    target: Literal["item", "session"] = Field(
        "item", description="What is learned after a history: the next item, or the next session."
    )
    session: SessionConfig = Field(default_factory=SessionConfig, description="Which sessions are targets.")
    history_length: PositiveInt = Field(50, description="Items in a training window and in a prompt.")
    order_noise: NonNegativeFloat = Field(
        0.0,
        description="Items fewer places apart than this may swap in a training window; for logs of loose order.",
    )
    teacher: TeacherConfig | None = Field(
        None, description="A language model that users' vectors are drawn to, in training only; none: without."
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
    average: float = Field(
        0.999,
        ge=0,
        lt=1,
        description="Decay of the running average of the weights, which is what is kept; 0: none.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic of the forward pass; auto is bfloat16 on GPUs that have it, else float32."
    )
    gradient_checkpointing: bool = Field(
        False, description="Whether blocks are computed again in the backward pass: less memory, more time."
    )
    validate_every: PositiveInt = Field(5, description="Epochs between validations (and checkpoints).")
    validation_users: PositiveInt = Field(1000, description="Validation examples drawn once, at most.")
    validation_beams: PositiveInt = Field(20, description="Beams of the validation search.")
    exclude_seen: bool = Field(True, description="Whether items of the history are left out when validating.")
    patience: PositiveInt = Field(5, description="Validations without a better NDCG@10 before training stops.")
    report_to: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = Field(
        default_factory=list, description="Trackers that get losses and metrics; each needs its package."
    )

    @model_validator(mode="after")
    def _target_fits_the_model(self) -> TrainConfig:
        if self.target == "session" and self.model.kind in ("decoder", "t5"):
            raise ValueError("target: session needs model.kind encoder_decoder or lazy_decoder")
        if self.teacher is not None and self.model.kind in ("decoder", "t5"):
            raise ValueError("teacher needs model.kind encoder_decoder or lazy_decoder")
        if self.target == "item" and self.session != SessionConfig():
            raise ValueError("session is for target: session, and target is item")
        return self
