"""``genrec align`` from the command line: a table, a generator that serves, one message for what is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from genrec.cli.app import main
from tests.alignment.align.conftest import finished_run, run, settings

__all__ = ["finished_run", "run"]  # fixtures


def _genrec(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["genrec", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def _words(run: Path, **changed: object) -> list[str]:
    file = run.parent / "my.yaml"
    file.write_text(json.dumps({"align": settings(**changed).model_dump(mode="json")}), encoding="utf-8")
    return ["align", "--config", str(file), "--run", str(run)]


def test_a_run_is_aligned_and_served(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _genrec(monkeypatch, *_words(run), "--json") == 0
    out, err = capsys.readouterr()
    result = json.loads(out.splitlines()[-1])
    assert result["accepted"] == [1]
    assert [line.split()[0] for line in err.splitlines() if line.startswith(("before", "best of N", "1 kept"))] == [
        "before",
        "best",
        "1",
    ]
    words = ["recommend", "--generator", result["generator"], "--history", "i01,i02", "--json", "-k", "3"]
    assert _genrec(monkeypatch, *words) == 0
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])["items"]) == 3


def test_no_policy_is_shipped_that_got_worse(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _genrec(monkeypatch, *_words(run, rewards={"model": -1.0})) == 0
    out, err = capsys.readouterr()
    assert "none: no round was kept" in out
    assert "1 undone" in err
    assert "rolled back: the reward model gives" in err
    assert not (run / "align" / "generator").exists()


def test_a_dry_run_shows_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _genrec(monkeypatch, *_words(tmp_path / "run"), "--dry-run") == 0
    assert "dpo_share: 0.5" in capsys.readouterr().out


def test_what_is_missing_or_wrong_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _genrec(monkeypatch, "align", "--run", str(tmp_path)) == 2
    assert "genrec data" in capsys.readouterr().err
    assert _genrec(monkeypatch, "align", "--run", str(tmp_path), "align.loss=ipoo", "align.beams=1") == 2
    shown = capsys.readouterr().err
    assert "align.loss" in shown
