"""Settings of the ``tune`` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from genrec.config import Section
from genrec.models.language.config import LanguageConfig
from genrec_alignment.tasks.config import MixtureConfig

# The task that asks what serving asks, by the form of the prompt.
SERVED_TASK = {"continuation": "continue_history", "question": "next_item"}
_EMBEDDINGS = ("embed_tokens", "lm_head", "wte", "embed_out")


class LoraSettings(Section):
    """The low-rank matrices beside frozen ones (LoRA)."""

    rank: PositiveInt = Field(8, description="Rank of the update of a matrix.")
    alpha: PositiveFloat = Field(16.0, description="The update is scaled by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="On what the matrices read, in training only.")
    targets: Literal["all-linear"] | tuple[str, ...] = Field(
        "all-linear", description="Names of the layers that get some; all-linear: all in attention and MLP."
    )

    @model_validator(mode="after")
    def _embeddings_are_no_target(self) -> LoraSettings:
        if self.targets == "all-linear":
            return self
        wrong = [name for name in self.targets if name.rpartition(".")[2] in _EMBEDDINGS]
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)} cannot be a target: merging LoRA into tied embeddings gives wrong weights, "
                "and the rows of the SID tokens are trained whole anyway"
            )
        return self


class StageConfig(Section):
    """One stage: what is learned, and which weights learn it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Its name, in lower case.")
    train: Literal["new_tokens", "lora", "full"] = Field(
        "lora", description="The SID tokens' vectors alone; these and LoRA; or all weights."
    )
    tasks: MixtureConfig = Field(default_factory=MixtureConfig, description="The alignment tasks and their shares.")
    steps: PositiveInt | None = Field(None, description="Steps; or give epochs.")
    epochs: PositiveFloat | None = Field(None, description="Passes over the mixture; or give steps.")
    learning_rate: PositiveFloat = Field(1e-3, description="Peak of the cosine schedule.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps in which the rate rises.")
    weight_decay: NonNegativeFloat = Field(0.0, description="AdamW's decay.")
    validate_every: PositiveInt | None = Field(
        None, description="Steps between validations, of which the best is kept; none: the last step is kept."
    )

    @model_validator(mode="after")
    def _one_length(self) -> StageConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"stage {self.name}: give either steps or epochs")
        return self


def default_stages() -> tuple[StageConfig, ...]:
    """Return the stages of OneRec-Think's order (2510.11639), with lengths for a laptop."""
    served = {"continue_history": 1.0}
    texts = {"title_to_sid": 0.5, "sid_to_title": 0.2}
    replay = {"plain_text": 0.1}
    return (
        StageConfig(
            name="warm-up",
            train="new_tokens",
            tasks=MixtureConfig(weights={**served, **texts}),
            steps=100,
            learning_rate=5e-3,
        ),
        StageConfig(
            name="alignment",
            tasks=MixtureConfig(weights={**served, **texts, **replay}),
            steps=200,
            learning_rate=2e-3,
        ),
        StageConfig(
            name="recommendation",
            tasks=MixtureConfig(weights=served),
            steps=200,
            learning_rate=1e-3,
            validate_every=100,
        ),
    )


class TuneConfig(Section):
    """How a pretrained language model learns to write items: stages, run one after the other."""

    model: LanguageConfig = Field(
        default_factory=LanguageConfig, description="The base, and how its SID tokens begin."
    )
    history_length: PositiveInt = Field(20, description="Items in a training window and in a prompt.")
    stages: tuple[StageConfig, ...] = Field(
        default_factory=default_stages, min_length=1, description="In their order."
    )
    lora: LoraSettings = Field(default_factory=LoraSettings, description="Of the stages that train LoRA.")
    block_length: PositiveInt = Field(1024, description="Tokens of a block, which holds whole rows, at most.")
    batch_size: PositiveInt = Field(2, description="Blocks in a batch, on each process.")
    gradient_accumulation: PositiveInt = Field(1, description="Batches that make one step.")
    max_grad_norm: PositiveFloat = Field(1.0, description="Gradients are clipped to this norm.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Of frozen weights and products; auto: bfloat16 where the hardware multiplies it.",
    )
    gradient_checkpointing: bool = Field(
        False, description="Whether blocks are computed again in the backward pass: less memory, more time."
    )
    validation_users: PositiveInt = Field(200, description="Validation examples drawn once, at most.")
    validation_beams: PositiveInt = Field(20, description="Beams of the validation search.")
    exclude_seen: bool = Field(True, description="Whether items of the history are left out when validating.")
    perplexity_passages: NonNegativeInt = Field(
        40, description="Held-out passages of plain text read before and after; 0: perplexity is not measured."
    )
    report_to: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = Field(
        default_factory=list, description="Trackers that get losses and metrics; each needs its package."
    )

    @model_validator(mode="after")
    def _stages_fit(self) -> TuneConfig:
        names = [stage.name for stage in self.stages]
        problems = [f"two stages are called {name!r}" for name in sorted(set(names)) if names.count(name) > 1]
        served = SERVED_TASK[self.model.prompt]
        if not self.stages[-1].tasks.weights.get(served):
            problems.append(
                f"the last stage, {names[-1]}, does not train {served}, which is what serving asks "
                f"(model.prompt: {self.model.prompt})"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self
