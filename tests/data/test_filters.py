from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.data.config import DataConfig, Filters, Problems
from genrec.data.filters import k_core
from genrec.data.make import write_dataset
from genrec.errors import DataError

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=60)
LEAST = st.integers(1, 4)


def core_by_hand(pairs: list[tuple[int, int]], min_user: int, min_item: int) -> set[int]:
    """The union of everything that survives dropping one failing row at a time, in no clever order."""
    left = set(range(len(pairs)))
    while True:
        users = [pairs[i][0] for i in left]
        items = [pairs[i][1] for i in left]
        failing = [i for i in left if users.count(pairs[i][0]) < min_user or items.count(pairs[i][1]) < min_item]
        if not failing:
            return left
        left.discard(failing[-1])


@given(PAIRS, LEAST, LEAST)
def test_k_core_is_the_largest_fixed_point(pairs: list[tuple[int, int]], min_user: int, min_item: int) -> None:
    users, items = (np.array([pair[side] for pair in pairs], dtype=np.int32) for side in (0, 1))
    kept = k_core(users, items, min_user, min_item)
    assert set(np.flatnonzero(kept)) == core_by_hand(pairs, min_user, min_item)
    again = k_core(users[kept], items[kept], min_user, min_item)
    assert again.all()


def log(**columns: list[object]) -> pl.DataFrame:
    size = len(next(iter(columns.values())))
    base = {"user_id": ["u"] * size, "item_id": [f"i{n}" for n in range(size)]}
    return pl.DataFrame(base | columns)


def days(*numbers: int) -> list[object]:
    return [datetime(2024, 1, number, tzinfo=UTC).timestamp() for number in numbers]


def test_every_filter_keeps_what_it_names_and_counts_what_it_drops(tmp_path: Path) -> None:
    frame = log(
        timestamp=days(1, 2, 3, 4, 5, 6),
        behavior=["click", "click", "view", "click", "click", None],
        value=[5.0, 1.0, 5.0, 3.3, None, 5.0],
    )
    filters = Filters(
        since=datetime(2024, 1, 2),
        until=datetime(2024, 1, 6),
        behaviors=("click",),
        min_value=3.3,
    )
    manifest = write_dataset(tmp_path / "d", None, frame, DataConfig(filters=filters))
    assert Dataset.load(tmp_path / "d").interactions["item_id"].to_list() == ["i3"]
    assert {loss["what"]: loss["count"] for loss in manifest.details["dropped"]} == {
        "interactions before data.filters.since": 1,
        "interactions at or after data.filters.until": 1,
        "interactions of another behavior": 1,
        "interactions below data.filters.min_value": 2,
    }


def test_a_filter_on_a_column_the_log_lacks_is_an_error(tmp_path: Path) -> None:
    config = DataConfig(filters=Filters(min_value=3, behaviors=("click",)))
    with pytest.raises(DataError, match="asks for the column 'behavior'") as caught:
        write_dataset(tmp_path / "d", None, log(timestamp=days(1, 2)), config)
    assert len(caught.value.problems) == 2


def test_a_behavior_that_never_occurs_gets_a_suggestion(tmp_path: Path) -> None:
    config = DataConfig(filters=Filters(behaviors=("clik",)))
    with pytest.raises(DataError, match="Did you mean 'click'"):
        write_dataset(tmp_path / "d", None, log(behavior=["click", "view"]), config)


def test_nothing_left_is_an_error_that_accounts_for_the_losses(tmp_path: Path) -> None:
    config = DataConfig(filters=Filters(min_user_interactions=5))
    with pytest.raises(DataError, match=r"no interaction is left(?s:.*)2 interactions outside the k-core"):
        write_dataset(tmp_path / "d", None, log(timestamp=days(1, 2)), config)


@pytest.mark.parametrize(("action", "left"), [("drop", 2), ("keep", 3)])
def test_repeated_interactions(tmp_path: Path, action: str, left: int) -> None:
    frame = pl.DataFrame({"user_id": "u", "item_id": ["a", "b", "a"], "timestamp": days(1, 2, 1)})
    config = DataConfig(problems=Problems.model_validate({"repeated_interactions": action}))
    manifest = write_dataset(tmp_path / "d", None, frame, config)
    assert manifest.details["counts"]["interactions"] == left
    entry = manifest.details["dropped" if action == "drop" else "kept"][0]
    assert (entry["count"], entry["examples"]) == (1, ["row 3 (user u, item a)"])


def test_the_same_item_at_another_time_or_with_another_value_is_no_repetition(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": "u", "item_id": "a", "timestamp": days(1, 1, 2), "value": [1.0, 2.0, 1.0]})
    assert write_dataset(tmp_path / "d", None, frame).details["counts"]["interactions"] == 3


def test_repetitions_can_be_an_error(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": "u", "item_id": ["a", "a"], "timestamp": days(1, 1)})
    config = DataConfig(problems=Problems(repeated_interactions="raise"))
    with pytest.raises(DataError, match="1 interactions that repeat another"):
        write_dataset(tmp_path / "d", None, frame, config)


def test_a_log_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The file holds no rows"):
        write_dataset(tmp_path / "d", None, log(timestamp=days(1)).clear())
    config = DataConfig(filters=Filters(since=datetime(2030, 1, 1, tzinfo=UTC)))
    with pytest.raises(DataError, match=r"no interaction is left(?s:.*)2 interactions before"):
        write_dataset(tmp_path / "d", None, log(timestamp=days(1, 2)), config)
