"""Settings of fusion: how the sources' vectors of an item become one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genrec.config import Section


class ConcatenationConfig(Section):
    """The sources side by side, each normalised and scaled to its weight; nothing is trained."""

    kind: Literal["concatenation"] = "concatenation"
    normalize: Literal["center", "whiten"] = Field(
        "center",
        description="What happens to each source before it is scaled to its weight: 'center' takes its mean off; "
        "'whiten' also gives all its principal components the same variance.",
    )


FusionConfig = ConcatenationConfig
