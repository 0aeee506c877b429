"""Errors: every problem at once, a remedy, and the closest name."""

from __future__ import annotations

import pickle

import pytest

from genrec.errors import ConfigError, DataError, GenrecError, MissingPackageError, UnknownNameError, suggest


def test_one_problem_is_the_message_itself() -> None:
    assert str(DataError("No file.", "Make one.")) == "No file.\nMake one."


def test_several_problems_are_listed_with_the_remedy_last() -> None:
    error = ConfigError(["first", "second"], "Mend both.")
    assert str(error).splitlines() == ["2 problems:", "  - first", "  - second", "Mend both."]
    assert error.problems == ["first", "second"]


def test_every_error_can_be_caught_as_one() -> None:
    for error in (
        DataError("x"),
        UnknownNameError("item", "x", []),
        MissingPackageError("trl", "DPO", "pip install trl"),
    ):
        assert isinstance(error, GenrecError)


def test_a_missing_package_names_the_line_that_installs_it() -> None:
    text = str(MissingPackageError("trl", "Alignment", "pip install 'trl>=1.0'"))
    assert "Alignment needs the package 'trl'" in text
    assert text.endswith("pip install 'trl>=1.0'")


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("trian", ["train", "data"], " Did you mean 'train'? Available: data, train."),
        ("TRAIN", ["train"], " Did you mean 'train'? Available: train."),
        ("xyzzy", ["train"], " Available: train."),
        ("train", [], ""),
    ],
)
def test_suggest(name: str, known: list[str], text: str) -> None:
    assert suggest(name, known) == text


def test_suggest_is_cut_where_much_is_known() -> None:
    text = suggest("item_77", [f"item_{number}" for number in range(100)], shown=3)
    assert "Did you mean 'item_77'" in text
    assert text.endswith("Available: item_0, item_1, item_10, ….")


def test_several_unknown_names_are_all_reported() -> None:
    error = UnknownNameError("item", ["a1", "b2"], ["a1x"])
    assert error.names == ["a1", "b2"]
    assert "'a1'" in str(error)
    assert "'b2'" in str(error)


@pytest.mark.parametrize(
    "error",
    [UnknownNameError("verb", "trian", ["train"]), MissingPackageError("vllm", "The engine", "pip install vllm")],
)
def test_an_error_can_go_to_another_process(error: GenrecError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert (again.problems, again.remedy) == (error.problems, error.remedy)
