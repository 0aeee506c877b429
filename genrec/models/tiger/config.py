"""Settings of TIGER's T5. Light: nothing heavy is imported here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from genrec.config import Section


class T5Config(Section):
    """TIGER's T5 (arXiv:2305.05065): every code of the history is a token of the encoder.

    The defaults are the paper's shape as those tell it who remade it. Two things differ: no token says who the user
    is, since requests come from people whom the log did not know; and a code competes with the codes of its level,
    as in all models here, and not with the whole vocabulary.
    """

    kind: Literal["t5"] = "t5"
    hidden_size: PositiveInt = Field(128, description="Width of the residual stream.")
    intermediate_size: PositiveInt = Field(1024, description="Width inside the feed-forward blocks.")
    layers: PositiveInt = Field(4, description="Blocks of the encoder, and as many of the decoder.")
    heads: PositiveInt = Field(6, description="Attention heads.")
    head_size: PositiveInt = Field(64, description="Width of a head; heads need not add up to hidden_size.")
