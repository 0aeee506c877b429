"""The service under load, and its search against other engines: one run, one model, real histories.

    python benchmarks/serving.py --run runs/demo              # on an idle machine
    python benchmarks/serving.py --run runs/demo --quick --json

Offline: the histories of the run's users, searched by the tree search, by genrec's search through vLLM, by vLLM's
own beam search with the logits processor, and by transformers' ``generate``, each in a process of its own
(``benchmarks/engines.py``). A list counts as identical if it has the tree search's items in the same order, and as
illegal if it has places without an item, or an item twice. ``tree_over_vllm`` is over the faster of the two that
run vLLM. Decoder-only generators alone; without vLLM its rows are left out.

Online: ``genrec serve`` as a process of its own, on the loopback, asked for lists of 10 with 50 beams. First one
request after another (unloaded), then as many as 64 connections give (saturation), then an open loop: requests
come at random moments (Poisson) at shares of the saturation load, whether earlier ones are answered or not, and a
latency counts from the moment a request was due. All of it with batches of up to 64, and of one. The client shares
the machine's cores with the service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from engines import BEAMS, METHODS, PLACES

from genrec.console import remark
from genrec.data import Dataset

SHARES = (0.25, 0.5, 0.75, 1.0)
Row = dict[str, Any]


class Client:
    """Keeps connections open and sends one kind of request over them; as little work as can be."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.failed = 0

    async def ask(self, user: str) -> None:
        """Send one request and read its answer."""
        body = json.dumps({"user_id": user, "k": PLACES, "beams": 50}).encode()
        head = "POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection(self._host, self._port)
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        self.failed += not answer.startswith(b"HTTP/1.1 200")
        self._free.append((reader, writer))

    def close(self) -> None:
        """Close all connections."""
        for _, writer in self._free:
            writer.close()


async def unloaded(client: Client, users: list[str], requests: int) -> list[float]:
    """Return the seconds of requests that come one after another."""
    taken = []
    for at in range(requests):
        started = time.perf_counter()
        await client.ask(users[at % len(users)])
        taken.append(time.perf_counter() - started)
    return taken


async def saturation(client: Client, users: list[str], seconds: float) -> float:
    """Return requests per second that 64 connections get answered."""
    until, done = time.perf_counter() + seconds, 0

    async def work(first: int) -> None:
        nonlocal done
        at = first
        while time.perf_counter() < until:
            await client.ask(users[at % len(users)])
            at, done = at + 64, done + 1

    await asyncio.gather(*(work(first) for first in range(64)))
    return done / seconds


async def open_loop(client: Client, users: list[str], rate: float, seconds: float) -> list[float]:
    """Return the seconds from the moment each request was due to its answer."""
    gaps = np.random.default_rng(0).exponential(1 / rate, size=max(20, int(rate * seconds)))
    due = time.perf_counter() + 0.1 + np.cumsum(gaps)
    taken: list[float] = []

    async def one(moment: float, user: str) -> None:
        await client.ask(user)
        taken.append(time.perf_counter() - moment)

    tasks = []
    for at, moment in enumerate(due):
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        tasks.append(asyncio.create_task(one(moment, users[at % len(users)])))
    await asyncio.gather(*tasks)
    return taken


@contextmanager
def served(run: Path, max_batch: int) -> Iterator[str]:
    """Start ``genrec serve`` with a feedback file of its own; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"serve.max_batch={max_batch}", f"serve.histories=sqlite:///{folder}/f.sqlite"]
        settings += ["serve.queue=100000", "serve.deadline_s=300", "serve.keep_alive_s=3600"]
        command = [sys.executable, "-m", "genrec", "serve", "--run", str(run), "--port", "0", *settings]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None  # it is piped
        try:
            yield next(line for line in process.stderr if line.startswith("Serving at ")).split()[2]
        finally:
            process.terminate()
            process.communicate()


async def load(address: str, users: list[str], seconds: float) -> dict[str, object]:
    """Return the latencies and the saturation of a service."""
    client = Client(address)
    await unloaded(client, users, 20)  # warm
    alone = await unloaded(client, users, 100)
    most = await saturation(client, users, seconds)
    remark(f"  {most:.1f} requests/s at most; p50 unloaded {1000 * np.median(alone):.1f} ms")
    rows = [percentiles(await open_loop(client, users, most * share, seconds), most * share) for share in SHARES]
    client.close()
    return {
        "unloaded": percentiles(alone, 0),
        "saturation": round(most, 1),
        "open_loop": rows,
        "failed": client.failed,
    }


def percentiles(taken: list[float], rate: float) -> Row:
    """Return p50, p95 and p99 in milliseconds."""
    p50, p95, p99 = (round(float(value) * 1000, 1) for value in np.percentile(taken, (50, 95, 99)))
    return {"rate": round(rate, 1), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "requests": len(taken)}


def offline(run: Path, histories: int, rounds: int) -> tuple[list[Row], Row, int]:
    """Return a row for every engine and beam width, the tree search over vLLM by width, and the illegal lists."""
    methods = [name for name in METHODS if find_spec("vllm") or not name.startswith("vllm")]
    found = {name: by_engine(name, run, histories, rounds) for name in methods}
    rows, illegal = [], 0
    for beams in map(str, BEAMS):
        wanted = np.array(found["tree"]["beams"][beams]["items"])
        for name, one in found.items():
            row = one["beams"][beams]
            items = np.array(row.pop("items"))
            same = float((items == wanted).all(axis=1).mean())
            illegal += sum(len(set(line)) < len(line) or min(line) < 0 for line in items.tolist())
            rows.append({"engine": name, "beams": beams, **row, "peak_mib": one["peak_mib"], "identical": same})
    return rows, over_vllm(rows), illegal


def by_engine(name: str, run: Path, histories: int, rounds: int) -> dict[str, Any]:
    """Return what one engine's process measured."""
    remark(f"Offline, {name}.")
    program = Path(__file__).with_name("engines.py")
    counts = ["--histories", str(histories), "--rounds", str(rounds)]
    command = [sys.executable, str(program), name, "--run", str(run), *counts]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def over_vllm(rows: list[Row]) -> Row:
    """Return the speed of the tree search over the faster of vLLM's two, by beam width."""
    speeds = {(row["engine"], row["beams"]): row["requests_per_s"] for row in rows}
    ratios = {}
    for beams in ("10", "20", "50"):
        others = [speed for (name, width), speed in speeds.items() if width == beams and name.startswith("vllm")]
        if others:
            ratios[beams] = round(speeds["tree", beams] / max(others), 2)
    return ratios


def main() -> None:
    """Measure, and show or print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    users, result = Dataset.load(asked.run / "dataset").user_ids[:200], {"threads": torch.get_num_threads()}
    ratios, illegal = {}, 0
    if "feature_names" not in json.loads((asked.run / "generator" / "config.json").read_text()):
        count, rounds = (4, 1) if asked.quick else (32, 3)
        result["offline"], ratios, illegal = offline(asked.run, count, rounds)
    online, sizes = {}, (("batches", 64), ("one by one", 1))
    for name, size in sizes:
        remark(f"Online, {name}.")
        with served(asked.run, size) as address:
            online[name] = asyncio.run(load(address, users, 5 if asked.quick else 20))
    result["online"] = online
    half = online["batches"]["open_loop"][SHARES.index(0.5)]["p99_ms"]
    result["tree_over_vllm"] = ratios
    result["p99_over_p50_at_half_load"] = round(half / online["batches"]["unloaded"]["p50_ms"], 2)
    result["illegal"] = illegal
    print(json.dumps(result) if asked.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
