"""``accelerate launch`` on one and on two processes: two take the steps that one takes with twice the batch.

On CPUs accelerate starts one process, unless it is told ``--multi_gpu``: it then starts as many as it is told, by
torchrun, and genrec sees that there is no GPU and lets them talk by gloo.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alignment.conftest import make_planted_run
from tests.alignment.sft.worlds import make_world, tiny_config

REPOSITORY = Path(__file__).parents[3]
TOLERANCE = 1e-3  # of a loss: the order of the sums differs, and Adam's first steps are sensitive to it


def _launch(folder: Path, run: Path, processes: int, batch_size: int) -> list[float]:
    """Tune under ``accelerate launch`` and return the losses."""
    config = tiny_config(folder, batch_size=batch_size)
    file = run / "settings.yaml"
    file.write_text(json.dumps({"tune": config.model_dump(mode="json")}), encoding="utf-8")
    several = ["--multi_gpu", "--num_processes", str(processes), "--main_process_port", "0"]
    command = [
        *[sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"],
        *(several if processes > 1 else ["--cpu", "--num_processes", "1"]),
        *["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"],
        *["-m", "tests.alignment.sft.late", "tune", "--config", str(file), "--run", str(run), "--json"],
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-20000:]  # torchrun's own words come last, and are many
    assert done.stdout.count("perplexity_after") == 1, "one process reports"
    log = json.loads((run / "generator" / "training_log.json").read_text())["log"]
    return [row["loss"] for row in log if "loss" in row]


@pytest.mark.slow
def test_one_and_two_processes_take_the_same_steps(tmp_path: Path) -> None:
    one = _launch(tmp_path, make_world(tmp_path), 1, batch_size=2)
    two = _launch(tmp_path, make_planted_run(tmp_path / "other"), 2, batch_size=1)
    assert len(one) == 12
    assert two == pytest.approx(one, rel=TOLERANCE)
