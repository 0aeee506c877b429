"""Settings of what happens to items whose codes are equal."""

from __future__ import annotations

from pydantic import Field

from genrec.config import Section


class CollisionsConfig(Section):
    """What happens to items whose codes are equal: a further level numbers them."""

    max_group: int = Field(
        256, ge=1, description="More items than this with equal codes are an error; it bounds the appended level."
    )
