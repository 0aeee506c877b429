"""Every recipe opens with the command that runs it, and is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from genrec.cli.app import VERBS
from genrec.cli.common import section_kinds
from genrec.config import load_settings

ROOT = Path(__file__).resolve().parents[2]
# accelerate's own configurations are not settings of genrec; tests/alignment checks them.
RECIPES = sorted(file for file in ROOT.glob("*/recipes/**/*.y*ml") if file.parent.name != "accelerate")


def test_there_are_recipes() -> None:
    assert ROOT / "genrec" / "recipes" / "demo.yaml" in RECIPES


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.relative_to(ROOT).as_posix())
def test_a_recipe_opens_with_its_command(recipe: Path) -> None:
    opening = recipe.read_text(encoding="utf-8").splitlines()[0]
    command = re.match(r"# (?:accelerate launch -m )?genrec (\w+)(.*)", opening)
    assert command, f"the first line is not the command that runs it: {opening}"
    verb, rest = command.groups()
    assert verb in VERBS
    if verb != "demo":
        named = re.search(r"(?:-c|--config) (\S+)", rest)
        assert named, "the command names no file"
        assert named.group(1) == recipe.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.relative_to(ROOT).as_posix())
def test_a_recipe_is_valid(recipe: Path) -> None:
    asked = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    assert asked.keys() <= load_settings(section_kinds(), recipe).dump().keys()
