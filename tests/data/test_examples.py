"""Prediction tasks: items and sessions, their histories and the rows these come from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.data.config import DataConfig, Sessions, Split
from genrec.data.examples import distinct
from genrec.data.make import write_dataset
from genrec.errors import DataError

SESSIONS = DataConfig(sessions=Sessions(by="request"), split=Split(by="leave_one_session_out"))
# (user, request, item): u's request s begins before r ends; v has too few sessions.
ROWS = [
    ("u", "r", "a"), ("u", "r", "b"), ("u", "s", "c"), ("u", "r", "d"),
    ("u", "t", "a"), ("u", "t", "e"), ("u", "t", "a"),
    ("v", "r", "a"), ("v", "s", "b"),
]  # fmt: skip


def write(folder: Path, rows: list[tuple[str, str, str]] = ROWS, config: DataConfig = SESSIONS) -> Dataset:
    write_dataset(
        folder, None, pl.DataFrame(rows, schema=["user_id", "request_id", "item_id"], orient="row"), config
    )
    return Dataset.load(folder)


def names(data: Dataset, items: np.ndarray) -> str:
    return "".join(data.item_ids[item] for item in items)


def test_a_session_is_predicted_from_what_came_before_it(tmp_path: Path) -> None:
    data = write(tmp_path / "d")
    test, valid = data.session_examples("test"), data.session_examples("valid")
    assert [names(data, target) for target in test.targets] == ["ae"]
    assert [names(data, history) for history in test.histories] == ["abcd"]
    assert [names(data, target) for target in valid.targets] == ["c"]
    assert [names(data, history) for history in valid.histories] == ["ab"]
    assert [data.user_ids[user] for user in test.users] == ["u"]
    assert data.manifest.details["split"]["users_too_short"] == 1
    assert len(data.session_examples("test", users=np.array([1]))) == 0


def test_training_sessions_hold_training_rows_only(tmp_path: Path) -> None:
    data = write(tmp_path / "d")
    sessions = data.training_sessions()
    assert [names(data, data.sequences.items[sessions[at]]) for at in range(len(sessions))] == ["ab", "a", "b"]
    assert sessions.users.tolist() == [0, 1, 1]
    assert sessions.first.tolist() == [0, 7, 8]
    ones = np.ones(len(ROWS))
    assert np.add.reduceat(ones[sessions.rows], sessions.offsets[:-1]).tolist() == [2, 1, 1]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("rstx"), st.sampled_from("abcd")), min_size=1))
def test_sessions_equal_a_naive_computation(rows: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = write(Path(folder) / "d", rows)
    for split in ("train", "valid", "test"):
        expected = []
        for user in sorted({row[0] for row in rows}):
            own = data.interactions.filter(user_id=user)
            for session in own.filter(split=split)["session"].unique(maintain_order=True).sort():
                held = own.with_row_index().filter(session=session, split=split)
                earlier = own["item_id"][: held["index"][0]].to_list()
                expected.append((user, earlier, list(dict.fromkeys(held["item_id"]))))
        found = data.session_examples(split)
        assert expected == [
            (data.user_ids[user], list(names(data, history)), list(names(data, target)))
            for user, history, target in zip(found.users, found.histories, found.targets, strict=True)
        ]


@pytest.mark.parametrize("kind", ["item", "session"])
def test_a_part_of_the_examples_and_the_rows_of_histories(tmp_path: Path, kind: str) -> None:
    rows = [(user, str(session), item) for user in "pqrs" for session in range(4) for item in "ab"]
    data = write(tmp_path / "d", rows)
    examples = data.examples("test") if kind == "item" else data.session_examples("test")
    assert examples.starts is not None
    assert examples.stops is not None
    for start, stop, history in zip(examples.starts, examples.stops, examples.histories, strict=True):
        assert data.sequences.items[start:stop].tolist() == history.tolist()
    positions = np.array([3, 1])
    for part, kept in ((examples[1:3], [1, 2]), (examples[positions], [3, 1])):
        assert part.starts is not None
        assert part.users.tolist() == examples.users[kept].tolist()
        assert part.starts.tolist() == examples.starts[kept].tolist()
        assert [target.tolist() for target in part.targets] == [examples.targets[at].tolist() for at in kept]
        assert [list(history) for history in part.histories] == [list(examples.histories[at]) for at in kept]
    mask = np.arange(len(examples)) == 2
    assert examples[mask].users.tolist() == examples[np.array([2])].users.tolist()


def test_the_sequences_tell_sessions_behaviors_and_values(tmp_path: Path) -> None:
    log = pl.DataFrame(
        {"user_id": list("uu"), "item_id": list("ab"), "behavior": ["click", None], "value": [None, 2.5]}
    )
    write_dataset(tmp_path / "d", None, log, DataConfig(sessions=Sessions(by="count", size=1)))
    sequences = Dataset.load(tmp_path / "d").sequences
    assert sequences.sessions is not None
    assert sequences.sessions.tolist() == [0, 1]
    assert sequences.behaviors is not None
    assert sequences.behaviors.to_list() == ["click", None]
    assert sequences.values is not None
    assert np.isnan(sequences.values[0])
    assert sequences.values[1] == 2.5


def test_a_dataset_without_sessions_says_what_to_do(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", None, pl.DataFrame({"user_id": ["u"], "item_id": ["a"]}))
    data = Dataset.load(tmp_path / "d")
    assert (data.sequences.sessions, data.sequences.behaviors, data.sequences.values) == (None, None, None)
    with pytest.raises(DataError, match=r"data\.sessions\.by"):
        data.session_examples("test")


def test_distinct_items_keep_their_order() -> None:
    assert distinct(np.array([5, 1, 5, 0, 1], np.int32)).tolist() == [5, 1, 0]
