"""``genrec loid`` whole: every stage is kept when a later one is cut off, and the folder says what made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import LlamaForCausalLM

from genrec.data import Dataset
from genrec.errors import ArtifactError, ConfigError, DataError
from genrec.runs import Manifest
from genrec_alignment.loid import stages
from genrec_alignment.loid.config import LoidConfig
from genrec_alignment.loid.domains import draw_texts, item_texts
from genrec_alignment.loid.make import make_loid
from genrec_alignment.loid.saved import Loid
from genrec_alignment.loid.training import measure
from genrec_alignment.loid.vectors import standardised
from tests.alignment.loid.conftest import ITEMS, write_domain

SMALL: dict[str, Any] = {
    "adapter": {"rank": 2, "texts": 16, "held_out": 4, "max_tokens": 12, "batch_size": 8},
    "network": {"hidden_size": 8, "epochs": 2, "batch_size": 64, "negatives": 4},
}


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    return {
        name: write_domain(tmp_path / name, word) for name, word in (("a", "oil"), ("b", "salt"), ("t", "gold"))
    }


def _make(runs: dict[str, Path], base: Path, **settings: Any) -> Manifest:
    sources = [str(runs["a"]), str(runs["b"])]
    config = LoidConfig.model_validate(SMALL | {"base": str(base), "sources": sources} | settings)
    return make_loid(config, runs["t"], seed=0)


def test_the_folder_holds_all_of_it(runs: dict[str, Path], tiny_base: Path) -> None:
    manifest = _make(runs, tiny_base)
    folder = runs["t"] / "loid"
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    adapters = [f"adapters/{name}" for name in ("sources/a", "sources/b", "merged", "target")]
    parts = ("adapter_config.json", "adapter_model.safetensors")
    assert files == {f"{adapter}/{part}" for adapter in adapters for part in parts} | {
        "loid.json", "manifest.json", "network.safetensors", "results.json", "vectors.safetensors"
    }  # fmt: skip
    assert set(manifest.details["adapters"]) == {"a", "b", "target"}
    assert set(json.loads((folder / "results.json").read_text())) == {"loid", "mean", "biases"}
    base = LlamaForCausalLM.from_pretrained(tiny_base)
    before = base(torch.arange(4)[None]).logits
    after = PeftModel.from_pretrained(base, str(folder / "adapters" / "target"))(torch.arange(4)[None]).logits
    assert not torch.allclose(before, after)
    assert not (runs["t"] / "loid.partial").exists()


def test_what_was_saved_predicts_the_same(runs: dict[str, Path], tiny_base: Path) -> None:
    manifest = _make(runs, tiny_base)
    loid = Loid.from_pretrained(runs["t"] / "loid")
    interactions = loid.interactions(Dataset.load(runs["t"] / "dataset"))
    rows = interactions.rows("test")
    again = measure(loid.network, interactions, rows)
    assert again == pytest.approx(manifest.details["metrics"]["loid"], rel=1e-5)
    assert loid.predict(interactions, rows).shape == (len(rows),)
    best = loid.recommend(interactions, rows[:2], 5)
    for row, items in zip(rows[:2], best, strict=True):
        assert not set(items.tolist()) & set(interactions.items[interactions.readable(int(row))].tolist())
    with pytest.raises(ArtifactError, match="other users or items"):
        loid.interactions(Dataset.load(write_domain(runs["t"].parent / "few", "gold", users=5) / "dataset"))
    (runs["t"] / "loid" / "network.safetensors").write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="no readable LoID folder"):
        Loid.from_pretrained(runs["t"] / "loid")


def test_finished_stages_survive_an_interruption(
    runs: dict[str, Path], tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    real = stages.train_adapter

    def train(model: Any, tokenizer: Any, texts: Any, *rest: Any) -> dict[str, float]:
        if len(trained) == 1:
            trained.append("cut off")
            raise KeyboardInterrupt
        trained.append(texts.train[0])
        return real(model, tokenizer, texts, *rest)

    monkeypatch.setattr(stages, "train_adapter", train)
    with pytest.raises(KeyboardInterrupt):
        _make(runs, tiny_base)
    assert (runs["t"] / "loid.partial" / "sources" / "a" / "adapter_model.safetensors").is_file()
    _make(runs, tiny_base)
    assert len(trained) == 4, "a, the interruption, b and the target; a is not trained again"
    _make(runs, tiny_base)
    assert len(trained) == 4, "nothing is made again"


def test_without_merge_and_without_vectors(runs: dict[str, Path], tiny_base: Path) -> None:
    alone = _make(runs, tiny_base, merge="none", sources=[], target="item")
    assert set(alone.details["adapters"]) == {"target"}
    assert {"recall@10", "ndcg@10"} <= set(alone.details["metrics"]["loid"])
    assert set(alone.details["metrics"]) == {"loid", "popularity"}
    plain = _make(runs, tiny_base / "not needed", semantic=False)
    assert plain.details["adapters"] == {}
    assert not (runs["t"] / "loid" / "vectors.safetensors").exists()
    assert Loid.from_pretrained(runs["t"] / "loid").network.semantic is False


def test_sources_that_cannot_be_are_refused(runs: dict[str, Path], tiny_base: Path, tmp_path: Path) -> None:
    other = write_domain(tmp_path / "deep" / "a", "oil")
    with pytest.raises(ConfigError, match=r"two run folders are called 'a'"):
        _make(runs, tiny_base, sources=[str(runs["a"]), str(other)])
    with pytest.raises(ConfigError, match=r"names no run folder, so there is nothing to merge"):
        _make(runs, tiny_base, sources=[])
    with pytest.raises(ConfigError, match="is the target"):
        _make(runs, tiny_base, sources=[str(runs["t"])])
    with pytest.raises(ArtifactError, match="genrec data --run"):
        _make(runs, tiny_base, sources=[str(tmp_path / "nothing")])


def test_texts_of_a_domain(runs: dict[str, Path]) -> None:
    texts = item_texts(Dataset.load(runs["a"] / "dataset"))
    assert texts[:2] == ["oil thing 0.", "plain thing 1."]
    drawn = draw_texts([*texts, "", texts[0]], 10, 50, 0, "a")
    assert (len(drawn.train), len(drawn.held_out)) == (10, 2)
    assert not set(drawn.train) & set(drawn.held_out)
    assert drawn == draw_texts(texts, 10, 50, 0, "a")
    with pytest.raises(DataError, match="a has 3 items with a text, and 20 at least are needed"):
        draw_texts(["x", "y", "z", "", "x"], 10, 5, 0, "a")


def test_vectors_have_no_common_direction_and_no_text_is_the_mean() -> None:
    vectors = np.random.default_rng(0).normal(5, 2, (ITEMS, 3)).astype(np.float32)
    vectors[4] = 0
    found = standardised(vectors)
    assert (found[4] == 0).all()
    known = np.delete(found, 4, axis=0)
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(known.std(axis=0), 1, atol=1e-5)
    assert (standardised(np.zeros((3, 2), np.float32)) == 0).all()
