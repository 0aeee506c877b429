"""``genrec tokenize`` as a person runs it: the real command in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue

BEHAVIOR_ONLY = [
    "tokenize.encoders.text.weight=0",
    "tokenize.encoders.behavior.dim=4",
    "tokenize.quantizer={levels: 2, codebook_size: 4}",
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a dataset of 12 items and 30 users."""
    log = [
        (f"u{user:02}", f"i{(user * 3 + step * (1 + user % 2)) % 12:02}") for user in range(30) for step in range(8)
    ]
    users, chosen = zip(*log, strict=True)
    items = sorted(set(chosen))
    columns = {"user_id": users, "item_id": chosen, "timestamp": range(len(log)), "split": ["train"] * len(log)}
    with new_artifact(tmp_path / "run" / "dataset", "dataset", {}) as draft:
        pl.DataFrame({"item_id": items, "title": items}).write_parquet(draft.path / "items.parquet")
        pl.DataFrame(columns).write_parquet(draft.path / "interactions.parquet")
    return tmp_path / "run"


def genrec(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GENREC_CACHE": str(cache), "COLUMNS": "120"}
    command = [sys.executable, "-m", "genrec", "tokenize", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_results_go_to_stdout_and_a_second_run_does_nothing(run: Path, tmp_path: Path) -> None:
    done = genrec("--run", str(run), *BEHAVIOR_ONLY, cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "perplexity" in done.stdout
    assert "12" in next(line for line in done.stdout.splitlines() if line.startswith("items"))
    again = genrec("--run", str(run), *BEHAVIOR_ONLY, "--resume", cache=tmp_path)
    assert again.returncode == 0
    assert again.stdout == done.stdout
    assert "up to date" in again.stderr


def test_json_is_the_last_line_and_agrees_with_the_files(run: Path, tmp_path: Path) -> None:
    done = genrec("--run", str(run), *BEHAVIOR_ONLY, "--json", cache=tmp_path)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["path"] == str(run / "semantic_ids")
    assert result["quality"] == json.loads((run / "semantic_ids" / "quality.json").read_text())
    assert len(Catalogue.load(run / "semantic_ids")) == result["quality"]["items"] == 12


def test_a_dry_run_checks_and_writes_nothing(run: Path, tmp_path: Path) -> None:
    done = genrec("--run", str(run), "--dry-run", *BEHAVIOR_ONLY, cache=tmp_path)
    assert done.returncode == 0
    assert "codebook_size: 4" in done.stdout
    assert not (run / "semantic_ids").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tokenize.quantizer.codebok_size=4", "Did you mean 'codebook_size'"),
        ("tokenize.quantizer.codebook_size=64", "12 items cannot fill a codebook of 64 codes"),
        ("tokenize.encoders.text={model: nobody/nothing}", "There is no text encoder 'nobody/nothing'"),
    ],
)
def test_mistakes_end_with_one_message_and_code_2(run: Path, tmp_path: Path, override: str, message: str) -> None:
    done = genrec("--run", str(run), *BEHAVIOR_ONLY, override, cache=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (run / "semantic_ids").exists()


def test_without_a_dataset_the_verb_that_makes_it_is_named(tmp_path: Path) -> None:
    done = genrec("--run", str(tmp_path / "run"), *BEHAVIOR_ONLY, cache=tmp_path)
    assert done.returncode == 2
    assert "genrec data" in done.stderr


def test_an_unknown_engine_is_answered_with_the_known_ones(run: Path, tmp_path: Path) -> None:
    done = genrec("--run", str(run), *BEHAVIOR_ONLY, "--engine", "rai", cache=tmp_path)
    assert done.returncode == 2
    assert "Unknown engine 'rai'. Did you mean 'ray'?" in done.stderr


def test_the_report_is_written_where_asked_for(run: Path, tmp_path: Path) -> None:
    done = genrec("--run", str(run), *BEHAVIOR_ONLY, "--report", "--json", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    page = Path(json.loads(done.stdout.splitlines()[-1])["report"])
    assert "coloured by their first code" in page.read_text(encoding="utf-8")
