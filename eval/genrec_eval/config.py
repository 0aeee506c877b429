"""Settings of ``genrec evaluate``. Light: imports neither torch nor polars."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from genrec.config import Section
from genrec_eval.baselines.settings import (
    Bert4recConfig,
    Gru4recConfig,
    HstuConfig,
    SasrecConfig,
    SequentialConfig,
)

BaselineName = Literal[
    "popularity",
    "item_knn",
    "item_knn_recent",
    "transitions",
    "ease",
    "ials",
    "bpr_mf",
    "sasrec",
    "sasrec_bce",
    "gru4rec",
    "bert4rec",
    "hstu",
]
USUAL: tuple[BaselineName, ...] = ("popularity", "item_knn", "item_knn_recent", "transitions", "sasrec")
TRAINED: tuple[BaselineName, ...] = ("sasrec", "sasrec_bce", "gru4rec", "bert4rec", "hstu")


class EvaluateConfig(Section):
    """What is measured, on whom, and against what."""

    split: Literal["valid", "test"] = Field("test", description="The part whose interactions are the targets.")
    target: Literal["item", "session"] = Field(
        "item", description="What a list is compared with: the next item, or all items of the next session."
    )
    session_length: int | None = Field(
        None, ge=1, description="Items in the list for a session; none: as the generator was trained, else 5."
    )
    generate: Literal["list", "session"] | None = Field(
        None,
        description="The generator's answer for a session: its best items, or one session made as a whole; none: a "
        "session if it was trained on sessions.",
    )
    history_length: int | None = Field(
        None, ge=1, description="Only so many of the latest items are shown to any model; none: all."
    )
    protocol: str | None = Field(
        None, description="A protocol that fixes what is measured and on which dataset, as `--protocol` does."
    )
    ks: tuple[int, ...] = Field((5, 10, 20), description="Cut-offs of the metrics.", min_length=1)
    exclude_seen: bool = Field(True, description="Leave items of the history out of every list.")
    odd_lists: Literal["raise", "warn", "ignore"] = Field(
        "warn", description="Empty lists, items that stand in one twice, targets outside of the catalogue."
    )
    baselines: tuple[BaselineName, ...] = Field(
        USUAL, description="Baselines to fit on the same split; what was fitted before is used again."
    )
    tries: int = Field(
        1,
        ge=1,
        description="Settings tried of each trained baseline, of which the best on the validation part is kept: "
        "those below, then what optuna proposes for dropout and learning rate.",
    )
    beams: int | None = Field(None, ge=1, description="Beams of the generator; none: its own default.")
    batch_size: int = Field(64, ge=1, description="Histories a batch.")
    max_users: int | None = Field(None, ge=1, description="Evaluate a random sample of this many users; none: all.")
    examples: int = Field(8, ge=0, description="Users whose lists are kept with titles, for the report.")
    sasrec: SasrecConfig = Field(default_factory=SasrecConfig, description="The SASRec baseline.")
    sasrec_bce: SasrecConfig = Field(
        SasrecConfig(loss="bce", epochs=100), description="SASRec with the loss it was published with."
    )
    gru4rec: Gru4recConfig = Field(Gru4recConfig(), description="The GRU4Rec baseline.")
    bert4rec: Bert4recConfig = Field(Bert4recConfig(epochs=100), description="The BERT4Rec baseline.")
    hstu: HstuConfig = Field(HstuConfig(), description="The HSTU baseline.")

    def trained(self, name: BaselineName) -> SequentialConfig:
        """Return the settings of a trained baseline."""
        settings: SequentialConfig = getattr(self, name)
        return settings

    @model_validator(mode="after")
    def _no_baseline_twice(self) -> EvaluateConfig:
        if len(set(self.baselines)) < len(self.baselines):
            raise ValueError("a baseline is named twice")
        return self

    @model_validator(mode="after")
    def _sessions_only_for_sessions(self) -> EvaluateConfig:
        given = [name for name in ("session_length", "generate") if getattr(self, name) is not None]
        if given and self.target != "session":
            raise ValueError(f"{' and '.join(given)}: only for target: session, and target is {self.target}")
        return self

    @field_validator("ks")
    @classmethod
    def _positive_and_sorted(cls, ks: tuple[int, ...]) -> tuple[int, ...]:
        if min(ks) < 1:
            raise ValueError("every cut-off must be at least 1")
        return tuple(sorted(set(ks)))
