"""Probes learn what `genrec train` learns: the losses are those of the models themselves."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from genrec.models import Generator, build_generator
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.item_tasks import ItemWindows
from genrec_alignment.pretraining.tasks import TrainingLog
from genrec_alignment.pretraining.windows import Collator
from tests.alignment.conftest import make_planted_run

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 6
TINY: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "heads": 2}
KINDS: dict[str, dict[str, Any]] = {
    "decoder": TINY | {"kind": "decoder", "layers": 1},
    "encoder_decoder": TINY | {"kind": "encoder_decoder", "causal_encoder": True, "softmax": "catalogue"},
    "lazy_decoder": TINY | {"kind": "lazy_decoder", "key_value_heads": 2, "layers": 1, "softmax": "level"},
}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue.load(make_planted_run(tmp_path / "run") / "semantic_ids")


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("probe")


def _config(kind: str, **values: Any) -> TrainConfig:
    return TrainConfig.model_validate({"model": KINDS[kind], "history_length": LENGTH, "dropout": 0.0} | values)


def _generator(kind: str, catalogue: Catalogue) -> Generator:
    generator = build_generator(_config(kind).model, catalogue, LENGTH, dropout=0.0)
    generator.model.eval()  # items are dropped in training
    return generator


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["encoder_decoder", "lazy_decoder"])
def test_the_loss_of_histories_is_the_models_own(
    probe: ModuleType, catalogue: Catalogue, kind: str, smoothing: float
) -> None:
    generator = _generator(kind, catalogue)
    lists = [[0, 1, 2], [5, 4, 3, 2, 1, 0, 7], [3]]
    log = TrainingLog(
        np.concatenate(lists).astype(np.int32), np.split(np.arange(11), np.cumsum([len(one) for one in lists])[:-1])
    )
    rows = ItemWindows(log, catalogue, np.arange(1, len(catalogue) + 1), LENGTH, seed=0)
    batch = rows([0, 1, 2])
    items = torch.full((3, LENGTH + 1), -1)
    for at, one in enumerate(lists):
        items[at, : len(one)] = torch.tensor(one)
    loss = probe._loss(generator, _config(kind, label_smoothing=smoothing), torch.device("cpu"))
    own = generator.model(**batch, label_smoothing=smoothing).loss
    torch.testing.assert_close(loss(items, torch.zeros(3, dtype=torch.bool)), own)
    cut = loss(items, torch.tensor([False, True, False]))
    batch["target_codes"][1, 0] = -100
    torch.testing.assert_close(cut, generator.model(**batch, label_smoothing=smoothing).loss)


def test_the_loss_of_a_stock_decoder_is_its_own(probe: ModuleType, catalogue: Catalogue) -> None:
    generator = _generator("decoder", catalogue)
    lists = [[0, 1, 2], [5, 4, 3, 2, 1, 0]]
    tokens = [[generator.vocabulary.bos_id, *catalogue.tokens[one].ravel().tolist()] for one in lists]
    batch = Collator(generator.vocabulary.pad_id)([{"input_ids": one} for one in tokens])
    items = torch.full((2, LENGTH), -1)
    for at, one in enumerate(lists):
        items[at, : len(one)] = torch.tensor(one)
    loss = probe._loss(generator, _config("decoder"), torch.device("cpu"))
    torch.testing.assert_close(loss(items, torch.zeros(2, dtype=torch.bool)), generator.model(**batch).loss)


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_learns(probe: ModuleType, tmp_path: Path, kind: str) -> None:
    config = _config(kind, epochs=6, validate_every=3, batch_size=16, learning_rate=1e-2, warmup_steps=1)
    told = probe.probe(make_planted_run(tmp_path / "run"), config, seed=0, most_steps=4, most_users=30)
    losses = [entry["loss"] for entry in told["validation"]]
    assert [entry["epoch"] for entry in told["validation"]] == [3, 6]
    assert losses[1] < losses[0]
    assert set(told["test"]) >= {"recall@10", "ndcg@10"}
