"""Settings of ``train.teacher``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from genrec.config import Section


class TeacherConfig(Section):
    """Which model reads the users' histories as text, and how much the small model is drawn towards its vectors."""

    kind: Literal["language", "sentence"] = Field(
        "language", description="A causal language model, or an encoder of sentence-transformers."
    )
    model: str = Field(
        "smollm2", min_length=1, description="smollm2 or, of sentence, minilm; a folder, or a Hugging Face id."
    )
    items: PositiveInt = Field(20, description="Items of a user that the teacher reads: the latest of training.")
    max_tokens: PositiveInt = Field(256, description="Tokens that the teacher reads of a history, newest first.")
    alignment_epochs: NonNegativeInt = Field(
        1, description="Epochs of alignment alone, before recommendation is learned."
    )
    weight: NonNegativeFloat = Field(
        0.5, description="Weight of the alignment beside recommendation; 0: only the epochs before it."
    )
    temperature: PositiveFloat = Field(0.07, description="Temperature of the contrast.")
