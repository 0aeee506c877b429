"""``genrec report`` as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.eval.conftest import write_dataset


def _genrec(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "genrec", *words], capture_output=True, text=True, check=False)


def test_it_writes_a_page_and_says_where(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_dataset([[0, 1, 2, 3]], 4, run=run)
    done = _genrec("report", "--run", str(run), "--json")
    assert done.returncode == 0, done.stderr
    page = Path(json.loads(done.stdout)["report"])
    assert page == run / "report.html"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_folder_without_artefacts_ends_with_one_message(tmp_path: Path) -> None:
    done = _genrec("report", "--run", str(tmp_path))
    assert done.returncode == 2
    assert "genrec data" in done.stderr
    assert "Traceback" not in done.stderr
