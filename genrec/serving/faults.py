"""What goes wrong, as HTTP: one body for all refusals, no echo of what came in, nothing of our insides."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from genrec.errors import GenrecError, UnknownNameError
from genrec.serving.answers import Refusal
from genrec.serving.batching import DeadlineError, QueueFullError, StoppedError
from genrec.serving.histories import StoreDownError

log = logging.getLogger("genrec.serving")

Responses = dict[int | str, dict[str, Any]]
_SHOWN = 20
_KINDS = {
    400: "invalid",
    401: "unauthorized",
    404: "not_found",
    405: "not_allowed",
    408: "too_slow",
    413: "too_large",
    429: "queue_full",
    500: "defect",
    503: "stopping",
    504: "deadline",
}
BAD_REQUEST: Responses = {status: {"model": Refusal} for status in (400, 401, 413, 422)}
BUSY: Responses = {status: {"model": Refusal} for status in (408, 429, 503, 504)}
UNKNOWN: Responses = {404: {"model": Refusal}}
STORE_DOWN: Responses = {503: {"model": Refusal}}


def refusal(status: int, problems: str | list[str], remedy: str = "", kind: str = "", **headers: str) -> Response:
    """Return the answer to a request that is refused.

    Args:
        status: of HTTP.
        problems: what is wrong.
        remedy: what to do about it.
        kind: the sort of fault; that of the status unless told.
        headers: to be sent along; ``_`` stands for ``-``.
    """
    lines = [problems] if isinstance(problems, str) else problems
    body = {"error": {"kind": kind or _KINDS.get(status, "invalid"), "problems": lines, "remedy": remedy}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    # In ASCII: a message may quote a lone surrogate, which UTF-8 has no bytes for.
    return Response(json.dumps(body), status, named, "application/json")


def handle_faults(app: FastAPI) -> None:
    """Make an application answer every fault with :func:`refusal`."""
    for kind, status, text in (
        (QueueFullError, 429, "Too many requests wait already."),
        (StoppedError, 503, "The service is shutting down."),
        (DeadlineError, 504, "There was no answer before the deadline."),
    ):
        app.add_exception_handler(kind, _busy(status, text))
    app.add_exception_handler(StoreDownError, _store_down)
    app.add_exception_handler(GenrecError, _mendable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)


def _busy(status: int, text: str) -> Callable[[Request, Exception], Response]:
    def handle(request: Request, _: Exception) -> Response:
        request.app.state.service.metrics.refused.labels(_KINDS[status]).inc()
        return refusal(status, text, "Try again a little later.", Retry_After="1")

    return handle


def _store_down(request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreDownError)  # registered for these
    log.warning("%s", error.problems[0])
    request.app.state.service.metrics.refused.labels("store_down").inc()
    return refusal(503, "Users' histories cannot be reached.", error.remedy, "store_down", Retry_After="1")


def _mendable(_: Request, error: Exception) -> Response:
    assert isinstance(error, GenrecError)  # registered for these
    return refusal(404 if isinstance(error, UnknownNameError) else 422, error.problems, error.remedy)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # registered for these
    return refusal(
        422, [_line(one) for one in error.errors()[:_SHOWN]], "GET /openapi.json describes what each route takes."
    )


def _line(error: dict[str, Any]) -> str:
    """Return one mistake with its place, without the names that pydantic gives the kinds of a body."""
    place = [str(part) for at, part in enumerate(error["loc"]) if at != 1 or part not in ("one", "batch")]
    return f"{'.'.join(place)}: {error['msg'].removeprefix('Value error, ')}"


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # registered for these
    return refusal(
        error.status_code, str(error.detail), **{k.replace("-", "_"): v for k, v in (error.headers or {}).items()}
    )


def _defect(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return refusal(500, "The service has a defect; its log says more.")
