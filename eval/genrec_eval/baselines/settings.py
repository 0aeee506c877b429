"""Settings of the trained baselines. Light: nothing heavy is imported here."""

from __future__ import annotations

from pydantic import Field

from genrec.models.sasrec.config import SasrecConfig, SequentialConfig


class Gru4recConfig(SequentialConfig):
    """GRU4Rec: recurrent layers over items."""

    layers: int = Field(1, ge=1, description="GRU layers.")


class HstuConfig(SasrecConfig):
    """HSTU: attention without a softmax, gated by the item it is for."""


class Bert4recConfig(SasrecConfig):
    """BERT4Rec: a transformer that sees both ways and fills in masked items."""

    masked: float = Field(0.3, gt=0, lt=1, description="Share of a window's items that are masked.")
    last_only: float = Field(0.2, ge=0, le=1, description="Share of windows of which only the last item is masked.")


__all__ = ["Bert4recConfig", "Gru4recConfig", "HstuConfig", "SasrecConfig", "SequentialConfig"]
