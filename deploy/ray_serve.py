"""Replicas of the service under Ray Serve behind one address, each a process with its own model and search.

    pip install 'genrec[serve,ray-serve,postgres]'
    python deploy/ray_serve.py --run /absolute/path/of/runs/demo --replicas 2 \
        serve.histories=postgresql://USER:PASSWORD@HOST:5432/DATABASE
    curl -s http://127.0.0.1:8000/readyz

The rest are settings of ``genrec serve``; Ray's proxy listens at ``serve.host`` and ``serve.port`` in its place.
By itself this starts a Ray of its own on this machine, a core for each replica, and ends it at Ctrl-C or SIGTERM.
With ``RAY_ADDRESS`` in the environment the replicas go to that cluster, whose machines need genrec, the run folder
under the same path, and a store of histories that all of them reach: PostgreSQL or Redis (on one machine the SQLite
file does too).
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from pathlib import Path
from typing import Any

# Before Ray is imported: it would report to its makers, and run its workers as background work (nice 15).
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")

import ray
from fastapi import FastAPI
from ray import serve

from genrec.config import load_settings
from genrec.serving.app import create_app
from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service


class Replica:
    """One service.

    Args:
        run: the run folder.
        settings: of the section ``serve``.
    """

    def __init__(self, run: str, settings: dict[str, Any]) -> None:
        self._service = load_service(Path(run), ServeConfig(**settings), apart=True)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the application; Ray passes requests on to it."""
        return create_app(self._service)

    def check_health(self) -> None:
        """Tell Ray whether this replica answers; it starts another in place of one that does not.

        Raises:
            RuntimeError: if it does not.
        """
        if not self._service.ready:
            raise RuntimeError("The service takes no requests.")


def replicas(run: Path, config: ServeConfig, count: int) -> serve.Application:
    """Return what Ray is to run."""
    deployment = serve.deployment(
        serve.ingress()(Replica),
        name="genrec",
        num_replicas=count,
        max_ongoing_requests=config.queue,
        graceful_shutdown_timeout_s=config.drain_s,
    )
    return deployment.bind(str(run.resolve()), config.model_dump())


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("settings", nargs="*", metavar="serve.KEY=VALUE")
    asked = parser.parse_args()
    settings = load_settings({"serve": ServeConfig}, overrides=asked.settings).section("serve", ServeConfig)
    ray.init(include_dashboard=False)
    serve.start(http_options={"host": settings.host, "port": settings.port})
    serve.run(replicas(asked.run, settings, asked.replicas), name="genrec")
    print(f"Serving at http://{settings.host}:{settings.port}/ Ctrl-C ends it.", flush=True)
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    told.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
