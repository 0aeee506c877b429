"""The example of docs/prefrec.md, run as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_the_example_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (root / "docs" / "prefrec.md").read_text(encoding="utf-8")
    section = page.partition("## From a log to a policy")[2].partition("\nThe networks")[0]
    exec("\n".join(line[4:] for line in section.splitlines()), {})
    followed, myopic = (
        float(line.split("sessions=")[1].split(",")[0]) for line in capsys.readouterr().out.split("\n")[:2]
    )
    assert followed > myopic
