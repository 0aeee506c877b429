"""A results file is verified from its manifest; the leaderboard is made of verified ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from genrec.errors import ArtifactError
from genrec.runs import new_artifact, open_artifact
from genrec_eval import leaderboard as board
from genrec_eval.comparisons import clear_winner, comparisons, leading_cut_off
from genrec_eval.config import EvaluateConfig
from genrec_eval.make import make_evaluation
from genrec_eval.protocols import protocol, split_digest
from genrec_eval.verify import verify_evaluation
from tests.eval.conftest import MakeDataset

CONFIG = EvaluateConfig(ks=(3, 10), baselines=("popularity", "item_knn"), examples=0)


@pytest.fixture
def run(make_dataset: MakeDataset, rng: np.random.Generator) -> Path:
    return make_dataset([rng.permutation(15)[:6].tolist() for _ in range(20)], 15).path.parent


def test_an_evaluation_is_verified_until_a_file_changes(run: Path, tmp_path: Path) -> None:
    make_evaluation(CONFIG, run, seed=0)
    assert verify_evaluation(run)["figures"] == 8  # two models, two metrics, two cut-offs
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(run / "evaluation", elsewhere / "evaluation")
    assert verify_evaluation(elsewhere)["dataset"] == "not here"
    file = elsewhere / "evaluation" / "results.json"
    results = json.loads(file.read_text())
    results["metrics"]["item_knn"]["ndcg@10"] += 0.01
    file.write_text(json.dumps(results))
    with pytest.raises(ArtifactError, match=r"results\.json is not the file"):
        verify_evaluation(elsewhere)
    manifest_file = elsewhere / "evaluation" / "manifest.json"
    manifest = json.loads(manifest_file.read_text())
    from genrec.runs import digest_files

    manifest["files"] = digest_files(elsewhere / "evaluation")
    manifest_file.write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="its ranks give"):  # a manifest made to fit does not help
        verify_evaluation(elsewhere)


def test_rows_become_means_over_seeds(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_evaluation(CONFIG, run, seed=0)
    with pytest.raises(ArtifactError, match="not measured by a protocol"):
        board.rows_of(run)
    from genrec.data import Dataset

    facts = {"users": 20, "items": 15, "interactions": 120, "digest": split_digest(Dataset.load(run / "dataset"))}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"title": "Mine", "dataset": facts, "ks": [5, 10]}))
    monkeypatch.setattr(protocol, "FOLDER", tmp_path)
    rows = []
    for seed in (0, 1):
        config = EvaluateConfig(protocol="mine", baselines=("popularity",), examples=0)
        make_evaluation(config, run, seed=seed)
        rows += board.rows_of(run)
    rows[1]["ndcg@10"] = rows[0]["ndcg@10"] + 0.2
    (row,) = board.leaderboard([*rows, rows[1]])
    assert row["seeds"] == [0, 1]
    assert row["mean"]["ndcg@10"] == pytest.approx(rows[0]["ndcg@10"] + 0.1, abs=1e-5)
    assert row["sd"]["ndcg@10"] == pytest.approx(0.2 / 2**0.5, abs=1e-5)
    page = board.as_markdown([row])
    assert page.startswith("## mine\n\nMine.\n")
    assert "| popularity | " in page
    assert "± 0.1414" in page


def test_the_command_of_a_baseline_has_the_settings_that_are_not_the_usual_ones(tmp_path: Path) -> None:
    results = {"protocol": {"name": "mine"}, "seed": 3}
    settings = {"tries": 2, "sasrec": {"dropout": 0.5, "loss": "full"}}
    for changed, words in (
        ({}, ""),
        (settings, " evaluate.tries=2 evaluate.sasrec.dropout=0.5"),  # the loss is the usual one
    ):
        config = EvaluateConfig.model_validate(changed).model_dump(mode="json")
        with new_artifact(tmp_path / "evaluation", "evaluation", config) as draft:
            (draft.path / "results.json").write_text("{}")
        command = board._again(open_artifact(tmp_path / "evaluation", "evaluation"), results, "sasrec")
        assert command == f"genrec evaluate --protocol mine seed=3 'evaluate.baselines=[sasrec]'{words}"


def test_a_generator_has_the_name_of_its_kind(tmp_path: Path) -> None:
    for kind in ("decoder", "lazy_decoder"):
        with new_artifact(tmp_path / "generator", "generator", {"model": {"kind": kind}}) as draft:
            (draft.path / "config.json").write_text("{}")
        generator = open_artifact(tmp_path / "generator", "generator")
        with new_artifact(tmp_path / "evaluation", "evaluation", {}, {"generator": generator.digest}) as draft:
            (draft.path / "results.json").write_text("{}")
        assert board._generator_kind(tmp_path, open_artifact(tmp_path / "evaluation", "evaluation")) == kind
    evaluation = open_artifact(tmp_path / "evaluation", "evaluation")
    with new_artifact(tmp_path / "generator", "generator", {"model": {}}) as draft:
        (draft.path / "config.json").write_text("[]")
    with pytest.raises(ArtifactError, match="not the generator that"):
        board._generator_kind(tmp_path, evaluation)


def test_only_a_clear_winner_is_marked() -> None:
    better, worse = [1] * 60 + [0] * 40, [1] * 20 + [0] * 80
    found = comparisons({"a": pl.Series(better), "b": pl.Series(worse)}, 10)
    assert clear_winner(found["ndcg@10"]) == "a"
    close = comparisons({"a": pl.Series(better), "b": pl.Series([0, *better[1:]])}, 10)
    assert close["recall@10"]["reference"] == "a"
    assert clear_winner(close["recall@10"]) is None
    assert comparisons({"a": pl.Series(better)}, 10) == {}
    assert clear_winner(None) is None
    assert [leading_cut_off(names) for names in (["x@5", "x@20"], ["x@3"], [])] == [20, 3, 10]
