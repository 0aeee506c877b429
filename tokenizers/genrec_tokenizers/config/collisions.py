"""Settings of what happens to items whose codes are equal."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genrec.config import Section


class CollisionsConfig(Section):
    """What happens to items whose codes are equal."""

    strategy: Literal["append", "sinkhorn", "nearest_free"] = Field(
        "append",
        description="append: a further level numbers them. sinkhorn, nearest_free: they get other codes in the "
        "last level, by rounds of Sinkhorn's algorithm or at the least total cost.",
    )
    max_group: int = Field(
        256,
        ge=1,
        description="More items than this with equal codes are an error with 'append'; it bounds that level.",
    )
