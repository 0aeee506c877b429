"""What the API takes: pydantic models with limits and examples, from which the OpenAPI schema is made."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

MOST_ITEMS, MOST_TITLES, MOST_REQUESTS, MOST_EVENTS = 2000, 30, 64, 1000
_LATEST = 2**53 - 1  # milliseconds; the largest integer that JSON readers agree about

# No control characters: PostgreSQL takes no NUL, and nobody's id holds a line break.
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
Names = Annotated[list[Name], Field(max_length=MOST_ITEMS)]


class Message(BaseModel):
    """Base of what is sent: unknown keys, infinities and NaN are errors, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class RecommendRequest(Message):
    """One list of items, or sessions, for one history: a stored user's, or one given as item ids or titles."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"history": ["50", "181", "172"], "k": 5, "explain": True},
                {"user_id": "42", "session": 5},
                {"titles": ["Star Wars", "Fargo"], "exclude": ["50"]},
                {"history": []},
            ]
        }
    )

    user_id: Name | None = Field(None, description="A user of the dataset or of earlier feedback.")
    history: Names | None = Field(None, description="Item ids, oldest first; none for the cold-start answer.")
    titles: Annotated[list[Name], Field(max_length=MOST_TITLES)] | None = Field(
        None, description="Titles as people type them, oldest first."
    )
    model: Name | None = Field(
        None,
        description="Who answers, by its name in GET /v1/models; the run's own unless told.",
        examples=["aligned"],
    )
    k: int | None = Field(None, ge=1, le=512, description="Items wanted (10), or sessions (1).")
    session: int | None = Field(None, ge=1, le=20, description="Recommend sessions of so many items.")
    beams: int = Field(50, ge=1, le=512, description="Width of the search; at least k.")
    exclude: Names = Field(default=[], description="Items not to recommend.")
    allow_seen: bool = Field(False, description="Recommend items of the history too.")
    new_places: int = Field(0, ge=0, le=512, description="Places kept for items added after the training.")
    domain: Name | None = Field(None, description="Items of this domain only, where the dataset has domains.")
    explain: bool = Field(False, description="Say why: the model's thought, or what items and history share.")

    @model_validator(mode="after")
    def _check(self) -> RecommendRequest:
        if sum(one is not None for one in (self.user_id, self.history, self.titles)) != 1:
            raise ValueError("give exactly one of user_id, history and titles")
        if self.session is not None and (self.new_places or self.domain):
            raise ValueError("new_places and domain are for lists of items, not for sessions")
        if self.domain and self.new_places:
            raise ValueError("give either new_places or domain")
        return self

    @property
    def places(self) -> int:
        """Items wanted, or sessions."""
        return self.k or (10 if self.session is None else 1)


class RecommendBatch(Message):
    """Several requests of one model; they are answered in their order."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": [{"user_id": "42"}, {"history": ["50"], "k": 3}]}]}
    )

    requests: Annotated[list[RecommendRequest], Field(min_length=1, max_length=MOST_REQUESTS)]

    @model_validator(mode="after")
    def _one_model(self) -> RecommendBatch:
        if len({request.model for request in self.requests}) > 1:
            raise ValueError("the requests of a batch are for one model: give all of them the same")
        return self


def _one_or_batch(body: Any) -> str:
    several = "requests" in body if isinstance(body, dict) else isinstance(body, RecommendBatch)
    return "batch" if several else "one"


RecommendBody = Annotated[
    Annotated[RecommendRequest, Tag("one")] | Annotated[RecommendBatch, Tag("batch")], Discriminator(_one_or_batch)
]


class Event(Message):
    """Something that a user did with an item."""

    user_id: Name
    item_id: Name = Field(description="An item that the catalogue does not have yet is kept, and read when it has.")
    timestamp: int | None = Field(None, ge=0, le=_LATEST, description="Milliseconds since 1970; now, unless given.")
    behavior: Name | None = Field(None, description="The kind of action, a word of the log: view, click, like, …")
    value: float | None = Field(None, description="Its strength: a rating, seconds watched.")
    domain: Name | None = None
    request_id: Name | None = Field(None, description="Of the answer that showed the item.")
    position: int | None = Field(None, ge=0, le=10_000, description="The item's place there, from 0 on.")
    event_id: Name | None = Field(None, description="Makes sending again harmless: each is stored once.")


class Feedback(Message):
    """Events to add to users' histories."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"events": [{"user_id": "42", "item_id": "50", "behavior": "like", "event_id": "e-1"}]}]
        }
    )

    events: Annotated[list[Event], Field(min_length=1, max_length=MOST_EVENTS)]
