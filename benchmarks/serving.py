"""The service under load, and its search against other engines: one run, one model, real histories.

    python benchmarks/serving.py --run runs/demo              # on an idle machine
    python benchmarks/serving.py --run runs/demo --quick --json

Offline: the histories of the run's users, searched by the tree search, by genrec's search through vLLM, by vLLM's
own beam search with the logits processor, and by transformers' ``generate``, each in a process of its own
(``benchmarks/engines.py``). A list counts as identical if it has the tree search's items in the same order, and as
illegal if it has places without an item, or an item twice. ``tree_over_vllm`` is over the faster of the two that
run vLLM. Decoder-only generators alone; without vLLM its rows are left out.

Online: ``genrec serve`` with batches of up to 16, of 64 and of one, and vLLM's own HTTP server with the logits
processor (``benchmarks/servers.py``), each asked for the same histories with 50 beams by the same client
(``benchmarks/open_loop.py``): unloaded, at saturation, and in an open loop at shares of its own saturation load.
The client shares the machine's cores with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from engines import BEAMS, METHODS
from open_loop import SHARES, Client, Row, load
from servers import genrec_bodies, genrec_server, vllm_bodies, vllm_server

from genrec.console import remark


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


def online(run: Path, seconds: float, vllm: bool) -> dict[str, Row]:
    """Return the latencies of each server under its own loads."""
    found, bodies = {}, genrec_bodies(run)
    for name, size in (("batches", 16), ("larger batches", 64), ("one by one", 1)):
        remark(f"Online, {name}.")
        with genrec_server(run, size) as address:
            found[name] = asyncio.run(load(Client(address, "/v1/recommend", bodies), seconds))
    if vllm:
        remark("Online, vLLM's own server.")
        with vllm_server(run) as address:
            found["vllm"] = asyncio.run(load(Client(address, "/v1/completions", vllm_bodies(run)), seconds))
    return found


def main() -> None:
    """Measure, and show or print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    result: Row = {"threads": torch.get_num_threads()}
    ratios, illegal = {}, 0
    decoder = "feature_names" not in json.loads((asked.run / "generator" / "config.json").read_text())
    if decoder:
        count, rounds = (4, 1) if asked.quick else (32, 3)
        result["offline"], ratios, illegal = offline(asked.run, count, rounds)
    result["online"] = online(asked.run, 5 if asked.quick else 20, decoder and find_spec("vllm") is not None)
    batches = result["online"]["batches"]
    half = batches["open_loop"][SHARES.index(0.5)]["p99_ms"]
    result["tree_over_vllm"] = ratios
    result["p99_over_p50_at_half_load"] = round(half / batches["unloaded"]["p50_ms"], 2)
    result["illegal"] = illegal
    print(json.dumps(result) if asked.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
