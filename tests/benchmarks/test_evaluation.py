"""The benchmark of measuring: its lists, others held to our figures, memory, the demo's generator evaluated."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from genrec.semantic_ids import Catalogue
from genrec_eval.metrics import accuracy
from tests.eval.conftest import write_dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("evaluation")


def test_lists_repeat_nothing_and_hold_a_third_of_the_targets(program: ModuleType) -> None:
    lists, targets = program.random_lists(3000, 100)
    assert all(len(set(row)) == 100 for row in lists.tolist())
    assert lists.min() >= 0
    assert lists.max() < program.ITEMS
    assert (lists == targets[:, None]).any(axis=1).mean() == pytest.approx(1 / 3, abs=0.03)


def test_both_of_ours_agree(program: ModuleType) -> None:
    lists, targets = program.random_lists(2500, 20)  # more than two batches
    once, batched = accuracy(lists, targets, program.KS), program._accumulated(lists, targets)
    assert {name: batched[name] for name in once} == pytest.approx(once)


@pytest.mark.parametrize("wrong", [0.0, 0.01])
def test_ranx_is_held_to_our_figures(program: ModuleType, monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    lists, targets = program.random_lists(40, 20)
    expected = accuracy(lists, targets, program.KS)
    found = {name: value + wrong for name, value in expected.items()}
    fake = SimpleNamespace(Qrels=dict, Run=dict, evaluate=lambda *_: found)
    monkeypatch.setitem(sys.modules, "ranx", fake)  # the real one compiles for a minute; tests/eval asks it
    if wrong:
        with pytest.raises(AssertionError):
            program.ranx_row(lists, targets, expected)
    else:
        assert set(program.ranx_row(lists, targets, expected)) == {"convert", "evaluate"}


@pytest.mark.usefixtures("program")
def test_what_ranx_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ranx", SimpleNamespace(Qrels=dict, Run=dict))
    evaluators = importlib.import_module("evaluators")
    qrels, run = evaluators._ranx_dictionaries(np.array([[3, 1], [0, 2]]), np.array([1, 5]), [2.0, 1.0])
    assert qrels == {"0": {"1": 1}, "1": {"5": 1}}
    assert run == {"0": {"3": 2.0, "1": 1.0}, "1": {"0": 2.0, "2": 1.0}}


def test_memory_does_not_grow_with_the_lists() -> None:
    """In a process of its own: in this one, what earlier tests freed would be filled before anything grows."""
    code = "import json, evaluation as e; e.MANY_USERS = 100_000; print(json.dumps(e.memory_row()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True, check=True, timeout=240)
    row = json.loads(done.stdout)
    assert 1 < row["streamed_mib"] <= row["with_result_mib"] < 40  # the lists alone would be 76 MiB
    assert row["seconds"] > 0


def test_a_run_without_ids_is_named(program: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no dataset and no semantic_ids"):
        program.generator_row(tmp_path)


def test_a_generator_of_the_demo_s_settings_is_evaluated(
    program: ModuleType, tmp_path: Path, rng: np.random.Generator
) -> None:
    dataset = write_dataset([rng.permutation(30)[:6].tolist() for _ in range(10)], 30, run=tmp_path)
    codes = np.stack([np.arange(30) // 6, np.arange(30) % 6], axis=1).astype(np.int32)
    Catalogue(dataset.item_ids, codes, (5, 6), dataset.item_ids).save(tmp_path / "semantic_ids")
    row = program.generator_row(tmp_path)
    assert (row["users"], row["beams"]) == (10, 20)
    assert 0 < row["minutes_recommending"] < row["minutes"]
    assert row["parameters"] > 1000
    assert not (tmp_path / "generator").exists()
