"""Settings of PrefRec."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from genrec.config import Section

Discount = Annotated[float, Field(ge=0, lt=1)]


class PrefRecConfig(Section):
    """How a reward, a critic and a policy are learnt. The values are ours."""

    segment: PositiveInt = Field(2, description="Sessions of a segment.")
    pairs: PositiveInt = Field(20_000, description="Pairs of segments that are drawn.")
    gamma: Discount = Field(0.9, description="What the next step counts.")
    tau: float = Field(0.7, ge=0.5, lt=1, description="Expectile of the value function; .5 is the mean.")
    beta: NonNegativeFloat = Field(
        3.0, description="How much an advantage weighs in the policy; 0 imitates the log."
    )
    most: PositiveFloat = Field(20.0, description="Greatest weight of a step in the policy.")
    hidden: PositiveInt = Field(32, description="Width of the networks' hidden layer.")
    learning_rate: PositiveFloat = Field(3e-3, description="Learning rate of Adam.")
    batch_size: PositiveInt = Field(256, description="Steps, or pairs, in a batch.")
    updates: PositiveInt = Field(400, description="Batches that each network learns from.")
