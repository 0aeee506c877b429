"""Two replicas under a real Ray Serve, started by the file that is shipped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.serving.servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # nine processes that import torch or Ray


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    # Ray itself is in the lock, what its part "serve" needs is not; importing it here would start its threads.
    if subprocess.run([sys.executable, "-c", "import ray.serve"], capture_output=True, check=False).returncode:
        pytest.skip("there is no Ray Serve: pip install 'genrec[ray-serve]'")


def replicas_below(pid: int) -> list[int]:
    """Return the processes of the replicas that a process has started, by whatever in between."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:  # it has ended since
            continue

    def below(one: int) -> bool:
        return one == pid or (one in parents and below(parents[one]))

    return [one for one, name in names.items() if name.startswith("ray::ServeReplica") and below(one)]


def wait_until(true: Callable[[], bool], seconds: float = 600) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.3)


def answered(client: httpx2.Client) -> float:
    """Return how many recommendations one of the replicas has given, whichever is asked."""
    lines = client.get("/metrics").text.splitlines()
    counts = [line for line in lines if line.startswith("genrec_request_seconds_count{") and '"200"' in line]
    return sum(float(line.split()[-1]) for line in counts if '"/v1/recommend"' in line)


@contextmanager
def under_ray(run: Path, root: Path, log: Path, store: Path) -> Iterator[tuple[subprocess.Popen, httpx2.Client]]:
    """Start two replicas; yield the process that started them and a client of Ray's proxy."""
    port = free_port()
    words = ["--run", str(run), "--replicas", "2", f"serve.port={port}", f"serve.histories=sqlite:///{store}"]
    command = [sys.executable, str(root / "deploy" / "ray_serve.py"), *words]
    # Paths of sockets are short: pytest's folders are too deep for Ray's.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder, log.open("w") as stream:
        env = {**os.environ, "RAY_TMPDIR": folder, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=env)
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait_until(lambda: process.poll() is not None or "Serving at" in log.read_text())
                print(log.read_text())  # shown if the test fails
                assert process.poll() is None
                yield process, client
        finally:
            process.terminate()
            process.wait(120)


def test_two_replicas_answer_share_what_they_are_told_and_are_replaced(
    run: Path, root: Path, tmp_path: Path
) -> None:
    with under_ray(run, root, tmp_path / "log", tmp_path / "f.sqlite") as (process, client):
        assert len(replicas_below(process.pid)) == 2
        assert client.get("/readyz").status_code == 200
        event = {"events": [{"user_id": "kim", "item_id": "i01", "event_id": "a"}]}
        assert client.post("/v1/feedback", json=event).status_code == 201
        answers = [client.post("/v1/recommend", json={"user_id": "kim", "k": 3}) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert all(answer.json()["history"] == ["i01"] for answer in answers)  # whichever of them was asked
        assert len({str(answer.json()["items"]) for answer in answers}) == 1
        assert all(0 < answered(client) < 20 for _ in range(10))  # each of them gave some
        assert client.post("/v1/recommend", json={"k": -1}).status_code == 422
        before = set(replicas_below(process.pid))
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: client.post("/v1/recommend", json={"history": ["i03"]}).status_code == 200)
        wait_until(lambda: answered(client) == 0)  # one that is new
        assert len(set(replicas_below(process.pid)) - {min(before)}) == 2
        assert client.post("/v1/feedback", json=event).json()["repeated"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert not replicas_below(process.pid)
