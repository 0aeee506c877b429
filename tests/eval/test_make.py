"""The stage: what it writes, what it reuses, what it refuses, and that the figures are right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.data import Dataset
from genrec.decoding import Ranking
from genrec.errors import ArtifactError, DataError
from genrec.runs import new_artifact
from genrec_eval import generator
from genrec_eval.config import EvaluateConfig
from genrec_eval.make import make_evaluation
from genrec_eval.metrics import accuracy
from tests.eval.conftest import MakeDataset

ITEMS = 15
CONFIG = EvaluateConfig(ks=(3, 10), baselines=("popularity", "transitions"), examples=4, batch_size=7)


@pytest.fixture
def dataset(make_dataset: MakeDataset, rng: np.random.Generator) -> Dataset:
    return make_dataset([rng.permutation(ITEMS)[: rng.integers(4, 9)].tolist() for _ in range(25)], ITEMS)


def _results(run: Path) -> dict:
    return json.loads((run / "evaluation" / "results.json").read_text())


def test_it_writes_what_it_says(dataset: Dataset) -> None:
    run = dataset.path.parent
    manifest = make_evaluation(CONFIG, run, seed=0)
    results, ranks = _results(run), pl.read_parquet(run / "evaluation" / "ranks.parquet")
    assert set(manifest.files) == {"results.json", "ranks.parquet", "examples.json"}
    assert (results["split"], results["users"], results["exclude_seen"]) == ("test", 25, True)
    assert results["invalid_share"] is None  # nothing was generated
    assert list(results["metrics"]) == ["popularity", "transitions"]
    assert set(results["metrics"]["popularity"]) >= {"recall@3", "ndcg@10", "mrr@10", "coverage@10"}
    assert ranks.columns == ["user_id", "item_id", "popularity", "transitions"]
    for model, figures in results["metrics"].items():
        hits = ranks[model].is_between(1, 3).mean()
        assert figures["recall@3"] == pytest.approx(hits)
    shown = json.loads((run / "evaluation" / "examples.json").read_text())
    assert len(shown) == 4
    assert shown[0]["history"][0].startswith("Film")
    assert {"item_id", "title", "score", "semantic_id", "hit"} == set(shown[0]["items"][0])


def test_finished_work_is_used_again_until_something_changes(dataset: Dataset) -> None:
    run = dataset.path.parent
    first = make_evaluation(CONFIG, run, seed=0)
    assert make_evaluation(CONFIG, run, seed=0).created == first.created
    changed = make_evaluation(CONFIG.model_copy(update={"split": "valid"}), run, seed=0)
    assert changed.config != first.config
    assert _results(run)["split"] == "valid"


def test_the_generator_is_measured_like_the_baselines(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    run = dataset.path.parent
    with new_artifact(run / "generator", "generator", {}) as draft:
        (draft.path / "config.json").write_text("{}")
    calls = []

    class Generator:
        class generator:  # noqa: N801
            features = None

        class catalogue:  # noqa: N801
            item_ids = dataset.item_ids
            codes = np.arange(ITEMS)[:, None]

            @staticmethod
            def sid(item: int) -> str:
                return f"<a_{item}>"

        @classmethod
        def from_pretrained(cls, *_: object, **__: object) -> Generator:
            return cls()

        def recommend(self, histories, k, beams, exclude) -> Ranking:  # type: ignore[no-untyped-def]
            calls.append((len(histories), k, beams, exclude))
            lists = [[item for item in range(ITEMS) if item not in seen][:k] for seen in exclude]
            items = np.array([row + [-1] * (k - len(row)) for row in lists])
            return Ranking(items, np.where(items < 0, -np.inf, 0).astype(np.float32))

    monkeypatch.setattr(generator, "Recommender", Generator)
    make_evaluation(CONFIG.model_copy(update={"beams": 30}), run, seed=0)
    results, test = _results(run), dataset.examples("test")
    expected = Generator().recommend(test.histories, 10, None, test.histories)
    ours = results["metrics"]["generator"]
    right = accuracy(expected.items, test.targets, (3, 10))
    assert {name: ours[name] for name in right} == right
    assert results["invalid_share"] == 0
    assert calls[0][:3] == (7, 10, 30)
    assert json.loads((run / "evaluation" / "examples.json").read_text())[0]["items"][0]["semantic_id"].startswith(
        "<a_"
    )
    monkeypatch.setattr(Generator.catalogue, "item_ids", ["other"])
    with pytest.raises(ArtifactError, match="other items"):
        make_evaluation(CONFIG, run, seed=0)


def test_targets_out_of_reach_are_counted(make_dataset: MakeDataset) -> None:
    run = make_dataset([[0, 1, 2, 0], [0, 1, 2, 3], [3, 2, 1, 3]], 5).path.parent
    make_evaluation(CONFIG, run, seed=0)
    assert _results(run)["unreachable"] == 2
    make_evaluation(CONFIG.model_copy(update={"exclude_seen": False}), run, seed=0)
    assert _results(run)["unreachable"] == 0


def test_a_sample_of_users(dataset: Dataset) -> None:
    run = dataset.path.parent
    make_evaluation(CONFIG.model_copy(update={"max_users": 6}), run, seed=3)
    users = pl.read_parquet(run / "evaluation" / "ranks.parquet")["user_id"].to_list()
    assert len(users) == 6
    make_evaluation(CONFIG.model_copy(update={"max_users": 6}), run, seed=3, force=True)
    assert pl.read_parquet(run / "evaluation" / "ranks.parquet")["user_id"].to_list() == users


def test_nothing_to_predict_is_refused(make_dataset: MakeDataset, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no dataset"):
        make_evaluation(CONFIG, tmp_path / "nowhere", seed=0)
    dataset = make_dataset([[0], [1]], 3)
    with pytest.raises(DataError, match="training part"):
        make_evaluation(CONFIG, dataset.path.parent, seed=0)
