"""``genrec evaluate`` as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.eval.conftest import write_dataset, write_sessions

FAST = ["evaluate.baselines=[popularity, transitions]"]


def _genrec(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "genrec", *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, run = np.random.default_rng(0), tmp_path_factory.mktemp("cli") / "run"
    write_dataset([rng.permutation(15)[:6].tolist() for _ in range(20)], 15, run=run)
    return run


def test_it_prints_a_table_and_then_the_same_as_json(run: Path) -> None:
    done = _genrec("evaluate", "--run", str(run), *FAST)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(("popularity", "transitions"))]
    assert len(rows) == 2
    again = _genrec("evaluate", "--run", str(run), "--json", *FAST)
    assert "up to date" in again.stderr
    metrics = json.loads(again.stdout.splitlines()[-1])["metrics"]
    for model, recall, ndcg, *_ in rows:
        assert float(recall) == pytest.approx(metrics[model]["recall@10"], abs=1e-4)
        assert float(ndcg) == pytest.approx(metrics[model]["ndcg@10"], abs=1e-4)


def test_lists_against_sessions(tmp_path: Path, run: Path) -> None:
    rng, other = np.random.default_rng(0), tmp_path / "run"
    write_sessions([[rng.permutation(15)[:4].tolist() for _ in range(4)] for _ in range(20)], 15, run=other)
    words = ["evaluate.target=session", "evaluate.session_length=3", "evaluate.baselines=[popularity]"]
    done = _genrec("evaluate", "--run", str(other), *words)
    assert done.returncode == 0, done.stderr
    assert "20 sessions (lists of 3 items) of the split test" in done.stdout
    (header,) = [line.split() for line in done.stdout.splitlines() if "recall@3" in line]
    assert header == ["recall@3", "ndcg@3", "hit@3", "coverage@3", "repeats@3", "seen@3"]
    without = _genrec("evaluate", "--run", str(run), *words)
    assert without.returncode == 2
    assert "data.sessions.by" in without.stderr
    assert "Traceback" not in without.stderr


def test_a_dry_run_does_nothing(tmp_path: Path) -> None:
    done = _genrec("evaluate", "--run", str(tmp_path / "none"), "--dry-run", "evaluate.ks=[7]")
    assert done.returncode == 0, done.stderr
    assert "7" in done.stdout
    assert not (tmp_path / "none").exists()


def test_mistakes_end_with_one_message(tmp_path: Path) -> None:
    missing = _genrec("evaluate", "--run", str(tmp_path))
    assert missing.returncode == 2
    assert "genrec data" in missing.stderr
    assert "Traceback" not in missing.stderr
    mistyped = _genrec("evaluate", "--run", str(tmp_path), "evaluate.baseline=[popularity]", "evaluate.ks=[0]")
    assert mistyped.returncode == 2
    assert "'baselines'" in mistyped.stderr
    assert "at least 1" in mistyped.stderr
