"""What stands before the routes: who may ask, how much may be sent, and what is measured of every request."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genrec.serving.faults import refusal
from genrec.serving.service import Service

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OPEN = ("/healthz", "/readyz", "/page/")
_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'"),
)


class Access:
    """Lets in who names an allowed host and, where there is one, the bearer token.

    The host is looked at so that no web page can reach a service on the loopback by a name of its own that
    resolves to 127.0.0.1.

    Args:
        app: what is guarded.
        token: the bearer token; None if none is asked for.
        hosts: names the service may be called by; None for any.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: Collection[str] | None) -> None:
        self._app, self._hosts = app, hosts
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        if self._hosts is not None and _host(headers.get(b"host", b"")) not in self._hosts:
            answer = refusal(400, "The service is not called by this name.", "Add it to serve.allowed_hosts.")
            return await answer(scope, receive, send)
        if not self._may(scope["path"], headers.get(b"authorization", b"")):
            remedy = "Send the header 'Authorization: Bearer TOKEN'."
            answer = refusal(401, "A bearer token is needed.", remedy, WWW_Authenticate="Bearer")
            return await answer(scope, receive, send)
        return await self._app(scope, receive, send)

    def _may(self, path: str, given: bytes) -> bool:
        if self._token is None or path == "/" or path.startswith(_OPEN):
            return True
        kind, _, token = given.partition(b" ")
        return kind.lower() == b"bearer" and secrets.compare_digest(token.strip(), self._token)


class BodyLimit:
    """Reads a request's body before anything else does, up to a limit of bytes and of time.

    Args:
        app: what is guarded.
        limit: bytes.
        seconds: how long the body may take to come.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self._app, self._limit, self._seconds = app, limit, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its whole body, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        try:
            async with asyncio.timeout(self._seconds):
                body = None if length.isdigit() and int(length) > self._limit else await self._read(receive)
        except TimeoutError:
            answer = refusal(408, "The body took too long to come.", Connection="close")
            return await answer(scope, receive, send)
        if body is None:
            text = f"The body is larger than {self._limit:,} bytes."
            answer = refusal(413, text, "Send less at once.", Connection="close")
            return await answer(scope, receive, send)
        return await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body; None if it is too large."""
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._limit:
                return None
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return bytes(body)


class Watch:
    """Measures requests and adds the headers that all answers have.

    Args:
        app: what is watched.
        service: whose versions are named and whose metrics are kept.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_SAFE, *self._versions(scope)]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            # The route's pattern and not its path, or every id would be a time series of its own.
            route = getattr(scope.get("route"), "path", "other")
            self._service.metrics.requests.labels(route, str(status)).observe(time.perf_counter() - started)

    def _versions(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Return what the answer was made with: what its route says, else the run's own model."""
        used = scope.get("state", {}).get("deployment") or self._service.live.current
        model, number = used.model[:12].encode(), str(used.number).encode()
        return [(b"x-genrec-model", model), (b"x-genrec-catalogue", number)]


def _host(header: bytes) -> str:
    """Return the name in a Host header, without its port."""
    text = header.decode("latin-1").lower()
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body, and after it what comes."""
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
