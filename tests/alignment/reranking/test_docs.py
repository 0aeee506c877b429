"""The example of docs/reranking.md, run as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_the_example_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (root / "docs" / "reranking.md").read_text(encoding="utf-8")
    section = page.partition("## From a log to a session")[2].partition("\nThe vectors")[0]
    exec("\n".join(line[4:] for line in section.splitlines()), {})
    first, second, left = capsys.readouterr().out.strip().split(" ", 2)
    assert first != second
    assert left.count(",") == 7
