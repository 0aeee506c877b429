"""The search of settings: it goes where scores are better, and one that was cut off ends as if it had not been."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genrec.errors import MissingPackageError
from genrec_eval.baselines import tuning
from genrec_eval.baselines.kept import fit_or_reuse
from genrec_eval.baselines.search import SPACE, Tried, propose
from genrec_eval.config import EvaluateConfig
from tests.eval.conftest import MakeDataset

ITEMS = 12
OWN: dict[str, Any] = {"dropout": 0.2, "learning_rate": 3e-3, "layers": 2}


def _score(parameters: dict[str, Any]) -> float:
    """Best at dropout .5 and learning rate 1e-3."""
    return 1 - abs(parameters["dropout"] - 0.5) - abs(math.log(parameters["learning_rate"] / 1e-3)) / 4


def _searched(tries: int, own: dict[str, Any] = OWN, seed: int = 0) -> list[dict[str, Any]]:
    tried: list[dict[str, Any]] = []
    for _ in range(tries):
        parameters = propose(own, tried, seed)
        tried.append({"parameters": parameters, "ndcg@10": _score(parameters)})
    return tried


def test_proposals_begin_with_ones_own_stay_inside_and_get_better() -> None:
    rows = _searched(26)
    assert rows[0]["parameters"] == OWN
    for row in rows:
        assert row["parameters"]["layers"] == 2
        assert all(low <= row["parameters"][name] <= high for name, (low, high) in SPACE.items())
    assert rows == _searched(26)
    assert rows[1:] != _searched(26, seed=100)[1:]
    scores = [row["ndcg@10"] for row in rows]
    assert np.mean(scores[-10:]) > np.mean(scores[1:6]) + 0.1  # against the random ones


def test_ones_own_settings_may_lie_outside_of_the_ranges() -> None:
    outside = {**OWN, "learning_rate": 0.5}
    assert [row["parameters"]["learning_rate"] <= 1e-2 for row in _searched(3, outside)] == [False, True, True]


def test_a_search_that_was_cut_off_goes_on_and_ends_the_same(
    make_dataset: MakeDataset, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sequences = [rng.integers(0, ITEMS, rng.integers(4, 12)).tolist() for _ in range(30)]
    dataset = make_dataset(sequences, ITEMS)
    small = {"embedding_size": 8, "epochs": 2, "history_length": 6}
    config = EvaluateConfig(gru4rec=small, tries=4)  # type: ignore[arg-type]
    whole = tuning.fit_best("gru4rec", dataset, config, 0, tmp_path / "whole")
    build, fits = tuning.build, []

    def cut_off(*arguments: Any) -> Any:
        fits.append(1)
        if len(fits) == 3:
            raise KeyboardInterrupt
        return build(*arguments)

    monkeypatch.setattr(tuning, "build", cut_off)
    with pytest.raises(KeyboardInterrupt):
        fit_or_reuse("gru4rec", dataset, config, seed=0)
    search = dataset.path.parent / "baselines" / "gru4rec.search"
    (kept,) = search.iterdir()
    assert len(Tried(kept).rows) == 2
    assert len(list(kept.glob("*.safetensors"))) == 1
    fitted, _ = fit_or_reuse("gru4rec", dataset, config, seed=0)
    assert len(fits) == 3 + 2 + 1  # the third again, the fourth, and the best restored
    assert not search.exists()
    untimed = [[{**row, "seconds": 0} for row in found.tried] for found in (fitted, whole)]
    assert untimed[0] == untimed[1]
    assert fitted.parameters == whole.parameters
    histories = [np.array([1, 2], np.int32), np.array([5], np.int32)]
    np.testing.assert_array_equal(fitted.baseline._score(histories), whole.baseline._score(histories))


def test_without_optuna_the_remedy_is_named_before_anything_is_fitted(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert propose(OWN, [], 0) == OWN  # one setting needs no search
    with pytest.raises(MissingPackageError, match="baselines"):
        propose(OWN, [{"parameters": OWN, "ndcg@10": 0.1}], 0)
    monkeypatch.setattr(tuning, "build", lambda *_: pytest.fail("something was fitted"))
    with pytest.raises(MissingPackageError, match="baselines"):
        fit_or_reuse("sasrec", make_dataset([[0, 1, 2, 3]] * 5, ITEMS), EvaluateConfig(tries=2), seed=0)
