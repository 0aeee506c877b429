"""Listening: one process, one event loop, a clean end on SIGTERM and Ctrl-C."""

from __future__ import annotations

import signal
import socket
from types import FrameType

import uvicorn

from genrec.console import remark
from genrec.errors import ConfigError
from genrec.memory import spare_the_collector
from genrec.serving.app import create_app
from genrec.serving.service import Service


def serve(service: Service, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered first.

    Args:
        service: what is served; stopped at the end.
        listening: where; see :func:`listen`.
    """
    config = service.config
    settings = uvicorn.Config(
        create_app(service),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=config.keep_alive_s,
        timeout_graceful_shutdown=config.drain_s,
    )
    spare_the_collector()
    remark(f"Serving at http://{_shown(listening)} Ctrl-C ends it.")
    # uvicorn raises the signal that ended it once more when all is done; by then it has served its purpose.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(settings, service).run(sockets=[listening])
    remark("Stopped; every request that was taken is answered.")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        ConfigError: if that cannot be.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}.",
            "Choose another serve.host or --port.",
        ) from error


class _Server(uvicorn.Server):
    """Tells the service of its end first, so that ``/readyz`` says so to those still connected."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end."""
        self._service.drain()
        super().handle_exit(sig, frame)


def _shown(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"{f'[{host}]' if ':' in host else host}:{port}/"
