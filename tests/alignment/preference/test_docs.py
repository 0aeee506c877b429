"""The example of docs/preference.md, run as it stands on a tiny generator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alignment.preference.test_logprobs import tiny_generator


@pytest.mark.parametrize("kind", ["decoder", "lazy_decoder"])
def test_the_example_runs(kind: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (root / "docs" / "preference.md").read_text(encoding="utf-8")
    section = page.partition("## From beams to a loss")[2].partition("## Rewards")[0]
    code = "\n".join(line[4:] for line in section.splitlines())
    tiny_generator(kind).save_pretrained(tmp_path / "runs" / "demo" / "generator")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code, names)
    assert len(names["rows"]) == 2  # type: ignore[arg-type]
    policy = names["policy"].model  # type: ignore[attr-defined]
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in policy.parameters())
