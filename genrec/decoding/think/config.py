"""How thoughts are written, and what is prepared with them."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from genrec.config import Section


class ThinkingConfig(Section):
    """How a model writes its thoughts."""

    thoughts: PositiveInt = Field(1, description="Thoughts for each request; their items are put together.")
    tokens: PositiveInt = Field(96, description="Tokens of a thought, at most; one cut off is ended by force.")
    temperature: NonNegativeFloat = Field(
        0.0, description="Of the sampling; 0 takes the likeliest token each time."
    )

    @model_validator(mode="after")
    def _several_differ(self) -> ThinkingConfig:
        if self.thoughts > 1 and not self.temperature:
            raise ValueError("several thoughts at temperature 0 would all be the same; set one above 0")
        return self


class AheadConfig(ThinkingConfig):
    """What Think-Ahead serving prepares for each user (OneRec-Think, 2510.11639)."""

    thoughts: PositiveInt = Field(2, description="Thoughts for each user.")
    temperature: NonNegativeFloat = Field(1.0, description="Of the sampling; several thoughts need one above 0.")
    prefixes: PositiveInt = Field(16, description="Prefixes (all codes but the last) that each thought gives.")
    batch_size: PositiveInt = Field(8, description="Users at once.")
    users: PositiveInt | None = Field(None, description="Prepare the first so many users only; none: all.")
