"""The comparison of language models: every row's settings are valid and differ in what its name says."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
import yaml

from genrec.cli.common import section_kinds
from genrec.config import load_settings
from genrec_alignment.sft.config import TuneConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[ModuleType, Any]:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setattr("sys.argv", ["llm", "--folder", str(tmp_path), "--base", "somewhere"])
    module = importlib.import_module("llm")
    return module, module._options()


@pytest.mark.parametrize("small", [False, True])
def test_every_row_has_valid_settings(llm: tuple[ModuleType, Any], tmp_path: Path, small: bool) -> None:
    module, options = llm
    options.small = small
    for data in module.DATA:
        for model in module.MODELS:
            file = tmp_path / f"{data}-{model}.yaml"
            file.write_text(yaml.safe_dump(module.sections_of(options, data, model)), encoding="utf-8")
            settings = load_settings(section_kinds(), file)
            if model in module.LANGUAGE:
                assert settings.section("tune", TuneConfig).model.base == "somewhere"


def test_the_variants_differ_in_what_their_names_say(llm: tuple[ModuleType, Any]) -> None:
    module, options = llm
    tune = {model: module.sections_of(options, "movielens", model)["tune"] for model in module.LANGUAGE}
    assert [stage["steps"] for stage in tune["lora"]["stages"]] == [
        stage["steps"] for stage in tune["full"]["stages"]
    ]
    weights = [stage["tasks"]["weights"] for stage in tune["lora-unaligned"]["stages"]]
    assert all(set(each) == {"continue_history"} for each in weights)
    assert [stage["train"] for stage in tune["full-random"]["stages"]] == ["new_tokens", "full", "full"]
    assert tune["full-random"]["model"]["random_start"]
    assert not tune["full"]["model"].get("random_start")


def test_cold_items_are_those_that_training_never_shows(llm: tuple[ModuleType, Any], tmp_path: Path) -> None:
    module, _ = llm
    (tmp_path / "dataset").mkdir()
    (tmp_path / "evaluation").mkdir()
    log = {"item_id": ["a", "b", "c"], "split": ["train", "valid", "test"]}
    pl.DataFrame(log).write_parquet(tmp_path / "dataset" / "interactions.parquet")
    ranks = {"item_id": ["a", "b", "c", "c", "c"], "generator": [1, 2, 10, 11, 0]}
    pl.DataFrame(ranks).write_parquet(tmp_path / "evaluation" / "ranks.parquet")
    assert module.cold_recall(tmp_path, "generator") == {"cold_examples": 4, "cold_recall@10": 0.5}
    results = {"metrics": {"generator": {}}, "invalid_share": 0.0}
    (tmp_path / "evaluation" / "results.json").write_text(json.dumps(results))
    assert module.more_figures(tmp_path)["valid_share"] == 1.0
