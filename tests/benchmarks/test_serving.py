"""The program that measures the service: the engines agree, and the client counts from when a request was due."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from genrec.decoding import Recommender
from tests.serving.browsing import listening
from tests.serving.worlds import write_run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("serving")


@pytest.fixture
def engines(program: ModuleType) -> ModuleType:  # noqa: ARG001 (it has put the folder on the path)
    return importlib.import_module("engines")


def test_an_engine_is_measured_at_every_width(engines: ModuleType, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    recommenders = {name: Recommender.from_pretrained(run / "generator", engine=name) for name in ("tree", "hf")}
    histories = [np.array([1, 2, 3]), np.array([4])]
    tree, other = (engines.measure(name, one, histories, rounds=1) for name, one in recommenders.items())
    assert list(tree["beams"]) == ["10", "20", "50", "128"]
    for beams, row in tree["beams"].items():
        assert row["items"] == other["beams"][beams]["items"]
        assert row["requests_per_s"] > 0
        assert row["cpu_s"] > 0
    assert tree["peak_mib"] > 100
    named = recommenders["tree"].catalogue
    ann, bob = engines.histories_of(run, named, 2)  # without what the catalogue does not have
    assert [[named.item_ids[item] for item in one] for one in (ann, bob)] == [["i03", "i05", "i07"], ["i01"]]


def test_the_table_compares_with_the_tree_search(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(name: str, *_: object) -> dict:
        items = {"tree": [[1, 2], [3, 4]], "vllm_stock": [[1, 2], [4, 3]], "vllm": [[1, 2], [3, 3]]}
        speed = {"tree": 8.0, "vllm": 2.0, "vllm_stock": 4.0, "generate": 1.0}[name]
        row = {"requests_per_s": speed, "cpu_s": 1 / speed, "items": items.get(name, [[1, -1], [3, 4]])}
        return {"beams": {str(beams): dict(row) for beams in program.BEAMS}, "peak_mib": 500}

    monkeypatch.setattr(program, "by_engine", measured)
    monkeypatch.setattr(program, "find_spec", lambda name: name)
    rows, ratios, illegal = program.offline(Path("run"), 2, 1)
    assert ratios == {"10": 2.0, "20": 2.0, "50": 2.0}
    assert illegal == 2 * len(program.BEAMS)  # an item twice, and a place without one
    assert [row["identical"] for row in rows[:4]] == [1.0, 0.5, 0.5, 0.5]
    monkeypatch.setattr(program, "find_spec", lambda name: None)  # noqa: ARG005
    rows, ratios, _ = program.offline(Path("run"), 2, 1)
    assert {row["engine"] for row in rows} == {"tree", "generate"}
    assert ratios == {}


def test_an_open_loop_asks_as_often_as_it_is_told(program: ModuleType, tmp_path: Path) -> None:
    async def measured(address: str, bodies: list[bytes]) -> tuple[list[float], int]:
        client = program.Client(address, "/v1/recommend", bodies)
        taken = await open_loop.open_loop(client, rate=200, seconds=0.6)
        client.close()
        return taken, client.failed

    run, open_loop = write_run(tmp_path / "run"), importlib.import_module("open_loop")
    with listening(run) as address:
        taken, failed = asyncio.run(measured(address, program.genrec_bodies(run)))
        assert asyncio.run(measured(address, [b"{}"]))[1] == 120
    assert failed == 0
    assert len(taken) == 120
    assert min(taken) > 0
    calm = [0.001, 0.002, 0.003]
    assert open_loop.percentiles([calm, calm, [9.0] * 3], 9)["p50_ms"] == 2.0  # one spell of three was disturbed


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="there is no vLLM here")
def test_vllms_own_server_is_asked_for_the_same_lists(
    program: ModuleType, engines: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(address: str, bodies: list[bytes]) -> list[list[str]]:
        client = program.Client(address, "/v1/completions", bodies)
        answers = [json.loads(await client.ask(at)) for at in range(len(bodies))]
        client.close()
        return [[choice["text"] for choice in answer["choices"]] for answer in answers]

    monkeypatch.setattr(importlib.import_module("servers"), "WIDTH", 4)  # vLLM compares twice as many tokens
    run = write_run(tmp_path / "run", "for_vllm")
    recommender = Recommender.from_pretrained(run / "generator", device="cpu")
    histories = engines.histories_of(run, recommender.catalogue, 3)
    wanted = recommender.recommend(histories, 4, 4).items
    with program.vllm_server(run) as address:
        found = asyncio.run(asked(address, program.vllm_bodies(run)))
    assert found == [[recommender.catalogue.sid(item) for item in row] for row in wanted]
