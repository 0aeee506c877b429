"""Settings: what is refused, and that the shipped recipes are valid."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from genrec.config import load_settings
from genrec_eval.config import EvaluateConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"ks": []},
        {"ks": [0, 5]},
        {"baselines": ["popularity", "popularity"]},
        {"baselines": ["als"]},
        {"sasrec": {"heads": 3}},
        {"split": "train"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        EvaluateConfig.model_validate(wrong)


def test_cut_offs_are_sorted_once() -> None:
    assert EvaluateConfig(ks=(20, 5, 20)).ks == (5, 20)


def test_every_recipe_is_valid(root: Path) -> None:
    recipes = sorted((root / "eval" / "recipes").glob("*.yaml"))
    assert recipes
    for recipe in recipes:
        assert recipe.read_text().startswith("# genrec evaluate")
        load_settings({"evaluate": EvaluateConfig}, recipe)
