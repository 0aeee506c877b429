"""Settings: defaults, files, overrides, and every mistake at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, PositiveInt, ValidationError, model_validator

from genrec.config import Section, Settings, load_settings
from genrec.errors import ConfigError


class Shape(Section):
    layers: PositiveInt = 2
    width: PositiveInt = Field(64)


class Train(Section):
    epochs: PositiveInt = 3
    rate: float = 0.1
    name: str = "x"
    shape: Shape = Shape()
    spare: Shape | None = None
    several: tuple[Shape, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Train:
        if self.epochs == 13:
            raise ValueError("epochs must not be 13")
        return self


class Data(Section):
    path: Path | None = None
    k: PositiveInt = 5


KINDS: dict[str, type[Section]] = {"train": Train, "data": Data}


def load(text: str, tmp_path: Path, *overrides: str) -> Settings:
    file = tmp_path / "my.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(KINDS, file, overrides)


def problems_of(text: str, tmp_path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path, *overrides)
    return caught.value.problems


def test_no_file_means_all_defaults() -> None:
    settings = load_settings(KINDS)
    assert (settings.run, settings.seed) == (Path("runs/default"), 0)
    assert settings.section("train", Train) == Train()


@pytest.mark.parametrize("text", ["", "train:\n", "{}", "train: {}"])
def test_empty_files_and_sections_are_defaults(text: str, tmp_path: Path) -> None:
    assert load(text, tmp_path).section("train", Train) == Train()


def test_file_then_overrides_then_the_run_option(tmp_path: Path) -> None:
    text = "run: runs/a\nseed: 3\ntrain: {epochs: 7, shape: {layers: 4}}"
    settings = load(text, tmp_path, "train.epochs=9", "train.shape.width=8", "seed=5", "train.rate=1e-3")
    train = settings.section("train", Train)
    assert (settings.run, settings.seed, train.epochs, train.rate) == (Path("runs/a"), 5, 9, 0.001)
    assert train.shape == Shape(layers=4, width=8)
    assert load_settings(KINDS, tmp_path / "my.yaml", (), Path("runs/b")).run == Path("runs/b")


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    text = "seed: -1\ntrian: {}\ntrain: {epoch: 5, epochs: 0, shape: {layer: 1, width: no}}\ndata: [1]"
    problems = problems_of(text, tmp_path, "data", ".x=1")
    assert len(problems) == 9
    together = "\n".join(problems)
    assert "unknown section 'trian'. Did you mean 'train'?" in together
    assert "unknown key 'train.epoch'. Did you mean 'epochs'?" in together
    assert "unknown key 'train.shape.layer'. Did you mean 'layers'?" in together
    assert "train.epochs: Input should be greater than 0 (given: 0)" in together
    assert "train.shape.width" in together
    assert "data: Input should be" in together
    assert "seed is -1" in together
    assert "'data' is not of the form" in together
    assert "'.x=1' is not of the form" in together


@pytest.mark.parametrize("text", ["train: {spare: {layer: 1}}", "train: {several: [{}, {layer: 1}]}"])
def test_unknown_keys_in_optional_and_repeated_sections_get_a_suggestion(text: str, tmp_path: Path) -> None:
    (problem,) = problems_of(text, tmp_path)
    assert "Did you mean 'layers'?" in problem


def test_a_rule_between_keys_is_told_in_its_own_words(tmp_path: Path) -> None:
    (problem,) = problems_of("train: {epochs: 13}", tmp_path)
    assert problem.endswith("train: epochs must not be 13")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {epochs: 1, epochs: 2}", "'epochs' occurs twice"),
        ("train: {}\ntrain: {}", "'train' occurs twice"),
        ("- a\n- b", "not a list"),
        ("a: [", "cannot be read as YAML"),
        ("run: 5", "run is 5"),
        ("seed: true", "seed is True"),
        ("seed: 4294967296", "seed is 4294967296"),
        ("train: 0", "train: Input should be"),
        ("train: {rate: .nan}", "train.rate"),
        ("train: {rate: .inf}", "train.rate"),
        ("? [a]\n: 1", "cannot be read as YAML"),
        ("!!python/object/apply:os.getcwd []", "cannot be read as YAML"),
    ],
)
def test_a_bad_file_is_one_clear_message(text: str, words: str, tmp_path: Path) -> None:
    (problem,) = problems_of(text, tmp_path)
    assert words in problem
    assert "my.yaml" in problem


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no configuration file"):
        load_settings(KINDS, tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(KINDS, tmp_path)


def test_an_override_below_a_value_is_refused(tmp_path: Path) -> None:
    assert "holds a value, not keys" in "\n".join(problems_of("train: {name: y}", tmp_path, "train.name.first=1"))


def test_an_override_replaces_an_empty_section(tmp_path: Path) -> None:
    assert load("train:\n", tmp_path, "train.epochs=4").section("train", Train).epochs == 4


def test_the_message_says_that_the_command_line_took_part(tmp_path: Path) -> None:
    (problem,) = problems_of("train: {}", tmp_path, "train.epochs=0")
    assert problem.startswith(f"{tmp_path / 'my.yaml'} with the command line: ")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Train().epochs = 5  # type: ignore[misc]


@given(
    epochs=st.integers(1, 10**6).filter(lambda epochs: epochs != 13),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff")),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_dump_reads_back_as_the_same_settings(
    epochs: int, rate: float, name: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    first = Settings(Path("r"), seed, {"train": Train(epochs=epochs, rate=rate, name=name), "data": Data()})
    again = load(yaml.safe_dump(first.dump(), allow_unicode=True), folder)
    assert again.dump() == first.dump()
