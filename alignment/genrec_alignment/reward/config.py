"""Settings of reward models. Light: nothing heavy is imported here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from genrec.config import Section

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Objective(Section):
    """What one tower predicts: an interaction counts if its kind is named or its value lies within the limits."""

    name: str = Field(min_length=1, description="The objective's name in every table.")
    behaviors: tuple[str, ...] = Field((), description="Kinds of action that count.")
    min_value: float | None = Field(None, description="Smallest value that counts.")
    max_value: float | None = Field(None, description="Largest value that counts.")
    weight: float = Field(1.0, description="Weight in the merged reward; negative for what is not wanted, 0: none.")
    after: str | None = Field(
        None, description="The objective that must come first, as a click before an order; see funnel."
    )
    group: str = Field("interaction", min_length=1, description="HoME's group of objectives of like meaning.")

    @model_validator(mode="after")
    def _says_what_counts(self) -> Objective:
        if not self.behaviors and self.min_value is None and self.max_value is None:
            raise ValueError("name behaviors, min_value or max_value: otherwise nothing counts")
        if self.min_value is not None and self.max_value is not None and self.min_value > self.max_value:
            raise ValueError("min_value must not be above max_value")
        return self


class NetworkConfig(Section):
    """Shape of the reward model."""

    hidden_size: PositiveInt = Field(64, description="Width of item vectors, attention and towers.")
    heads: PositiveInt = Field(2, description="Heads of both attentions; must divide hidden_size.")
    history_length: PositiveInt = Field(100, description="Events of a history, the latest.")
    body: Literal["shared_bottom", "mmoe", "home"] = Field(
        "shared_bottom", description="What stands between the session's vector and the towers."
    )
    experts: PositiveInt = Field(2, description="mmoe: experts; home: experts of every group.")
    feature_gates: PositiveInt = Field(2, description="home: low-rank gates L; must divide hidden_size.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout on the vectors of items and events.")

    @model_validator(mode="after")
    def _divides(self) -> NetworkConfig:
        for name in ("heads", "feature_gates"):
            if self.hidden_size % getattr(self, name):
                raise ValueError(f"{name} ({getattr(self, name)}) must divide hidden_size ({self.hidden_size})")
        return self


class RewardConfig(Section):
    """Settings of the two reward models of a run."""

    objectives: tuple[Objective, ...] = Field(
        (Objective(name="like", min_value=4.0), Objective(name="dislike", max_value=2.5, weight=-1.0)),
        min_length=1,
        description="What is predicted, and how it is merged into one reward.",
    )
    merge: Literal["weights", "p_score", "stages"] = Field(
        "weights",
        description="The merged reward: the objectives' weighted sum, a score learned by the weights, or one that "
        "orders a session's items by the heaviest objective that counts (FS-LTR).",
    )
    funnel: Literal["esmm", "chorus"] = Field(
        "esmm",
        description="How what comes after another learns: from their product, or by ChorusCVR too.",
    )
    agreement: NonNegativeFloat = Field(1.0, description="chorus: weight of its soft agreement; 0: without.")
    negatives: Literal["exposures", "sampled"] = Field(
        "exposures", description="Rows of the log that do not count, or items that the user never met."
    )
    session_length: PositiveInt = Field(5, description="Items of a session that are judged together, at most.")
    session_label: Literal["share", "any"] = Field(
        "share", description="A session's label: the share of its items that count, or whether any does."
    )
    features: tuple[str, ...] = Field((), description="What is read of a history's events: value, behavior, gap, …")
    held_out: Fraction = Field(
        0.2, description="Share of users that neither model learns from; both are measured on."
    )
    gate: Fraction = Field(0.65, description="Smallest held-out AUC of a model that may be used.")
    network: NetworkConfig = Field(NetworkConfig(), description="Shape of the model.")
    learning_rate: PositiveFloat = Field(4e-3, description="Learning rate of AdamW.")
    weight_decay: NonNegativeFloat = Field(1.0, description="Weight decay of AdamW.")
    batch_size: PositiveInt = Field(256, ge=2, description="Sessions a step.")
    epochs: PositiveInt = Field(20, description="Passes over the training part at most.")
    patience: PositiveInt = Field(4, description="Epochs without a lower validation loss before it stops.")

    @model_validator(mode="after")
    def _names_and_weights(self) -> RewardConfig:
        names = [objective.name for objective in self.objectives]
        if len(set(names)) < len(names):
            raise ValueError("two objectives have the same name")
        if not any(objective.weight for objective in self.objectives):
            raise ValueError("every objective has weight 0: the merged reward would always be 0")
        first = {objective.name for objective in self.objectives if objective.after is None}
        wrong = [
            objective.name for objective in self.objectives if objective.after and objective.after not in first
        ]
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)}: after must name another objective, one that comes after none itself"
            )
        return self
