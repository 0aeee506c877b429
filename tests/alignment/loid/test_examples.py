"""What may be read for a prediction: nothing of the predicted interaction, nothing of what is held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.errors import DataError
from genrec_alignment.loid.config import NetworkConfig
from genrec_alignment.loid.examples import Interactions
from genrec_alignment.loid.network import LoidNetwork
from genrec_alignment.loid.training import predict, rank_items
from tests.alignment.loid.conftest import ITEMS, USERS, write_domain

Target = Literal["rating", "item"]
Row = tuple[str, str, int, str, float]
SPLITS = ["train", "valid", "test"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.load(write_domain(tmp_path_factory.mktemp("domain"), "oil") / "dataset")


def _network(interactions: Interactions) -> LoidNetwork:
    torch.manual_seed(0)
    config = NetworkConfig(hidden_size=8, history_length=interactions.history_length)
    return LoidNetwork(USERS, ITEMS, torch.randn(ITEMS, 5), config, interactions.mean).eval()


def _changed(dataset: Dataset, row: int, **values: object) -> Dataset:
    """Return the dataset with one interaction changed."""
    here = pl.int_range(pl.len()) == row
    columns = [
        pl.when(here).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in values.items()
    ]
    return replace(dataset, interactions=dataset.interactions.with_columns(columns))


@pytest.mark.parametrize("target", ["rating", "item"])
def test_the_value_of_a_test_interaction_is_no_input_of_its_prediction(dataset: Dataset, target: Target) -> None:
    before = Interactions(dataset, target, 20)
    rows = before.rows("test")
    network = _network(before)
    first = predict(network, before, rows)
    for row in rows[:5]:
        after = Interactions(_changed(dataset, int(row), value=99.0), target, 20)
        assert predict(network, after, rows[rows == row]) == pytest.approx(first[rows == row], rel=1e-6)
    # The same change of a training interaction is seen, so the check can fail.
    own = before.readable(int(rows[0]))[0]
    after = Interactions(_changed(dataset, int(own), value=-99.0), target, 20)
    assert predict(network, after, rows[:1]) != pytest.approx(first[:1], rel=1e-4)


def test_held_out_interactions_are_no_input_of_any_rating(dataset: Dataset) -> None:
    before = Interactions(dataset, "rating", 20)
    rows = before.rows("test")
    network = _network(before)
    first = predict(network, before, rows)
    log = dataset.interactions
    held = pl.col("split") != "train"
    silent = replace(
        dataset, interactions=log.with_columns(value=pl.when(held).then(7.0).otherwise(pl.col("value")))
    )
    np.testing.assert_allclose(predict(network, Interactions(silent, "rating", 20), rows), first, rtol=1e-6)


def test_what_comes_after_is_no_input_of_a_next_item(dataset: Dataset) -> None:
    before = Interactions(dataset, "item", 20)
    rows = before.rows("test")[:5]
    network = _network(before)
    first = rank_items(network, before, rows, 5)
    for at, row in enumerate(rows):
        own = str(dataset.item_ids[before.items[row]])
        other = "i00" if own != "i00" else "i01"
        after = Interactions(_changed(dataset, int(row), item_id=other), "item", 20)
        assert rank_items(network, after, rows[at : at + 1], 5).tolist() == first[at : at + 1].tolist()


def test_by_hand() -> None:
    rows = [("a", "x", 0, "train", 1.0), ("a", "y", 1, "test", 3.0), ("a", "z", 2, "train", 5.0)]
    interactions = _tiny(rows)
    batch = interactions.batch(np.array([0, 1]))
    assert (interactions.mean, interactions.deviation) == (3.0, 2.0)
    assert batch.history.tolist() == [[2, -1], [0, 2]]
    assert batch.weights.tolist() == [[1.0, 0.0], [-1.0, 1.0]]
    assert batch.items.tolist() == [[0], [1]]
    assert batch.values.tolist() == [1.0, 3.0]
    assert _tiny(rows, "item").batch(np.array([2])).history.tolist() == [[0, 1]]


@settings(deadline=None, max_examples=30)
@given(splits=st.lists(st.sampled_from(SPLITS), min_size=1, max_size=12), length=st.integers(1, 5))
def test_a_history_never_holds_its_own_interaction(splits: list[str], length: int) -> None:
    rows = [("a", f"i{at:02}", at, split, float(at)) for at, split in enumerate(splits)]
    for target in ("rating", "item"):
        interactions = _tiny(rows, target, length)
        history = interactions.batch(np.arange(len(rows))).history
        for row, items in enumerate(history.tolist()):
            read = [item for item in items if item >= 0]
            assert row not in read
            assert len(read) <= length
            assert target == "item" or all(splits[item] == "train" for item in read)
            assert target == "rating" or all(item < row for item in read)


def test_ratings_of_a_log_without_values_are_refused(tmp_path: Path) -> None:
    plain = Dataset.load(write_domain(tmp_path, "oil", values=False) / "dataset")
    with pytest.raises(DataError, match=r"no values\.\nSet loid.target=item"):
        Interactions(plain, "rating", 10)
    assert len(Interactions(plain, "item", 10).rows("test")) == USERS


def test_an_epoch_has_every_training_interaction_once_and_drawn_items_beside_it(dataset: Dataset) -> None:
    for target, negatives in (("rating", 0), ("item", 4)):
        interactions = Interactions(dataset, target, 10)  # type: ignore[arg-type]
        batches = list(interactions.training_batches(32, 4, ITEMS, np.random.default_rng(0)))
        seen = torch.cat([torch.stack([batch.users, batch.items[:, 0]], dim=1) for batch in batches])
        rows = interactions.rows("train")
        assert sorted(map(tuple, seen.tolist())) == sorted(
            zip(interactions.users[rows], interactions.items[rows], strict=True)
        )
        assert batches[0].items.shape == (32, 1 + negatives)


def _tiny(
    rows: list[tuple[str, str, int, str, float]], target: Target = "rating", length: int = 10
) -> Interactions:
    log = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "split", "value"], orient="row")
    items = pl.DataFrame({"item_id": sorted(log["item_id"].unique().to_list())})
    return Interactions(Dataset(Path("none"), None, items, log), target, length)  # type: ignore[arg-type]
