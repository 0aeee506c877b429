"""``genrec loid`` as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.alignment.loid.conftest import write_domain


def _genrec(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "genrec", *words], capture_output=True, text=True, check=False)


def test_it_writes_the_folder_and_prints_the_figures(tmp_path: Path) -> None:
    run = write_domain(tmp_path / "run", "oil")
    words = ["loid", "--run", str(run), "--json", "loid.semantic=false", "loid.network.epochs=1"]
    done = _genrec(*words)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    assert shown["target"] == "rating"
    assert shown["metrics"]["loid"]["mse"] > 0
    assert (run / "loid" / "network.safetensors").is_file()
    assert "is up to date" in _genrec(*words).stderr


def test_what_cannot_be_is_said_in_one_message(tmp_path: Path) -> None:
    run = write_domain(tmp_path / "run", "oil")
    done = _genrec("loid", "--run", str(run), "loid.merge=average", "loid.drop_rate=1")
    assert done.returncode == 2
    assert "2 problems" in done.stderr
    assert "Traceback" not in done.stderr
