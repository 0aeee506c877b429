"""Groups of users and items: complete, in order, and with the shares that a hand finds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec_eval.report.compared import Entry, compare_runs
from genrec_eval.report.grouping import ACTIVITY, ITEMS, Grouping, by_count, cells, groupings, shares
from tests.eval.evaluations import write_evaluation, write_run

WORDS = ("cold", "warm", "hot")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200))
def test_groups_by_a_count_are_in_order_and_hold_everyone(counts: list[int]) -> None:
    values = np.array(counts)
    grouping = by_count("x", values, WORDS)
    assert grouping.sizes.sum() == len(counts)
    assert (grouping.sizes > 0).all()
    ends = [
        (values[grouping.of == group].min(), values[grouping.of == group].max())
        for group in range(len(grouping.labels))
    ]
    assert all(high < low for (_, high), (low, _) in pairwise(ends))
    assert len(set(grouping.labels)) == len(grouping.labels)


@pytest.mark.parametrize(
    ("counts", "labels"),
    [
        ([0] * 30 + [1, 2, 3] * 10, ["none (0)", "cold (1)", "warm (2)", "hot (3)"]),
        ([0] * 2 + [1, 2, 3] * 10, ["cold (0–1)", "warm (2)", "hot (3)"]),
        ([0] * 30, ["none (0)"]),
        ([4] * 5, ["all (4)"]),
        ([1] * 9 + [1200], ["all (1–1,200)"]),
        ([1] * 5 + [7] * 5, ["cold (1)", "hot (7)"]),
    ],
)
def test_what_groups_are_called(counts: list[int], labels: list[str]) -> None:
    assert by_count("x", np.array(counts), WORDS).labels == labels


def test_shares_and_cells_by_hand() -> None:
    entry = Entry("one", "one", "generator", {}, pl.Series([1, 3, 0, 2, 6, 1]))
    users = Grouping("users", ["a", "b"], np.array([0, 0, 0, 1, 1, 1]))
    items = Grouping("items", ["c", "h"], np.array([0, 0, 1, 1, 0, 0]))
    found = shares(entry, users, 5)
    assert [share.found for share in found] == pytest.approx([2 / 3, 2 / 3])
    assert found[0].high == 1.0
    assert cells(entry, users, items, 5).means.tolist() == [[1.0, 0.0], [0.5, 1.0]]
    assert cells(entry, users, items, 1).means.tolist() == [[0.5, 0.0], [0.5, 0.0]]


def test_groups_come_from_the_training_part_and_the_profiles(tmp_path: Path) -> None:
    users = 60
    run = write_run(tmp_path / "run", {"generator": [1] * users})
    other = write_run(tmp_path / "other", {"generator": [0] * users})
    profiles = pl.DataFrame({
        "user_id": [f"u{user:03}" for user in range(users)],
        "gender": ["f", "m", None] * 20,
        "age": [str(20 + user) for user in range(users)],
        "job": [f"j{user % 12}" for user in range(users)],
        "same": ["x"] * users,
    })  # fmt: skip
    profiles.write_parquet(run / "dataset" / "users.parquet")
    found = {grouping.name: grouping for grouping in groupings(compare_runs([run, other]))}
    assert list(found) == [ITEMS, ACTIVITY, "gender", "age", "job"]
    # User u has u + 1 interactions in training; the target of user u is item u + 2, in training for users u + 2 on.
    assert found[ACTIVITY].labels == ["few (1–20)", "some (21–40)", "many (41–60)"]
    assert sorted(found["gender"].labels) == ["f", "m", "unknown"]
    assert found["age"].labels == ["low (20–39)", "middle (40–59)", "high (60–79)"]
    assert found["job"].labels[-1] == "others"
    assert found["job"].sizes.tolist() == [5] * 7 + [25]


def test_each_item_of_a_session_is_a_target(tmp_path: Path) -> None:
    ranks = {"generator": [[1, 0], [2]] * 2}
    targets = [["i000", "i001"], ["i002"]] * 2
    runs = [write_run(tmp_path / name, {"generator": [1, 1, 1, 1]}) for name in ("one", "two")]
    inputs = compare_runs(runs).runs[0].manifest.inputs
    for run in runs:
        write_evaluation(run, ranks, targets, inputs, [], {"target": "session", "session_length": 5})
    compared = compare_runs(runs)
    grouping = groupings(compared)[0]
    assert grouping.sizes.sum() == 6
    found = [share.found for share in shares(compared.entries[0], grouping, 5)]
    assert np.dot(found, grouping.sizes) == pytest.approx(4)


def test_without_a_dataset_there_are_no_groups(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, {"generator": [1, 1, 0]}) for name in ("one", "two")]
    for run in runs:
        (run / "dataset").rename(run / "elsewhere")
    assert groupings(compare_runs(runs)) == []
