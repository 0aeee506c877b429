"""``genrec init`` as people call it, and what it writes as people use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_data import genrec


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = [f"u{n // 4},i{n % 4},{1_700_000_000 + n}" for n in range(12)]
    file = tmp_path / "log.csv"
    file.write_text("\n".join(["user,item,time", *rows]) + "\n", encoding="utf-8")
    return file


def test_it_says_what_it_guessed_and_how_to_go_on(log: Path, tmp_path: Path) -> None:
    done = genrec("init", log, "-o", "my.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "user_id: column 'user', by its name" in done.stderr
    assert done.stdout == "genrec data --config my.yaml\n"
    made = genrec("data", "--config", "my.yaml", "--json", cwd=tmp_path)
    assert json.loads(made.stdout.splitlines()[-1])["counts"]["interactions"] == 12
    assert (tmp_path / "runs" / "log" / "dataset").is_dir()


def test_it_overwrites_only_if_told_to(log: Path, tmp_path: Path) -> None:
    (tmp_path / "genrec.yaml").write_text("mine", encoding="utf-8")
    refused = genrec("init", log, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert (tmp_path / "genrec.yaml").read_text(encoding="utf-8") == "mine"
    assert genrec("init", log, "--force", cwd=tmp_path).returncode == 0
    assert "source: table" in (tmp_path / "genrec.yaml").read_text(encoding="utf-8")


def test_a_dry_run_prints_and_writes_nothing(log: Path, tmp_path: Path) -> None:
    done = genrec("init", log, "--dry-run", cwd=tmp_path)
    assert "source: table" in done.stdout
    assert not (tmp_path / "genrec.yaml").exists()


def test_nothing_recognisable_ends_with_code_two(tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("words\nall\nof\nthem\n", encoding="utf-8")
    done = genrec("init", tmp_path / "words.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "looks like a log" in done.stderr
    assert "Traceback" not in done.stderr
