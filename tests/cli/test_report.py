"""``genrec report`` as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.eval.conftest import write_dataset
from tests.eval.evaluations import write_run


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


def test_several_runs_are_compared(tmp_path: Path) -> None:
    runs = [str(write_run(tmp_path / name, {"generator": [1, 2, 0, 1, 5]})) for name in ("one", "lr=2")]
    done = _genrec("report", *runs, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"] == str(tmp_path / "one" / "comparison" / "comparison.html")
    assert (tmp_path / "one" / "comparison" / "metrics.csv").is_file()


def test_what_does_not_compare_ends_with_one_message(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"generator": [1, 2, 0]})
    two = write_run(tmp_path / "two", {"generator": [1, 2, 0]}, split="valid")
    done = _genrec("report", str(one), str(two), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "differ in the split: test (one); valid (two)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_options_that_do_not_go_together_are_named_at_once(tmp_path: Path) -> None:
    done = _genrec("report", str(tmp_path), "--against", "ease", "--out", "x")
    assert done.returncode == 2
    assert "--against" in done.stderr
    assert "--out" in done.stderr
    done = _genrec("report", str(tmp_path), "--run", str(tmp_path))
    assert done.returncode == 2
    assert "named twice" in done.stderr
