"""Settings of the ``align`` section. Light: nothing heavy is imported here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from genrec.config import Section
from genrec.decoding.engines.base import ENGINES
from genrec.errors import suggest
from genrec_alignment.grpo.config import GrpoConfig
from genrec_alignment.sft.config import LoraSettings

Share = Annotated[float, Field(ge=0, le=1)]
Loss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "robust",
    "exo_pair",
    "nca_pair",
    "bco_pair",
    "sppo_hard",
    "apo_zero",
    "apo_down",
    "discopop",
    "sigmoid_norm",
    "softmax_dpo",
]
_NEEDS_SMOOTHING = ("robust", "exo_pair")
# Those that look at each candidate's log-ratio by itself, and not at the difference of two.
ONE_BY_ONE = ("nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down")


class RewardWeights(Section):
    """What a candidate's reward is the weighted sum of; 0 leaves a part out."""

    model: float = Field(1.0, description="The run's reward model, its objectives merged.")
    hit: float = Field(0.0, description="Share of the items that the user really chose next.")
    rank: float = Field(0.0, description="MiniOneRec's cost of high-ranked misses; goes with hit.")
    rollout_beam: float = Field(0.0, description="Codes in common with what the user chose next.")
    novelty: float = Field(0.0, description="Items that few others chose.")
    diversity: float = Field(0.0, description="Distance of a session's items; sessions only.")

    @model_validator(mode="after")
    def _any(self) -> RewardWeights:
        if not any(self.model_dump().values()):
            raise ValueError("all weights are 0: every candidate would have the same reward")
        return self


class PairSettings(Section):
    """What is preferred to what."""

    kind: Literal["best_against_losers", "logged_against_losers"] = Field(
        "best_against_losers", description="The best candidate, or what the log has, against candidates."
    )
    losers: PositiveInt = Field(1, description="Losers of a row; more than one needs loss: softmax_dpo.")
    source: Literal["on_policy", "fixed"] = Field(
        "on_policy",
        description="Beams of the policy at each round's start, or those of the first policy in all rounds.",
    )


class AcceptSettings(Section):
    """When a round's policy is kept."""

    least_gain: NonNegativeFloat = Field(
        1.0, description="Standard errors by which both reward models' means must rise in a round."
    )
    tolerance: Share = Field(
        0.05, description="Share of the first policy's recall and NDCG that may be lost, over all rounds."
    )
    patience: PositiveInt = Field(2, description="Rounds rolled back one after the other before it stops.")


class AlignConfig(Section):
    """How a generator is aligned with a reward, round by round."""

    rounds: PositiveInt = Field(3, description="Rounds of beams, pairs, training and verdict.")
    session_length: PositiveInt = Field(1, description="Items of a candidate; 1: single items.")
    beams: PositiveInt = Field(64, le=512, description="Candidates of a request.")
    engine: str = Field("tree", description="What searches the candidates: tree, vllm or hf.")
    exclude_seen: bool = Field(True, description="Whether items of the history are left out of the candidates.")
    rewards: RewardWeights = Field(default_factory=RewardWeights, description="What makes a candidate better.")
    optimiser: Literal["preference", "grpo"] = Field(
        "preference", description="Learn preference rows (DPO and its kin), or groups (GRPO, ECPO, GBPO)."
    )
    grpo: GrpoConfig = Field(default_factory=GrpoConfig, description="Groups; only for optimiser: grpo.")
    pairs: PairSettings = Field(default_factory=PairSettings, description="Preference rows.")
    loss: Loss = Field("sigmoid", description="TRL's loss_type, or softmax_dpo: S-DPO, which TRL has not.")
    beta: PositiveFloat = Field(0.1, description="How much a log-ratio to the reference weighs.")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="Share of wrong labels; robust and exo_pair.")
    dpo_share: Share = Field(
        0.2, description="r_DPO: chance of a training row to bring a preference row; 0: next tokens alone."
    )
    dpo_weight: PositiveFloat = Field(1.0, description="Weight of a preference row beside the next-token loss.")
    passes: PositiveFloat = Field(1.0, description="Passes over the training part in a round.")
    train: Literal["auto", "full", "lora"] = Field(
        "auto", description="Which weights learn; auto: LoRA in language models, all in others."
    )
    lora: LoraSettings = Field(default_factory=LoraSettings, description="Where LoRA learns.")
    batch_size: PositiveInt = Field(32, description="Training rows of a batch, on each process.")
    learning_rate: PositiveFloat = Field(3e-5, description="AdamW's, constant in a round; halved by a roll-back.")
    max_grad_norm: PositiveFloat = Field(1.0, description="Gradients are clipped to this norm.")
    validation_users: PositiveInt = Field(1000, description="Validation requests drawn once, at most.")
    served: PositiveInt = Field(10, description="Candidates that a policy is judged by: the first so many.")
    accept: AcceptSettings = Field(default_factory=AcceptSettings, description="When a round is kept.")

    @model_validator(mode="after")
    def _fit(self) -> AlignConfig:
        problems = []
        if self.engine not in ENGINES:
            problems.append(f"unknown engine {self.engine!r}.{suggest(self.engine, ENGINES)}")
        if self.beams < max(2, self.served):
            problems.append(f"beams ({self.beams}) must be at least 2, and at least served ({self.served})")
        if self.pairs.losers > 1 and self.loss != "softmax_dpo":
            problems.append(f"loss {self.loss} takes one loser: say loss=softmax_dpo for {self.pairs.losers}")
        if self.loss in _NEEDS_SMOOTHING and not self.label_smoothing:
            problems.append(f"loss {self.loss} needs label_smoothing above 0")
        if self.label_smoothing and self.loss not in _NEEDS_SMOOTHING:
            problems.append(f"label_smoothing is for {' and '.join(_NEEDS_SMOOTHING)}, not {self.loss}")
        if self.session_length == 1 and self.rewards.diversity:
            problems.append("rewards.diversity needs session_length above 1: one item has no pair")
        if problems:
            raise ValueError("; ".join(problems))
        return self
