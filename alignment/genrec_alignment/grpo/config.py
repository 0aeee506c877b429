"""Settings of GRPO. Light: nothing heavy is imported here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from genrec.config import Section


class GrpoConfig(Section):
    """How a policy learns from groups of its own candidates.

    The defaults of ``group``, ``kl``, ``learning_rate`` and ``max_grad_norm`` are MiniOneRec's (arXiv:2510.24431),
    which has language models; ``delta`` is of OneRec's technical report (arXiv:2506.13695).
    """

    loss: Literal["grpo", "ecpo", "gbpo"] = Field(
        "grpo", description="GRPO's clipped loss (TRL's), early-clipped GRPO, or gradient-bounded optimisation."
    )
    group: int = Field(16, ge=2, le=512, description="Candidates of a request.")
    rollouts: Literal["beams", "draws"] = Field(
        "beams",
        description="The best candidates of the search, all different, or independent draws within the trie.",
    )
    advantages: Literal["normalised", "raw"] = Field(
        "normalised",
        description="(r - mean) / std within a group, or the reward itself (OneRec-V2's are -1, 0, 1).",
    )
    epsilon: float = Field(0.2, gt=0, lt=1, description="grpo, ecpo: clipping of the ratio.")
    delta: PositiveFloat = Field(0.1, description="ecpo: how far above 1 + epsilon a ratio may go.")
    kl: NonNegativeFloat = Field(
        1e-3, description="grpo alone: weight of the KL divergence from the policy that it began with."
    )
    reuse: PositiveInt = Field(1, description="Steps that learn from the same groups.")
    requests: PositiveInt = Field(8, description="Requests of a step, on each process.")
    steps: PositiveInt = Field(100, description="Optimizer steps.")
    learning_rate: PositiveFloat = Field(1e-5, description="AdamW's, constant after a short rise.")
    max_grad_norm: PositiveFloat = Field(0.3, description="Gradients are clipped to this norm.")
    next_token_weight: NonNegativeFloat = Field(
        1.0, description="Weight of the next-token loss on rows of the log, which OneRec keeps on in every step."
    )
    next_token_rows: PositiveInt = Field(8, description="Rows of the log of a step, on each process.")

    @model_validator(mode="after")
    def _fit(self) -> GrpoConfig:
        if self.steps % self.reuse:
            raise ValueError(f"reuse ({self.reuse}) must divide steps ({self.steps})")
        return self
