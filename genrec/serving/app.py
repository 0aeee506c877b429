"""The application: routes, guards, the page."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse

from genrec import __version__
from genrec.serving import api
from genrec.serving.answers import Alive, Ready
from genrec.serving.config import ServeConfig
from genrec.serving.faults import handle_faults
from genrec.serving.guards import LOOPBACK, Access, BodyLimit, Watch
from genrec.serving.replies import versions_of
from genrec.serving.service import Service

_PAGE = Path(__file__).parent / "page"
_ABOUT = """Ranked items and sessions for users' histories, from a generative recommender.

Every answer names the model and the version of the catalogue that it was made with, in its body and in the headers
`X-Genrec-Model` and `X-Genrec-Catalogue`. Every refusal has the body `{"error": {"kind", "problems", "remedy"}}`.
"""


def create_app(service: Service) -> FastAPI:
    """Return the application that serves a service, and stops it at its own end.

    The bearer token is read from the environment variable that ``serve.token_env`` names.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.stop()

    config = service.config
    app = FastAPI(
        title="genrec", version=__version__, description=_ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.service = service
    _add_operations(app, service)
    if config.page:
        _add_page(app)
    app.include_router(api.router, tags=["recommendations"])
    handle_faults(app)
    _add_guards(app, service)
    return app


def _add_guards(app: FastAPI, service: Service) -> None:
    """Put the guards before the routes; the last one that is added is the first to see a request."""
    config = service.config
    app.add_middleware(BodyLimit, limit=config.max_body_kb * 1024, seconds=config.deadline_s)
    app.add_middleware(Access, token=os.environ.get(config.token_env) or None, hosts=_hosts(config))
    if config.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(Watch, service=service)


def _hosts(config: ServeConfig) -> Collection[str] | None:
    """Return the names that the service answers to: on the loopback its own, elsewhere any, unless told."""
    if config.allowed_hosts:
        return frozenset(name.lower() for name in config.allowed_hosts)
    return LOOPBACK if config.host in LOOPBACK else None


def _add_operations(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["operations"])
    async def healthz() -> Alive:
        """Say that the process lives."""
        return Alive()

    @app.get("/readyz", tags=["operations"], responses={503: {"model": Ready}})
    async def readyz(response: Response) -> Ready:
        """Say whether requests are answered; 503 while they are not."""
        response.status_code = 200 if service.ready else 503
        return Ready(ready=service.ready, versions=versions_of(service.live.current), problem=service.problem)

    @app.get("/metrics", tags=["operations"], response_class=Response)
    def metrics() -> Response:
        """Return counters and histograms in Prometheus' text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_PAGE / "index.html", media_type="text/html")

    app.mount("/page", StaticFiles(directory=_PAGE), name="page")
    app.include_router(api.browsing, tags=["browsing"])
