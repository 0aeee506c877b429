"""What an event tells besides its item: learned from training alone, the same from the log and typed in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.data.categories import BUCKETS, Buckets, Liked, Words
from genrec.data.features import Features
from genrec.data.make import write_dataset
from genrec.errors import ArtifactError, DataError

START = 1_700_000_000_000
ALL = ["behavior", "value", "gap", "domain", "item:genres"]
ITEMS = pl.DataFrame(
    {
        "item_id": list("abcd"),
        "title": list("ABCD"),
        "genres": ["Drama, War", "Comedy", None, "Drama"],
    }
)
LOG = pl.DataFrame(
    {
        "user_id": list("uuuuvvv"),
        "item_id": list("abcdbca"),
        "timestamp": [START + 1000 * seconds for seconds in (0, 0, 3, 1003, 50, 51, 53)],
        "behavior": ["view", "like", "view", "buy", "view", "like", "share"],
        "value": [1.0, 2.0, 3.0, 99.0, 2.0, 3.0, -99.0],
        "domain": ["shop", "shop", "video", "shop", "shop", "video", "audio"],
    }
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    write_dataset(tmp_path / "d", ITEMS, LOG)  # leave one out: of u, c is validation and d test; of v, c and a
    return Dataset.load(tmp_path / "d")


def test_the_codes_of_a_log(dataset: Dataset) -> None:
    features = Features.fit(dataset, ALL)
    # Training: view like | view, values 1 2 | 2, domain shop alone, genres Drama Comedy | Comedy.
    assert features.names == tuple(ALL)
    assert features.sizes == (3, 3, 33, 2, 4)
    assert features.table(dataset).tolist() == [
        [2, 1, 0, 1, 2],
        [1, 2, 1, 1, 1],
        [2, 2, 3, 0, 0],
        [0, 2, 11, 1, 2],
        [2, 2, 0, 1, 1],
        [1, 2, 2, 0, 0],
        [0, 1, 3, 0, 2],
    ]


def test_what_is_held_out_teaches_nothing(tmp_path: Path) -> None:
    other = LOG.with_columns(
        behavior=pl.when(pl.col("behavior").is_in(["buy", "share"])).then(pl.lit("zzz")).otherwise("behavior"),
        value=pl.when(pl.col("value").abs() > 50).then(7.5).otherwise("value"),
    )
    sources = {}
    for name, log in (("one", LOG), ("two", other)):
        write_dataset(tmp_path / name, ITEMS, log)
        sources[name] = Features.fit(Dataset.load(tmp_path / name), ALL).coders
    assert sources["one"] == sources["two"]


def test_typed_in_events_get_the_codes_of_the_log(dataset: Dataset) -> None:
    features = Features.fit(dataset, ALL)
    table = features.table(dataset)
    for user, length in (("u", 4), ("v", 3)):
        rows = dataset.interactions.with_row_index().filter(user_id=user)
        typed = features.encode(
            rows["item_id"].to_list(),
            behaviors=rows["behavior"].to_list(),
            values=rows["value"].to_list(),
            timestamps=rows["timestamp"].to_list(),
            domains=rows["domain"].to_list(),
        )
        assert typed.shape == (length, len(ALL))
        assert (typed == table[rows["index"].to_numpy()]).all()


def test_what_is_not_known_is_zero(dataset: Dataset) -> None:
    features = Features.fit(dataset, ALL)
    assert features.encode(["a", "new"]).tolist() == [[0, 0, 0, 0, 2], [0, 0, 0, 0, 0]]
    partly = features.encode(
        ["a", "b"], behaviors=[None, "dance"], values=[float("nan"), 2], timestamps=[None, START]
    )
    assert partly.tolist() == [[0, 0, 0, 0, 2], [0, 2, 0, 0, 1]]
    assert features.encode([]).shape == (0, len(ALL))


def test_features_serve_alone(dataset: Dataset, tmp_path: Path) -> None:
    features = Features.fit(dataset, ALL)
    features.save(tmp_path / "features.json")
    again = Features.load(tmp_path / "features.json")
    assert (again.names, again.sizes) == (features.names, features.sizes)
    assert (again.table(dataset) == features.table(dataset)).all()
    plain = Features.fit(dataset, ["gap"])
    plain.save(tmp_path / "features.json")
    assert Features.load(tmp_path / "features.json").encode(["a"]).tolist() == [[0]]


@pytest.mark.parametrize("content", ["", "{}", '{"features": [{"name": "gap"}], "items": {}}'])
def test_a_broken_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "features.json").write_text(content)
    with pytest.raises(ArtifactError, match="no readable features"):
        Features.load(tmp_path / "features.json")


def test_no_features_is_a_table_without_columns(dataset: Dataset) -> None:
    features = Features.fit(dataset, [])
    assert features.table(dataset).shape == (7, 0)
    assert features.encode(["a"]).shape == (1, 0)


def test_all_that_is_wrong_with_the_names_comes_at_once(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", ITEMS, LOG.select("user_id", "item_id"))
    with pytest.raises(DataError) as error:
        Features.fit(
            Dataset.load(tmp_path / "d"), ["behaviour", "value", "gap", "item:genre", "item:title", "item:title"]
        )
    text = str(error.value)
    assert "Unknown feature 'behaviour'. Did you mean 'behavior'" in text
    assert "Did you mean 'item:genres'" in text
    assert "has no column value" in text
    assert "has no times" in text
    assert "'item:title' is named twice" in text
    assert len(error.value.problems) == 5


def test_all_that_is_wrong_with_typed_in_events_comes_at_once(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="2 behaviors for 1 events") as error:
        Features.fit(dataset, ALL).encode(["a"], behaviors=["view", "view"], values=["high"])  # type: ignore[list-item]
    assert "values must be numbers" in str(error.value)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")) | st.none(), min_size=1))
def test_buckets_keep_the_order_and_are_all_used(numbers: list[float | None]) -> None:
    column = pl.Series(numbers, dtype=pl.Float64)
    known = column.drop_nulls().drop_nans()
    if known.is_empty():
        return
    buckets = Buckets.fit(known)
    codes = buckets.encode(column)
    missing = column.is_null() | column.is_nan()
    assert (codes[missing.to_numpy()] == 0).all()
    kept = codes[~missing.to_numpy()]
    assert (np.diff(kept[np.argsort(known.to_numpy(), kind="stable")]) >= 0).all()
    assert set(kept) == set(range(1, buckets.size))
    assert buckets.size <= 1 + BUCKETS


def test_the_most_frequent_words_and_the_others() -> None:
    words = Words.fit(pl.Series(["b", "b", "a", "a", "a", "c", None]), most=2)
    assert words.words == ("a", "b")
    assert words.encode(pl.Series(["a", "b", "c", "new", None])).tolist() == [1, 2, 3, 3, 0]
    assert words.size == 4


def test_who_the_user_is(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": [f"u{n:02}" for n in range(30)] * 2, "item_id": ["a", "b"] * 30})
    people = pl.DataFrame(
        {"user_id": [f"u{n:02}" for n in range(29)], "age": range(29), "city": ["Rome"] * 20 + ["Oslo"] * 9}
    )
    write_dataset(tmp_path / "d", None, log, users=people)
    dataset = Dataset.load(tmp_path / "d")
    features = Features.fit(dataset, ["user:age", "user:city"])
    assert isinstance(features.coders["user:age"], Buckets)
    table = features.table(dataset)
    assert table[:2].tolist() == [[1, 1], [1, 1]]  # both events of the youngest, in the city of most
    assert table[-4:].tolist() == [[10, 2], [10, 2], [0, 0], [0, 0]]  # nothing is known of the last user
    assert features.encode(["x", "a"], user={"city": "Oslo", "age": "12", "shoe": "44"}).tolist() == [[5, 2]] * 2
    assert features.encode(["x"], user={"city": "Paris", "age": "old"}).tolist() == [[0, 3]]
    with pytest.raises(DataError, match="Did you mean 'user:age'"):
        Features.fit(dataset, ["user:agee"])


def test_positive_feedback_is_told_by_kind_or_value(dataset: Dataset, tmp_path: Path) -> None:
    features = Features.fit(dataset, ["behavior"], Liked(("like",), 99.0))
    assert features.names == ("behavior", "liked")
    assert features.table(dataset)[:, 1].tolist() == [1, 2, 1, 2, 1, 2, 1]
    features.save(tmp_path / "features.json")
    assert Features.load(tmp_path / "features.json").encode(["a", "a"], values=[99, None]).tolist() == [
        [0, 2],
        [0, 0],
    ]
