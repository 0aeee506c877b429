"""The demo as a person types it, made small: every stage, the summary, and the second run that reuses them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = [
    "train.epochs=2", "train.validate_every=1", "train.validation_users=50",
    "evaluate.max_users=60", "evaluate.baselines=[popularity, transitions]",
]  # fmt: skip


def _genrec(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "genrec", *words], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_demo_runs_through_and_a_second_run_reuses_its_stages(tmp_path: Path) -> None:
    run = tmp_path / "demo"
    first = _genrec("demo", "--run", str(run), *SMALL)
    assert first.returncode == 0, first.stderr[-3000:]
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary["metrics"]) == {"generator", "popularity", "transitions"}
    assert summary["invalid_share"] == 0
    assert summary["seconds"] > 0
    for figures in summary["metrics"].values():
        assert 0 <= figures["ndcg@10"] <= figures["recall@10"] <= 1
    assert "NDCG@10" in first.stdout
    assert first.stdout.count("comes  ") == 5
    assert (run / "report.html").is_file()
    made = {path.parent.name: path.stat().st_mtime_ns for path in run.glob("*/manifest.json")}
    assert set(made) == {"dataset", "semantic_ids", "generator", "evaluation"}

    second = _genrec("demo", "--run", str(run), "--json", *SMALL)
    assert second.returncode == 0, second.stderr[-3000:]
    assert json.loads(second.stdout.splitlines()[-1])["metrics"] == summary["metrics"]
    assert {path.parent.name: path.stat().st_mtime_ns for path in run.glob("*/manifest.json")} == made

    one = _genrec("recommend", "--run", str(run), "--user", "1", "--k", "3")
    assert one.returncode == 0, one.stderr
    assert "semantic ID" in one.stdout


def test_a_mistyped_setting_is_answered_with_the_right_one(tmp_path: Path) -> None:
    done = _genrec("demo", "--run", str(tmp_path), "train.epoch=2", "tran.epochs=1")
    assert done.returncode == 2
    assert "train.epochs" in done.stderr or "'epochs'" in done.stderr
    assert "'train'" in done.stderr
    assert "Traceback" not in done.stderr
