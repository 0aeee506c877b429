"""``genrec serve`` as a real process: it serves, drains, refuses what does not fit, and loses nothing it took."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from genrec.cli.app import main
from tests.serving.worlds import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("served") / "run")


Start = Callable[..., tuple[subprocess.Popen, httpx2.Client]]


@pytest.fixture
def start(run: Path) -> Iterator[Start]:
    """Start the real command; return the process and a client of it."""
    started: list[subprocess.Popen] = []
    clients: list[httpx2.Client] = []

    def begin(*words: str) -> tuple[subprocess.Popen, httpx2.Client]:
        command = [sys.executable, "-m", "genrec", "serve", "--run", str(run), "--port", "0", *words]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env))
        for line in started[-1].stderr:
            if line.startswith("Serving at "):
                clients.append(httpx2.Client(base_url=line.split()[2], timeout=60))
                return started[-1], clients[-1]
        raise AssertionError("the server ended before it served")

    yield begin
    for client in clients:
        client.close()
    for process in started:
        process.kill()
        process.communicate()


def children(process: subprocess.Popen) -> list[int]:
    """Return the processes that search for a service: those that it started, but for Python's own helper."""
    numbers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    lines = {int(number): Path(f"/proc/{number}/cmdline").read_bytes() for number in numbers}
    return [number for number, line in lines.items() if b"resource_tracker" not in line]


def called(*words: str) -> int:
    """Call the real main() in this process; return the exit code."""
    sys.argv = ["genrec", *words]
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


@pytest.mark.slow
def test_sigterm_answers_what_was_taken_and_ends_well(start: Start) -> None:
    process, client = start("serve.max_batch=1")
    answers: list[int] = []

    def ask() -> None:
        body = {"history": ["i01"], "session": 3, "beams": 100, "k": 9}
        answers.append(client.post("/v1/recommend", json={"requests": [body] * 20}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    while "genrec_queue_requests 0.0" in client.get("/metrics").text:
        time.sleep(0.005)
    for child in children(process):  # a terminal or a supervisor sends it to all
        os.kill(child, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(60)
    assert process.wait(60) == 0
    assert answers == [200] * 6
    assert "every request that was taken is answered" in process.stderr.read()


@pytest.mark.slow
def test_kill_9_loses_no_feedback_that_was_acknowledged(start: Start, run: Path, tmp_path: Path) -> None:
    process, client = start()
    acknowledged: list[str] = []

    def post() -> None:
        for number in range(100_000):
            name = f"{threading.get_ident()}-{number}"
            event = {"user_id": "kim", "item_id": "i01", "event_id": name, "value": 0.5}
            try:
                if client.post("/v1/feedback", json={"events": [event]}).status_code == 201:
                    acknowledged.append(name)
            except httpx2.TransportError:
                return

    threads = [threading.Thread(target=post) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 60:
        time.sleep(0.01)
    searching = children(process)
    process.kill()
    for thread in threads:
        thread.join(60)
    assert len(searching) == 1
    until = time.monotonic() + 60
    while Path(f"/proc/{searching[0]}").exists():  # the process that searches ends with the one that serves
        assert time.monotonic() < until
        time.sleep(0.05)
    log = tmp_path / "log.csv"
    assert called("serve", "--run", str(run), "--export", str(log)) == 0
    with log.open(encoding="utf-8") as stream:
        stored = {row["event_id"]: row for row in csv.DictReader(stream)}
    assert set(acknowledged) <= set(stored)
    assert stored[acknowledged[0]]["user_id"] == "kim"
    assert stored[acknowledged[0]]["value"] == "0.5"
    # A new process has them too.
    again = start()[1].get("/v1/history", params={"user_id": "kim"}).json()
    assert [item["item_id"] for item in again["items"]] == ["i01"] * 50


def test_a_broken_artefact_stops_the_start_with_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    weights = run / "generator" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert called("serve", "--run", str(run)) == 2
    shown = capsys.readouterr().err
    assert "model.safetensors missing or changed" in shown
    assert "Traceback" not in shown


def test_a_port_in_use_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert called("serve", "--run", str(run), "--port", str(port)) == 2
    assert f"127.0.0.1:{port} cannot be listened on" in capsys.readouterr().err


def test_settings_are_checked_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert called("serve", "--run", "runs/x", "--port", "9000", "--dry-run", "--json", "serve.max_batch=8") == 0
    section = json.loads(capsys.readouterr().out)["serve"]
    assert (section["port"], section["max_batch"], section["host"]) == (9000, 8, "127.0.0.1")
    assert called("serve", "--run", "runs/x", "serve.prot=1") == 2
    assert "Did you mean" in capsys.readouterr().err
