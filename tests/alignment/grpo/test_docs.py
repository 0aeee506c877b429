"""docs/grpo.md: the example runs as it stands, and the table has every setting with its default."""

from __future__ import annotations

from pathlib import Path

import pytest

from genrec_alignment.grpo.config import GrpoConfig
from tests.alignment.preference.test_logprobs import tiny_generator


def test_the_example_runs(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (root / "docs" / "grpo.md").read_text(encoding="utf-8")
    section = page.partition("## From Python\n")[2].partition("\n## ")[0]
    tiny_generator("lazy_decoder").save_pretrained(tmp_path / "runs" / "demo" / "generator")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec("\n".join(line[4:] for line in section.splitlines()), names)
    assert names["trainer"].groups["groups"] == 8  # type: ignore[attr-defined]


def test_every_setting_stands_in_the_table(root: Path) -> None:
    page = (root / "docs" / "grpo.md").read_text(encoding="utf-8")
    rows = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert [name for name in GrpoConfig.model_fields if f"`{name}`" not in rows] == []
