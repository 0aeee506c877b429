"""Settings of ``genrec think``: rationales to learn from, and what is prepared for serving."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from genrec.config import Section
from genrec.decoding.think.config import AheadConfig


class RationaleConfig(Section):
    """How rationales are made (OneRec-Think's reasoning activation)."""

    writer: Literal["categories", "model"] = Field(
        "categories", description="A template over shared categories, or the run's language generator itself."
    )
    generator: Path | None = Field(None, description="Folder of the model that writes; none: the run's generator.")
    items: PositiveInt = Field(10, description="Items of the pruned history: those most similar to the target.")
    history_length: PositiveInt = Field(50, description="Items before the target that are looked at.")
    rows: PositiveInt | None = Field(None, description="Targets, drawn at random; none: all that can be explained.")
    tokens: PositiveInt = Field(64, description="Tokens of a rationale that a model writes, at most.")
    temperature: NonNegativeFloat = Field(0.0, description="Of a model's sampling; 0 takes the likeliest token.")
    batch_size: PositiveInt = Field(16, description="Rationales that a model writes at once.")
    categories: str | None = Field(None, description="Column of the items' categories; none: by its usual names.")


class ThinkConfig(Section):
    """The ``think`` section."""

    rationales: RationaleConfig = Field(
        default_factory=RationaleConfig, description="Texts that say why an item follows a history, to learn from."
    )
    ahead: AheadConfig = Field(
        default_factory=AheadConfig,
        description="Beginnings of IDs for each user, prepared for Think-Ahead serving.",
    )
