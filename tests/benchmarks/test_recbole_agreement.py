"""The harness gives the figures that RecBole gave for the same split of MovieLens-100k, kept in docs/results."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from genrec.data import Dataset

ROOT = Path(__file__).resolve().parents[2]
TO_FOUR_DIGITS = 5e-5


@pytest.fixture(scope="module")
def program() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module("recbole_agreement")


@pytest.fixture(scope="module")
def found(program: ModuleType) -> dict[str, Any]:
    return json.loads(program.FILE.read_text())


@pytest.fixture(scope="module")
def dataset(program: ModuleType, found: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return program.dataset_cut_like(found["moved"], tmp_path_factory.mktemp("cut"))


@pytest.mark.parametrize("name", ["EASE", "ItemKNN"])
def test_our_baselines_reach_recbole_s_figures(
    program: ModuleType, found: dict[str, Any], dataset: Dataset, name: str
) -> None:
    figures = program.own_figures(program.METHODS[name].own(), dataset)
    theirs = found["methods"][name]["recbole"]
    assert len(theirs) == 9
    assert figures == pytest.approx(theirs, abs=TO_FOUR_DIGITS)


def test_our_metrics_gave_recbole_s_figures_of_its_own_lists(found: dict[str, Any]) -> None:
    for figures in found["methods"].values():
        assert figures["lists"] == pytest.approx(figures["recbole"], abs=1e-9)


def test_the_split_differs_only_where_recbole_s_times_are_the_same(
    program: ModuleType, found: dict[str, Any], dataset: Dataset, tmp_path: Path
) -> None:
    ours = program.movielens(tmp_path)
    rows = ours.interactions
    pairs = zip(rows["user_id"].cast(str), rows["item_id"].cast(str), strict=True)
    times = dict(zip(pairs, rows["timestamp"], strict=True))
    for user, theirs in found["moved"].items():
        last = program.last_items(ours)[user]
        assert theirs != last
        both = np.array([[times[user, item] for item in items] for items in (theirs, last)])
        assert np.abs(both[0] - both[1]).max() <= 1000
        assert np.array_equal(*(both // 1000).astype(np.float32))  # RecBole's times: seconds, as 32-bit floats
    same = set(ours.user_ids) - set(found["moved"])
    assert len(same) == found["users"] - len(found["moved"])
    assert {user: program.last_items(dataset)[user] for user in found["moved"]} == found["moved"]
