"""Sessions as targets: the filter of high-quality sessions, its counts, and the histories before them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.errors import DataError
from genrec.runs import Manifest
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.config import SessionConfig
from genrec_alignment.pretraining.session_tasks import REASONS, SessionTasks, describe, good_sessions
from genrec_alignment.pretraining.tasks import TrainingLog

ITEMS = 12
IDS = [f"i{item:02}" for item in range(ITEMS)]
CATALOGUE = Catalogue(
    IDS, np.stack([np.arange(ITEMS) // 4, np.arange(ITEMS) % 4], axis=1).astype(np.int32), (3, 4), [""] * ITEMS
)


def _dataset(rows: list[tuple[str, int, int, str, float | None, str]], drop: tuple[str, ...] = ()) -> Dataset:
    """A dataset of (user, item, session, split, value, behavior), in the order of time."""
    names = ["user_id", "item", "session", "split", "value", "behavior"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_row_index("timestamp")
    frame = frame.with_columns(item_id=pl.Series([IDS[item] for item in frame["item"]])).drop("item", *drop)
    items = pl.DataFrame({"item_id": IDS, "title": IDS})
    return Dataset(Path("runs/x/dataset"), Manifest.__new__(Manifest), items, frame)


LOG = _dataset(
    [
        ("a", 0, 0, "train", 1.0, "view"),
        ("a", 1, 0, "train", 2.0, "view"),
        ("a", 0, 0, "train", 1.0, "view"),  # again: counts for the value, not as an item
        ("a", 2, 1, "train", None, "view"),
        ("a", 3, 1, "train", 9.0, "like"),
        ("a", 4, 2, "valid", 9.0, "like"),
        ("b", 5, 3, "train", 1.0, "like"),
        ("b", 6, 4, "train", 4.0, "like"),
        ("b", 7, 4, "train", 4.0, "view"),
        ("b", 8, 4, "train", 0.0, "view"),
    ]
)


def _items(dataset: Dataset, config: SessionConfig) -> list[list[int]]:
    sessions, _ = good_sessions(dataset, config)
    return [dataset.sequences.items[rows].tolist() for rows in sessions]


def test_the_filter_counts_each_session_under_its_first_reason() -> None:
    config = SessionConfig(length=2, min_value=5.0, strong_behaviors=("like",))
    sessions, report = good_sessions(LOG, config)
    assert [LOG.sequences.items[rows].tolist() for rows in sessions] == [[2, 3], [6, 7]]
    assert report == {
        "sessions": 4, "kept": 2, "too_few_items": 1, "too_little_value": 1, "no_strong_behavior": 0,
        "value_threshold": 5.0,
    }  # fmt: skip
    assert describe(report).startswith("2 of 4 training sessions kept; left out: 1 too few items, 1 too little")


def test_a_session_needs_different_items_and_gives_its_first_ones() -> None:
    assert _items(LOG, SessionConfig(length=3, min_items=2)) == [[0, 1], [2, 3], [6, 7, 8]]
    assert _items(LOG, SessionConfig(length=3)) == [[6, 7, 8]]
    assert _items(LOG, SessionConfig(length=1)) == [[0], [2], [5], [6]]


def test_a_quantile_is_one_of_all_training_sessions() -> None:
    _, report = good_sessions(LOG, SessionConfig(length=1, min_value_quantile=0.5))
    assert report["value_threshold"] == 6.0  # of 1, 4, 8, 9
    assert report["kept"] == 2
    assert report["too_little_value"] == 2


def test_a_strong_behavior_anywhere_in_the_session_is_enough() -> None:
    assert _items(LOG, SessionConfig(length=1, strong_behaviors=("like",))) == [[2], [5], [6]]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, ITEMS - 1), st.floats(0, 9), st.sampled_from(["view", "like"])),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 3),
    st.floats(0, 9),
)
def test_what_is_kept_and_what_fell_add_up(
    rows: list[tuple[int, int, float, str]], length: int, value: float
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    dataset = _dataset([("a", item, session, "train", worth, kind) for session, item, worth, kind in rows])
    config = SessionConfig(length=length, min_value=value)
    try:
        sessions, report = good_sessions(dataset, config)
    except DataError:  # nothing passes
        return
    assert len(sessions) == report["kept"] == report["sessions"] - sum(report[reason] for reason in REASONS)
    for session in sessions:
        items = dataset.sequences.items[session]
        assert len(set(items.tolist())) == len(items) == length
        number = dataset.interactions["session"][int(session[0])]
        assert dataset.interactions.filter(pl.col("session") == number)["value"].sum() >= value


def test_a_session_s_history_is_all_training_before_its_first_event() -> None:
    log = TrainingLog.of(LOG)
    sessions, _ = good_sessions(LOG, SessionConfig(length=2, min_items=1))
    tasks = SessionTasks(log, sessions, CATALOGUE, np.arange(1, ITEMS + 1), 3, 0)
    histories = [log.items[tasks.task(row).history].tolist() for row in range(len(tasks))]
    assert histories == [[], [0, 1, 0], [], [5]]
    assert tasks.lengths.tolist() == [0, 3, 0, 1]
    batch = tasks([1, 2])
    assert batch["target_codes"].tolist() == [[[[0, 2], [0, 3]]], [[[1, 1], [-100, -100]]]]
    assert "visible" not in batch


def test_sessions_that_lie_in_each_other_see_only_what_came_before() -> None:
    """Requests may be answered at once: their rows are mixed."""
    mixed = _dataset(
        [("a", item, session, "train", 1.0, "view") for item, session in ((0, 0), (1, 1), (2, 0), (3, 1))]
    )
    log = TrainingLog.of(mixed)
    sessions, _ = good_sessions(mixed, SessionConfig(length=2))
    tasks = SessionTasks(log, sessions, CATALOGUE, np.arange(1, ITEMS + 1), 9, 0)
    assert [log.items[tasks.task(row).history].tolist() for row in range(2)] == [[], [0]]
    assert [log.items[rows].tolist() for rows in sessions] == [[0, 2], [1, 3]]


def test_everything_that_the_log_lacks_is_named_at_once() -> None:
    bare = _dataset([("a", 0, 0, "train", 1.0, "view")], drop=("session", "value", "behavior"))
    with pytest.raises(DataError, match="3 problems") as error:
        good_sessions(bare, SessionConfig(min_value=1, strong_behaviors=("like",)))
    assert "data.sessions.by=request" in str(error.value)
    with pytest.raises(DataError, match=r"'lik'.*Did you mean 'like'"):
        good_sessions(LOG, SessionConfig(strong_behaviors=("lik",)))


def test_an_impossible_filter_is_refused_with_its_counts() -> None:
    with pytest.raises(DataError, match=r"0 of 4 training sessions kept; left out: 4 too few items") as error:
        good_sessions(LOG, SessionConfig(length=5))
    assert "Loosen train.session" in str(error.value)
