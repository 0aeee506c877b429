"""Settings of tokenize: what is refused, and that every shipped recipe is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from genrec.config import load_settings
from genrec.errors import ConfigError
from genrec_tokenizers.config import ResidualKMeansConfig, TokenizeConfig

KINDS = {"tokenize": TokenizeConfig}


def test_one_codebook_size_stands_for_every_level() -> None:
    assert ResidualKMeansConfig(levels=2, codebook_size=48).codebook_sizes == (48, 48)
    assert ResidualKMeansConfig(levels=2, codebook_size=(48, 16)).codebook_sizes == (48, 16)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tokenize.quantizer.codebook_size=[8, 8]", "holds 2 numbers for 3 levels"),
        ("tokenize.quantizer.codebook_size=1", "greater than or equal to 2"),
        ("tokenize.quantizer.levels=0", "greater than or equal to 1"),
        ("tokenize.quantizer.kind=rqvea", "tokenize.quantizer.kind: unknown kind 'rqvea'. Did you mean 'rqvae'?"),
        ("tokenize.quantizer.levls=2", "unknown key 'tokenize.quantizer.levls'. Did you mean 'levels'"),
        ("tokenize.encoders.text.weigth=2", "Did you mean 'weight'"),
        ("tokenize.encoders.behavior.weight=-1", "greater than or equal to 0"),
        ("tokenize.fusion.normalize=none", "'center' or 'whiten'"),
    ],
)
def test_mistakes_are_explained(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_settings(KINDS, overrides=[override])


def test_one_source_must_count() -> None:
    with pytest.raises(ConfigError, match="at least one must be above 0"):
        load_settings(KINDS, overrides=["tokenize.encoders.text.weight=0", "tokenize.encoders.behavior.weight=0"])


def recipes() -> list[Path]:
    return sorted((Path(__file__).parents[2] / "tokenizers" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", recipes(), ids=lambda path: path.name)
def test_every_recipe_is_valid_and_opens_with_its_command(recipe: Path) -> None:
    settings = load_settings(KINDS, recipe)
    assert isinstance(settings.section("tokenize", TokenizeConfig), TokenizeConfig)
    first = recipe.read_text().splitlines()[0]
    assert first.startswith(f"# genrec tokenize --config tokenizers/recipes/{recipe.name} ")
    assert load_settings(KINDS, recipe, ["tokenize.encoders.behavior.weight=2"])


def test_there_are_recipes() -> None:
    assert len(recipes()) >= 3
