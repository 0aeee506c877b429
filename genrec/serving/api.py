"""The routes under ``/v1``."""

from __future__ import annotations

import time
import uuid
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import BaseModel
from starlette.responses import FileResponse

from genrec.errors import UnknownNameError
from genrec.serving import answers
from genrec.serving.deployment import Deployment
from genrec.serving.faults import BAD_REQUEST, BUSY, STORE_DOWN, UNKNOWN
from genrec.serving.histories import StoredEvent
from genrec.serving.messages import MOST_ITEMS, Event, Feedback, Name, RecommendBatch, RecommendBody
from genrec.serving.replies import versions_of
from genrec.serving.service import Service

router = APIRouter(prefix="/v1", responses=BAD_REQUEST)
browsing = APIRouter(prefix="/v1", responses=BAD_REQUEST)  # what only the page needs

_IMAGES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


async def service_of(request: Request) -> Service:  # FastAPI would give a plain function a thread, which costs more
    """Return the service that an application serves."""
    return request.app.state.service


Served = Annotated[Service, Depends(service_of)]
Few = Annotated[int, Query(ge=1, le=100, description="How many at most.")]
Many = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="How many at most.")]


@router.post(
    "/recommend", response_model=answers.RecommendAnswer | answers.BatchAnswer, responses=BUSY, summary="Recommend"
)
async def recommend(body: Annotated[RecommendBody, Body()], request: Request, service: Served) -> Response:
    """Return ranked items or sessions for one history, or for each of several.

    Ids and titles that do not exist are left out and named in `ignored`. Where nothing of a history is known the
    answer is what the generator expects a history to begin with, and `cold_start` is true. `model` names one of
    the models of `GET /v1/models`, and `versions.name` the one that answered.
    """
    several = isinstance(body, RecommendBatch)
    requests = body.requests if isinstance(body, RecommendBatch) else [body]
    deployment, found = await service.recommend(requests)
    request.state.deployment = deployment
    common = {"request_id": uuid.uuid4().hex, "versions": versions_of(deployment)}
    if several:
        return _json(answers.BatchAnswer(**common, results=found))
    return _json(answers.RecommendAnswer(**dict(found[0]), **common))


@router.get("/models")
def models(service: Served) -> answers.ModelsAnswer:
    """Return the models that answer here; the first one does where a request names none."""
    return answers.ModelsAnswer(models=[versions_of(model.live.current) for model in service.models.values()])


@router.get("/items/{item_id:path}", responses=UNKNOWN)
def item(item_id: Name, service: Served) -> answers.ItemAnswer:
    """Return an item's title and semantic ID."""
    deployment = service.live.current
    row = _row(deployment, item_id)
    return answers.ItemAnswer(versions=versions_of(deployment), item=service.replies.item(deployment, row))


@router.get("/similar", responses=UNKNOWN)
def similar(
    item_id: Annotated[Name, Query(examples=["50"])], service: Served, k: Few = 10
) -> answers.SimilarAnswer:
    """Return the items nearest to one, by the vectors that the semantic IDs were made from.

    Items that came after those vectors were made are compared by how their IDs begin.
    """
    deployment = service.live.current
    row, reply = _row(deployment, item_id), service.replies.item
    near = [
        answers.SimilarItem(**dict(reply(deployment, one.item)), similarity=one.similarity, shared_codes=one.shared)
        for one in service.neighbours(deployment, row, k)
    ]
    return answers.SimilarAnswer(versions=versions_of(deployment), item=reply(deployment, row), items=near)


@router.post("/feedback", status_code=201, responses=STORE_DOWN)
def feedback(body: Feedback, service: Served) -> answers.FeedbackAnswer:
    """Add events to users' histories; the answer comes when they are on the disk.

    Send what the dataset's own log would hold: everything that is stored here is read as history. An `event_id`
    makes it safe to send an event again after a failure.
    """
    deployment, now = service.live.current, time.time_ns() // 1_000_000
    stored = service.people.store.append([_stored(event, now) for event in body.events])
    service.metrics.feedback.inc(stored)
    unknown = dict.fromkeys(deployment.rows(event.item_id for event in body.events)[1])
    return answers.FeedbackAnswer(
        versions=versions_of(deployment),
        stored=stored,
        repeated=len(body.events) - stored,
        unknown_items=list(unknown),
    )


@router.get("/images/{item_id:path}", responses=UNKNOWN, response_class=FileResponse)
def image(item_id: Name, service: Served) -> FileResponse:
    """Return an item's picture, where the dataset has one."""
    file = service.pictures.get(item_id)
    if file is None or not file.is_file():
        raise UnknownNameError("picture of item", item_id, ())
    return FileResponse(file, media_type=_IMAGES[file.suffix.lower()], headers={"Cache-Control": "max-age=3600"})


@browsing.get("/items")
def find_items(
    service: Served, query: Annotated[str, Query(max_length=256)] = "", limit: Few = 20
) -> answers.FoundItems:
    """Return items whose id or title holds a text."""
    deployment, wanted = service.live.current, query.casefold()
    rows = (row for row, text in enumerate(deployment.search_texts) if wanted in text)
    found = [service.replies.item(deployment, row) for row, _ in zip(rows, range(limit), strict=False)]
    return answers.FoundItems(versions=versions_of(deployment), items=found)


@browsing.get("/users", responses=STORE_DOWN)
def find_users(
    service: Served, query: Annotated[str, Query(max_length=256)] = "", limit: Few = 20
) -> answers.FoundUsers:
    """Return users whose id holds a text."""
    return answers.FoundUsers(users=service.people.users(query, limit))


@browsing.get("/history", responses=UNKNOWN | STORE_DOWN)
def history(
    user_id: Annotated[Name, Query(examples=["42"])], service: Served, limit: Many = 50
) -> answers.HistoryAnswer:
    """Return the latest of what a user did, oldest first."""
    deployment, past = service.live.current, service.people.past(user_id)
    if past is None:
        raise UnknownNameError("user", user_id, ())
    rows, unknown = deployment.rows(past.item_ids[-limit:])
    return answers.HistoryAnswer(
        versions=versions_of(deployment),
        user_id=user_id,
        items=[service.replies.item(deployment, int(row)) for row in rows],
        ignored=answers.Ignored(history=unknown),
    )


def _row(deployment: Deployment, item_id: str) -> int:
    if item_id not in deployment.catalogue.index_of:
        raise UnknownNameError("item", item_id, ())  # looking for close ones would take long
    return deployment.catalogue.index_of[item_id]


def _stored(event: Event, now: int) -> StoredEvent:
    fields = event.model_dump()
    return StoredEvent(**(fields | {"timestamp": now if event.timestamp is None else event.timestamp}))


def _json(answer: BaseModel) -> Response:
    """Return an answer without having it checked against its own schema again."""
    return Response(answer.model_dump_json(), media_type="application/json")
