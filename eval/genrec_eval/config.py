"""Settings of ``genrec evaluate``. Light: imports neither torch nor polars."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from genrec.config import Section
from genrec.models.sasrec import SasrecConfig

BaselineName = Literal["popularity", "item_knn", "item_knn_recent", "transitions", "sasrec"]
BASELINES: tuple[BaselineName, ...] = ("popularity", "item_knn", "item_knn_recent", "transitions", "sasrec")


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
