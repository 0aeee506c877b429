"""What the API answers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Versions(BaseModel):
    """What an answer was made with."""

    name: str = Field(description="The model, as requests call it.")
    model: str = Field(description="Digest of the generator's artefact.")
    catalogue: int = Field(description="Number of the catalogue's version: genrec catalogue history.")
    catalogue_digest: str


class Item(BaseModel):
    """An item of the catalogue."""

    item_id: str
    title: str
    semantic_id: str
    codes: list[int] = Field(description="The codes of the semantic ID, level by level.")
    image: bool = Field(False, description="Whether GET /v1/images/ITEM_ID has a picture.")


class Like(BaseModel):
    """An item of the history whose ID begins like a recommended one's."""

    item_id: str
    title: str
    shared_codes: int


class Why(BaseModel):
    """What an item and the history have in common; this is not how the model came to its answer."""

    like: list[Like] = []
    terms: list[str] = Field(default=[], description="Categories that the history has too.")
    thought: int | None = Field(None, description="Which of the thoughts the item was found after.")


class RankedItem(Item):
    """A recommended item."""

    score: float = Field(description="Log-probability of its ID after the history and what stands before it.")
    why: Why | None = None


class RankedSession(BaseModel):
    """Items to be shown together."""

    score: float = Field(description="The sum of its items' scores.")
    items: list[RankedItem]


class Ignored(BaseModel):
    """What was asked about and does not exist here."""

    user_id: str | None = None
    history: list[str] = []
    titles: list[str] = []
    exclude: list[str] = []


class Title(BaseModel):
    """A title that was typed, and what it was taken for."""

    given: str
    item_id: str | None
    title: str | None


class Explanation(BaseModel):
    """What kind of reasons the items come with."""

    kind: Literal["resemblance", "thought"]
    note: str
    thoughts: list[str] = []


class Recommendation(BaseModel):
    """The answer to one request."""

    history: list[str] = Field(description="The known items of the history, oldest first; the latest are read.")
    cold_start: bool = Field(description="Whether nothing of the history was known.")
    ignored: Ignored
    titles: list[Title] | None = None
    items: list[RankedItem] | None = None
    sessions: list[RankedSession] | None = None
    explanation: Explanation | None = None


class RecommendAnswer(Recommendation):
    """The answer to a single request."""

    request_id: str = Field(description="Send it with the feedback on this answer.")
    versions: Versions


class BatchAnswer(BaseModel):
    """The answers to several requests, in their order, all from the same versions."""

    request_id: str
    versions: Versions
    results: list[Recommendation]


class ModelsAnswer(BaseModel):
    """The models that answer here; the first one does where a request names none."""

    models: list[Versions]


class ItemAnswer(BaseModel):
    """One item."""

    versions: Versions
    item: Item


class SimilarItem(Item):
    """An item near another."""

    similarity: float | None = Field(description="Cosine of the vectors that the IDs were made from, if known.")
    shared_codes: int = Field(description="How many codes the two IDs begin with in common.")


class SimilarAnswer(BaseModel):
    """The items nearest to one, the nearest first."""

    versions: Versions
    item: Item
    items: list[SimilarItem]


class FoundItems(BaseModel):
    """Items whose id or title holds a text."""

    versions: Versions
    items: list[Item]


class FoundUsers(BaseModel):
    """Users whose id holds a text."""

    users: list[str]


class HistoryAnswer(BaseModel):
    """What a user did, oldest first."""

    versions: Versions
    user_id: str
    items: list[Item]
    ignored: Ignored


class FeedbackAnswer(BaseModel):
    """What was stored; it survives a crash of the process and of the machine."""

    versions: Versions
    stored: int
    repeated: int = Field(description="Events with an event_id that was stored before.")
    unknown_items: list[str] = Field(description="Stored, and read once the catalogue has them.")


class Problem(BaseModel):
    """Why a request was refused."""

    kind: str = Field(examples=["invalid", "not_found", "queue_full"])
    problems: list[str]
    remedy: str = ""


class Refusal(BaseModel):
    """The body of every answer that is not a success."""

    error: Problem


class Ready(BaseModel):
    """Whether requests are answered."""

    ready: bool
    versions: Versions
    problem: str = Field("", description="Why the catalogue's latest version is not served; empty if it is.")


class Alive(BaseModel):
    """That the process lives."""

    status: Literal["ok"] = "ok"
