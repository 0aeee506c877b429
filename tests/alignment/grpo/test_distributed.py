"""Two processes, of which one has groups to learn from and the other has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.alignment.grpo.worlds import tiny_policy, weights_of


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["grpo", "ecpo"])
def test_processes_stay_together(loss: str, root: Path, tmp_path: Path) -> None:
    program = "tests.alignment.grpo.distributed_program"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", program]
    done = subprocess.run([*command, str(tmp_path), loss], cwd=root, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert second["skipped"] == second["groups"] > 0
    assert first["skipped"] < first["groups"]
    torch.testing.assert_close(first["weights"], second["weights"])
    assert (first["weights"] - weights_of(tiny_policy("decoder"))).abs().max() > 1e-4
