"""Settings of a mixture of alignment tasks."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveInt, field_validator

from genrec.config import Section
from genrec.errors import suggest
from genrec_alignment.tasks.registry import TASKS

DEFAULT_WEIGHTS = {
    "continue_history": 0.6,
    "title_to_sid": 0.1,
    "sid_to_title": 0.1,
    "titles_to_sid": 0.1,
    "plain_text": 0.1,
}


class MixtureConfig(Section):
    """Which tasks a model is aligned by, and how much of each."""

    weights: dict[str, NonNegativeFloat] = Field(
        default_factory=lambda: dict(DEFAULT_WEIGHTS),
        description="Share of the rows by task, as weights of any sum; 0 leaves a task out.",
    )
    rows: PositiveInt | None = Field(
        None, description="Rows of an epoch; none: so many that the task of largest weight goes once over its data."
    )
    title_items: PositiveInt = Field(10, description="Items of a history that is given as titles, at most.")
    description_words: PositiveInt = Field(60, description="Words of a description, at most.")
    categories: str | None = Field(None, description="Column of the items' categories; none: by its usual names.")
    description: str | None = Field(None, description="Column of the items' longer text; none: by its usual names.")
    plain_text: Path | None = Field(
        None, description="File or folder of .txt or .jsonl to replay; none: documentation that Python comes with."
    )

    @field_validator("weights")
    @classmethod
    def _weights_of_tasks(cls, weights: dict[str, float]) -> dict[str, float]:
        unknown = [f"unknown task {name!r}.{suggest(name, TASKS)}" for name in weights if name not in TASKS]
        if unknown:
            raise ValueError(" ".join(unknown))
        if not sum(weights.values()) > 0:
            raise ValueError("one task at least needs a weight above 0")
        return weights
