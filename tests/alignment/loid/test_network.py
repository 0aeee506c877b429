"""The network and its losses: by hand, and that it learns what only the texts tell."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from genrec.data import Dataset
from genrec.models.contrast import entity_infonce
from genrec_alignment.loid.baselines import baseline_metrics
from genrec_alignment.loid.config import NetworkConfig
from genrec_alignment.loid.examples import Interactions
from genrec_alignment.loid.losses import task_loss
from genrec_alignment.loid.network import LoidNetwork
from genrec_alignment.loid.training import errors, measure, train_network
from tests.alignment.loid.conftest import ITEMS, USERS, write_domain

QUICK = NetworkConfig(hidden_size=8, epochs=12, batch_size=32, learning_rate=0.02, dropout=0.0, negatives=8)


def test_contrast_by_hand() -> None:
    one, other = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    # Cosines: [[1, .7071], [0, .7071]], divided by the temperature .5.
    there = (math.log1p(math.exp(2 * (0.7071 - 1))) + math.log1p(math.exp(2 * (0 - 0.7071)))) / 2
    back = (math.log1p(math.exp(2 * (0 - 1))) + math.log1p(1.0)) / 2
    loss = entity_infonce(one, other, 0.5, torch.tensor([0, 1]))
    assert loss == pytest.approx((there + back) / 2, abs=1e-3)
    assert entity_infonce(one, other, 0.5, torch.tensor([7, 7])) == pytest.approx(0.0, abs=1e-6), "no negatives"


def test_task_losses_by_hand() -> None:
    scores = torch.tensor([[1.0, 1.0, 5.0]])
    assert task_loss(scores, torch.tensor([[4, 9, 4]]), None) == pytest.approx(
        math.log(2)
    )  # the target drawn again
    assert task_loss(scores, torch.tensor([[4, 9, 4]]), torch.tensor([3.0])) == 4.0
    assert errors(np.array([1.0, 2.0]), np.array([2.0, 4.0])) == {"mse": 2.5, "mae": 1.5}


@pytest.mark.parametrize("vectors", [torch.randn(ITEMS, 6), None], ids=["vectors", "none"])
def test_a_candidate_is_scored_alone(vectors: torch.Tensor | None, tmp_path: Path) -> None:
    interactions = Interactions(Dataset.load(write_domain(tmp_path, "oil") / "dataset"), "item", 10)
    network = LoidNetwork(USERS, ITEMS, vectors, QUICK).eval()
    rows = interactions.rows("test")[:3]
    both = network(interactions.batch(rows, np.array([[1, 2], [3, 4], [5, 6]]))).scores
    single = network(interactions.batch(rows, np.array([[2], [4], [6]]))).scores
    torch.testing.assert_close(both[:, 1:], single)


def test_who_was_not_trained_has_no_random_vector() -> None:
    network = LoidNetwork(3, 4, None, QUICK)
    network.blank_unseen(np.array([0, 2]), np.array([3]))
    assert network.user_id.weight.any(dim=1).tolist() == [True, False, True]
    assert network.item_id.weight.any(dim=1).tolist() == [False, False, False, True]


@pytest.mark.parametrize("target", ["rating", "item"])
def test_texts_tell_what_ids_cannot(target: str, tmp_path: Path) -> None:
    """Each user likes items of one word; the vectors hold the word, and IDs hold little after so few rows."""
    dataset = Dataset.load(write_domain(tmp_path, "oil") / "dataset")
    if target == "item":  # what is liked alone is done
        from dataclasses import replace

        import polars as pl

        dataset = replace(dataset, interactions=dataset.interactions.filter(pl.col("value") > 3))
    interactions = Interactions(dataset, target, 20)  # type: ignore[arg-type]
    word = torch.tensor([[1.0, -1.0][item % 2] for item in range(ITEMS)])[:, None]
    found = {}
    for name, vectors in (("full", word), ("ids", None)):
        torch.manual_seed(0)
        network = LoidNetwork(USERS, ITEMS, vectors, QUICK, interactions.mean)
        report = train_network(network, interactions, seed=0)
        found[name] = measure(network, interactions, interactions.rows("test"))
        assert 1 <= report["epochs"] <= 12  # type: ignore[operator]
    (baseline, *_) = baseline_metrics(interactions, interactions.rows("test"), ITEMS).values()
    if target == "rating":
        assert found["full"]["mse"] < 0.5 * found["ids"]["mse"]
        assert found["full"]["mse"] < 0.2 * baseline["mse"]
    else:
        assert found["full"]["recall@10"] > 1.2 * max(found["ids"]["recall@10"], baseline["recall@10"])


def test_contrast_draws_ids_and_texts_together(tmp_path: Path) -> None:
    interactions = Interactions(Dataset.load(write_domain(tmp_path, "oil") / "dataset"), "rating", 20)
    batch = interactions.batch(interactions.rows("train")[:64])
    losses = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        config = QUICK.model_copy(update={"contrast_weight": weight, "epochs": 4})
        network = LoidNetwork(USERS, ITEMS, torch.randn(ITEMS, 6), config, interactions.mean)
        train_network(network, interactions, seed=0)
        losses[weight] = network.contrast(network(batch), batch).item()
    assert losses[1.0] < losses[0.0] - 0.5


@pytest.mark.parametrize("place", ["before", "after"])
def test_where_vectors_are_contrasted(place: str, tmp_path: Path) -> None:
    interactions = Interactions(Dataset.load(write_domain(tmp_path, "oil") / "dataset"), "rating", 20)
    config = QUICK.model_copy(update={"contrast_at": place})
    network = LoidNetwork(USERS, ITEMS, torch.randn(ITEMS, 6), config).eval()
    batch = interactions.batch(interactions.rows("train")[:8])
    network.contrast(network(batch), batch).backward()
    gradient = network.exchange.in_proj_weight.grad
    assert (gradient is not None and bool(gradient.any())) == (place == "after")


def test_baselines_by_hand(tmp_path: Path) -> None:
    interactions = Interactions(Dataset.load(write_domain(tmp_path, "oil") / "dataset"), "rating", 20)
    rows = interactions.rows("test")
    metrics = baseline_metrics(interactions, rows, ITEMS)
    train = interactions.values[interactions.rows("train")]
    assert metrics["mean"]["mse"] == pytest.approx(np.mean((interactions.values[rows] - train.mean()) ** 2))
    popular = baseline_metrics(Interactions(Dataset.load(tmp_path / "dataset"), "item", 20), rows, ITEMS)
    assert 0 < popular["popularity"]["recall@10"] < 1


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValidationError, match="heads 3 must divide hidden_size 64"):
        NetworkConfig(heads=3)
