"""A service in a thread of this process, for a browser to call."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from genrec.serving.app import create_app
from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service


@contextmanager
def listening(run: Path, **settings: object) -> Iterator[str]:
    """Serve a run on a free port; yield its address."""
    service = load_service(run, ServeConfig(**{"catalogue_poll_s": 0, **settings}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = uvicorn.Server(uvicorn.Config(create_app(service), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [free]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{free.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
