"""``genrec data`` as people call it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def genrec(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "genrec", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = [f"u{n // 4},i{n % 4},{1_700_000_000 + n}" for n in range(12)]
    file = tmp_path / "log.csv"
    file.write_text("\n".join(["user,item,time", *rows, rows[0]]) + "\n", encoding="utf-8")
    return file


def options(log: Path) -> list[str]:
    columns = {"user_id": "user", "item_id": "item", "timestamp": "time"}
    return [
        "data.source=table",
        f"data.path={log}",
        *(f"data.columns.{key}={name}" for key, name in columns.items()),
    ]


def test_the_summary_shows_counts_split_and_losses(log: Path, tmp_path: Path) -> None:
    done = genrec("data", "--run", "run", *options(log), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in (
        "12 (density",
        "6 train, 3 valid, 3 test",
        "1 interactions that repeat another",
        "row 14 (user u0",
    ):
        assert text in done.stdout
    assert (tmp_path / "run" / "dataset" / "manifest.json").is_file()
    again = genrec("data", "--run", "run", *options(log), cwd=tmp_path)
    assert "is up to date" in again.stderr
    assert again.stdout == done.stdout


def test_json_is_one_object_on_the_last_line(log: Path, tmp_path: Path) -> None:
    done = genrec("data", "--run", "run", "--json", *options(log), cwd=tmp_path)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["counts"] == {"users": 3, "items": 4, "interactions": 12, "density": 1.0}
    assert result["dataset"] == "run/dataset"


def test_bad_input_ends_with_one_message_and_code_two(log: Path, tmp_path: Path) -> None:
    log.write_text("user,item,time\nu,i,never\n,i,1700000000\n", encoding="utf-8")
    done = genrec("data", "--run", "run", *options(log), cwd=tmp_path)
    assert done.returncode == 2
    assert "2 problems" in done.stderr
    assert "row 2 ('never')" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_dry_run_does_nothing(log: Path, tmp_path: Path) -> None:
    done = genrec("data", "--run", "run", "--dry-run", *options(log), cwd=tmp_path)
    assert done.returncode == 0
    assert "source: table" in done.stdout
    assert not (tmp_path / "run").exists()


def test_the_importers_are_listed(tmp_path: Path) -> None:
    assert "kuaisar" in genrec("data", "--sources", cwd=tmp_path).stdout
