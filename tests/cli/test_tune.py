"""``genrec tune`` from the command line: the plan of a dry run, and what it says where something is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from genrec.cli.app import main
from tests.alignment.sft.worlds import make_world, tiny_config


def _tune(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["genrec", "tune", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def _settings(folder: Path) -> Path:
    file = folder / "my.yaml"
    file.write_text(json.dumps({"tune": tiny_config(folder).model_dump(mode="json")}), encoding="utf-8")
    return file


def test_a_dry_run_shows_stages_tokens_and_rows_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_world(tmp_path)
    words = ["--config", str(_settings(tmp_path)), "--run", str(run), "--dry-run"]
    assert _tune(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    assert "warm-up: 4 steps, 2,048 tokens" in shown
    assert "trains 176 of" in shown
    assert "continue_history" in shown
    assert "⟦" in shown
    assert not (run / "generator").exists()

    assert _tune(monkeypatch, *words, "--json") == 0
    stages = json.loads(capsys.readouterr().out.splitlines()[-1])["stages"]
    assert [stage["steps"] for stage in stages] == [4, 8]
    assert stages[1]["trained_parameters"] > stages[0]["trained_parameters"]
    assert all(stage["least_minutes"] >= 0 for stage in stages)


def test_without_a_dataset_the_settings_are_shown_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", str(_settings(tmp_path)), "--run", str(tmp_path / "nothing")]
    assert _tune(monkeypatch, *words, "--dry-run") == 0
    out, err = capsys.readouterr()
    assert "tune:" in out
    assert "genrec data" in err
    assert _tune(monkeypatch, *words) == 2
    assert "genrec data" in capsys.readouterr().err


def test_a_base_that_is_not_there_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_world(tmp_path)
    words = ["--config", str(_settings(tmp_path)), "--run", str(run), f"tune.model.base={tmp_path / 'no'}"]
    assert _tune(monkeypatch, *words) == 2
    shown = capsys.readouterr().err
    assert "causal language model" in shown
    assert "Traceback" not in shown
