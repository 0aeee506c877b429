"""A client that puts an HTTP server under load, and counts from the moment a request was due.

First as many as 64 connections get answered (saturation). Then, in three spells, one request after another
(unloaded) and an open loop: requests come at random moments (Poisson) at shares of the saturation load, whether
earlier ones are answered or not. A percentile is the median of the three spells', since others may share the
machine. ``benchmarks/serving.py`` calls it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from genrec.console import remark
from genrec.memory import spare_the_collector

SHARES, CONNECTIONS, SPELLS = (0.25, 0.5, 0.75, 1.0), 64, 3
FEWEST = 100  # requests behind a percentile, however slow the server
Row = dict[str, Any]


class Client:
    """Keeps connections open and sends requests over them; as little work as can be.

    Args:
        address: of the server.
        path: where requests go.
        bodies: the JSON of every request; they are sent in turns.
    """

    def __init__(self, address: str, path: str, bodies: Sequence[bytes]) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._requests = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.failed = 0

    async def ask(self, at: int) -> bytes:
        """Send one request and return the body of its answer."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection(self._host, self._port)
        writer.write(self._requests[at % len(self._requests)])
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(int(length.split(b":")[1]))
        self.failed += not answer.startswith(b"HTTP/1.1 200")
        self._free.append((reader, writer))
        return body

    def close(self) -> None:
        """Close all connections."""
        for _, writer in self._free:
            writer.close()


async def unloaded(client: Client, requests: int) -> list[float]:
    """Return the seconds of requests that come one after another."""
    taken = []
    for at in range(requests):
        started = time.perf_counter()
        await client.ask(at)
        taken.append(time.perf_counter() - started)
    return taken


async def saturation(client: Client, seconds: float) -> float:
    """Return requests per second that 64 connections get answered."""
    started, done = time.perf_counter(), 0

    async def work(at: int) -> None:
        nonlocal done
        while time.perf_counter() < started + seconds:
            await client.ask(at)
            at, done = at + CONNECTIONS, done + 1

    await asyncio.gather(*map(work, range(CONNECTIONS)))
    return done / (time.perf_counter() - started)


async def open_loop(client: Client, rate: float, seconds: float, seed: int = 0) -> list[float]:
    """Return the seconds from the moment each request was due to its answer."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, size=max(FEWEST, int(rate * seconds)))
    due = time.perf_counter() + 0.1 + np.cumsum(gaps)
    taken: list[float] = []

    async def one(moment: float, at: int) -> None:
        await client.ask(at)
        taken.append(time.perf_counter() - moment)

    tasks = []
    for at, moment in enumerate(due):
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        tasks.append(asyncio.create_task(one(moment, at)))
    await asyncio.gather(*tasks)
    return taken


async def load(client: Client, seconds: float) -> Row:
    """Return the latencies and the saturation of a server."""
    spare_the_collector()  # its pauses would be taken for the server's
    await unloaded(client, 20)  # warm
    most = await saturation(client, seconds)
    alone: list[list[float]] = []
    spells: dict[float, list[list[float]]] = {share: [] for share in SHARES}
    for spell in range(SPELLS):
        alone.append(await unloaded(client, FEWEST))
        for share, taken in spells.items():
            taken.append(await open_loop(client, most * share, seconds / SPELLS, spell))
        remark(f"  {most:.1f} requests/s at most; p50 unloaded {1000 * np.median(alone[-1]):.1f} ms")
    client.close()
    return {
        "unloaded": percentiles(alone, 0),
        "saturation": round(most, 1),
        "open_loop": [percentiles(taken, most * share) for share, taken in spells.items()],
        "failed": client.failed,
    }


def percentiles(spells: Sequence[Sequence[float]], rate: float) -> Row:
    """Return p50, p95 and p99 in milliseconds, each the median of the spells'."""
    each = [np.percentile(taken, (50, 95, 99)) for taken in spells]
    p50, p95, p99 = (round(float(value) * 1000, 1) for value in np.median(each, axis=0))
    return {"rate": round(rate, 1), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "requests": sum(map(len, spells))}
