"""Compression and pathways from a recipe's settings to a saved generator that serves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from genrec.data import Dataset
from genrec.data.make import write_dataset
from genrec.decoding import Recommender
from genrec.errors import DataError
from genrec.models import DecoderConfig, Events, build_generator
from genrec.models.onerec.config import HistoryConfig
from genrec.models.onerec.history.inputs import fit_features
from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.make import make_generator
from genrec_alignment.pretraining.rows import training_rows

ITEMS = 24
SHAPE: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "heads": 2}
ENCODER: dict[str, Any] = SHAPE | {"kind": "encoder_decoder", "encoder_layers": 1, "decoder_layers": 1}
COMPRESSION: dict[str, Any] = {"item_dropout": 0.0, "compression": {"groups": [[1, 4], [1, 2]]}}
PATHWAYS: dict[str, Any] = {
    "item_dropout": 0.0,
    "features": ["behavior"],
    "pathways": {
        "short": 2,
        "positive": 4,
        "positive_behaviors": ["like"],
        "lifelong": 3,
        "lifelong_queries": 2,
        "lifelong_layers": 1,
    },
}
QUICK: dict[str, Any] = {"history_length": 12, "batch_size": 32, "epochs": 1, "validate_every": 1, "dropout": 0.0}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A ring of items that half of the users walk forwards and the others, who live elsewhere, backwards."""
    rows = [
        (f"u{user}", f"i{(5 * user + (1 if user % 2 else -1) * step) % ITEMS:02}", "like" if step % 3 else "view")
        for user in range(8)
        for step in range(8 + user % 5)
    ]
    ids = [f"i{item:02}" for item in range(ITEMS)]
    people = pl.DataFrame({"user_id": [f"u{user}" for user in range(8)], "city": ["Oslo", "Rome"] * 4})
    log = pl.DataFrame(rows, schema=["user_id", "item_id", "behavior"], orient="row")
    write_dataset(tmp_path / "dataset", pl.DataFrame({"item_id": ids}), log, users=people)
    codes = np.stack([np.arange(ITEMS) // 6, np.arange(ITEMS) % 6], axis=1).astype(np.int32)
    with new_artifact(tmp_path / "semantic_ids", "semantic_ids", {}) as draft:
        Catalogue(ids, codes, (4, 6), ids).save(draft.path)
    return tmp_path


@pytest.mark.parametrize(
    "model",
    [
        SHAPE | {"kind": "lazy_decoder", "layers": 1, "history": COMPRESSION},
        ENCODER | {"history": PATHWAYS},
    ],
    ids=["compression", "pathways"],
)
def test_it_is_trained_from_settings_and_serves_alone(run: Path, model: dict[str, Any]) -> None:
    make_generator(TrainConfig.model_validate(QUICK | {"model": model}), run, seed=0)
    recommender = Recommender.from_pretrained(run / "generator", device="cpu")
    dataset = Dataset.load(run / "dataset")
    examples = dataset.examples("test")
    histories: list[Any] = examples.histories
    if (features := recommender.generator.features) is not None:
        table = features.table(dataset)
        bounds = zip(examples.histories, examples.starts, examples.stops, strict=True)  # type: ignore[arg-type]
        histories = [Events(items, table[start:stop]) for items, start, stop in bounds]
    found = recommender.recommend([*histories, np.zeros(0, np.int64)], k=3, beams=10)
    assert found.items.shape == (9, 3)
    assert ((found.items >= 0) & (found.items < ITEMS)).all()
    alone = recommender.recommend(histories[:1], k=3, beams=10)
    assert np.allclose(alone.scores[0], found.scores[0], atol=1e-4)


@pytest.mark.parametrize("history", [COMPRESSION, PATHWAYS | {"features": []}], ids=["compression", "pathways"])
@pytest.mark.parametrize("kind", ["encoder_decoder", "lazy_decoder"])
def test_both_models_learn_through_them(kind: str, history: dict[str, Any], run: Path) -> None:
    config = TrainConfig.model_validate(QUICK | {"model": SHAPE | {"kind": kind, "history": history}})
    dataset, catalogue = Dataset.load(run / "dataset"), Catalogue.load(run / "semantic_ids")
    assert not isinstance(config.model, DecoderConfig)
    features = fit_features(dataset, config.model.history)
    generator = build_generator(config.model, catalogue, config.history_length, features=features)
    table = None if features is None else features.table(dataset)
    rows, _ = training_rows(config, dataset, generator, 0, table)
    batch = rows(range(0, len(rows), 6))  # type: ignore[operator]
    optimizer = torch.optim.Adam(generator.model.parameters(), lr=0.02)
    losses = []
    for _ in range(25):
        losses.append(generator.model(**batch).loss)
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


def test_features_are_those_that_the_pathways_need(run: Path) -> None:
    dataset = Dataset.load(run / "dataset")
    features = fit_features(dataset, HistoryConfig.model_validate(PATHWAYS))
    assert features is not None
    assert features.names == ("behavior", "user:city", "liked")
    assert fit_features(dataset, HistoryConfig()) is None


def test_all_that_the_pathways_lack_comes_at_once(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", None, pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "behavior": ["view"]}))
    pathways = {"positive_behaviors": ["viev"], "positive_value": 4.0}
    with pytest.raises(DataError) as error:
        fit_features(Dataset.load(tmp_path / "d"), HistoryConfig.model_validate({"pathways": pathways}))
    text = str(error.value)
    assert "pathways.profile=false" in text
    assert "no values" in text
    assert "Did you mean 'view'" in text
