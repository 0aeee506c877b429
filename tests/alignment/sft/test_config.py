"""Settings of a tuning: defaults that are valid, mistakes that are named together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from genrec.cli.common import section_kinds
from genrec.config import load_settings
from genrec.errors import ConfigError
from genrec_alignment.sft.config import TuneConfig

RECIPES = Path(__file__).resolve().parents[3] / "alignment" / "recipes"


def _problems(tmp_path: Path, tune: dict[str, Any]) -> str:
    file = tmp_path / "my.yaml"
    file.write_text(yaml.safe_dump({"tune": tune}), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_settings(section_kinds(), file)
    return str(raised.value)


def test_the_defaults_warm_the_new_tokens_up_before_anything_else_learns() -> None:
    stages = TuneConfig().stages
    assert [stage.train for stage in stages] == ["new_tokens", "lora", "lora"]
    assert stages[-1].validate_every


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    stage = {"name": "one", "steps": 1}
    text = _problems(
        tmp_path,
        {
            "lora": {"rank": 0, "targets": ["q_proj", "model.embed_tokens"]},
            "stages": [stage | {"epochs": 2}, stage | {"learning_rat": 1}],
            "block_length": -1,
        },
    )
    for part in ("lora.rank", "either steps or epochs", "learning_rate", "block_length"):
        assert part in text, text


@pytest.mark.parametrize("target", ["embed_tokens", "model.embed_tokens", "lm_head"])
def test_lora_on_embeddings_is_refused(tmp_path: Path, target: str) -> None:
    assert "merging LoRA into tied embeddings" in _problems(tmp_path, {"lora": {"targets": ["q_proj", target]}})


def test_stages_of_one_name_and_a_last_stage_that_serves_nothing_are_refused(tmp_path: Path) -> None:
    stage = {"name": "one", "steps": 1, "tasks": {"weights": {"next_item": 1}}}
    text = _problems(tmp_path, {"stages": [stage, stage]})
    assert "two stages are called 'one'" in text
    assert "does not train continue_history" in text
    question = {"stages": [stage], "model": {"prompt": "question"}}
    assert TuneConfig.model_validate(question).stages[0].name == "one"


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("llm-*.yaml")), ids=lambda recipe: recipe.stem)
def test_recipes_say_what_they_train(recipe: Path) -> None:
    written = yaml.safe_load(recipe.read_text(encoding="utf-8"))["tune"]
    config = load_settings(section_kinds(), recipe).section("tune", TuneConfig)
    assert [stage["name"] for stage in written["stages"]] == [stage.name for stage in config.stages]
    assert config.stages[0].train == "new_tokens" or recipe.stem in ("llm-lc-rec", "llm-minionerec")
