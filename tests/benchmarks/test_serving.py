"""The program that measures the service: both searches agree, and the client counts from when a request was due."""

from __future__ import annotations

import asyncio
import importlib
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


def test_generate_finds_what_the_tree_search_finds(program: ModuleType, tmp_path: Path) -> None:
    recommender = Recommender.from_pretrained(write_run(tmp_path / "run") / "generator")
    histories = [np.array([1, 2, 3]), np.array([4])]
    found = program.offline(recommender, histories, rounds=1)
    assert found["identical"] == 1
    assert found["illegal"] == 0
    assert list(found["requests_per_s"]) == ["10", "20", "50"]


def test_an_open_loop_asks_as_often_as_it_is_told(program: ModuleType, tmp_path: Path) -> None:
    async def measured(address: str) -> tuple[list[float], int]:
        client = program.Client(address)
        taken = await program.open_loop(client, ["ann", "bob"], rate=50, seconds=0.5)
        client.close()
        return taken, client.failed

    with listening(write_run(tmp_path / "run")) as address:
        taken, failed = asyncio.run(measured(address))
    assert failed == 0
    assert len(taken) == 25
    assert min(taken) > 0
    assert program.percentiles([0.001, 0.002, 0.003], 9)["p50_ms"] == 2.0
