"""Settings of ``genrec simulate``. Light: imports neither torch nor polars."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genrec.config import Section


class UsersConfig(Section):
    """What a like is, and how the log of a run is read to fit simulated users."""

    behaviors: tuple[str, ...] = Field((), description="Kinds of action that are likes, such as click.")
    min_value: float | None = Field(None, description="Smallest value that is a like, such as 4 of 5 stars.")
    categories: str | None = Field(
        None, description="Column of the items that says what is alike; none: genres or category, if it is there."
    )
    session_minutes: float = Field(30.0, gt=0, description="A longer pause ends a visit.")
    fatigue: float | None = Field(
        None, ge=0, description="Assumed weight of fatigue, in place of what the log shows; 0: nobody tires."
    )
    return_effect: float | None = Field(
        None, description="Assumed effect of a visit that went well on coming back, in place of what the log shows."
    )


class AbConfig(Section):
    """An A/B test on simulated users."""

    length: int = Field(10, ge=1, description="Items in a list; a visit ends with it at the latest.")
    days: int = Field(14, ge=1, description="Length of the test.")
    pre_days: int = Field(7, ge=0, description="Days before it, in which everybody has A: CUPED's covariate.")
    returns: Literal["log", "daily"] = Field(
        "log", description="When users come back: as in the log, or once a day whatever happens."
    )
    design: Literal["split", "both"] = Field(
        "split", description="Every user has A or B, as in a real test; or both, in two lives with the same luck."
    )
    share: float = Field(0.5, gt=0, lt=1, description="Share of the users that get B.")
    salt: str = Field("", description="Another salt divides the users in another way.")
    alpha: float = Field(0.05, gt=0, lt=0.5, description="How often a difference may be found where there is none.")
    max_users: int | None = Field(None, ge=2, description="Simulate a random sample of this many users; none: all.")
    beams: int | None = Field(None, ge=1, description="Beams of generators; none: their own default.")
    batch_size: int = Field(64, ge=1, description="Histories a batch.")


class SimulateConfig(Section):
    """Simulated users, and what is tried on them."""

    users: UsersConfig = Field(UsersConfig(), description="How simulated users are fitted.")
    ab: AbConfig = Field(AbConfig(), description="The A/B test.")
