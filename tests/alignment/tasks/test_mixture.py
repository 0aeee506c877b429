"""Shares, order and what an epoch goes over."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec_alignment.tasks import Mixture, MixtureConfig, Task, TaskRow, TaskSource
from tests.alignment.tasks.conftest import write_dataset


class Numbers(Task):
    """A task of so many units, whose rows say which."""

    name, needs = "numbers", "numbers"

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        return TaskRow(self.name, str(unit), str(rng.integers(10**6)))


def mixture(sizes: list[int], weights: list[float], rows: int | None = None, seed: int = 0) -> Mixture:
    tasks = {f"t{at}": Numbers(size) for at, size in enumerate(sizes)}
    return Mixture(tasks, dict(zip(tasks, weights, strict=True)), rows, seed)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.01, 10)), min_size=1, max_size=5),
    st.integers(1, 200),
    st.integers(0, 3),
)
def test_every_task_has_its_share_to_within_a_row(tasks: list[tuple[int, float]], rows: int, epoch: int) -> None:
    sizes, weights = [list(part) for part in zip(*tasks, strict=True)]
    mixed = mixture(sizes, weights, rows)
    kinds, units = mixed.plan(epoch)
    assert len(kinds) == len(units) == len(mixed) == rows
    for kind, (size, weight) in enumerate(tasks):
        own = units[kinds == kind]
        assert abs(len(own) - rows * weight / sum(weights)) < 1 + 1e-9
        assert ((own >= 0) & (own < size)).all()


@given(st.integers(1, 20), st.integers(1, 50), st.integers(1, 4))
def test_no_unit_comes_twice_before_all_have_come_once(size: int, rows: int, epochs: int) -> None:
    mixed = mixture([size], [1], rows)
    seen = Counter(unit for epoch in range(epochs) for unit in mixed.plan(epoch)[1].tolist())
    counts = [seen[unit] for unit in range(size)]
    assert sum(counts) == rows * epochs
    assert max(counts) - min(counts) <= 1


def test_an_epoch_is_one_pass_over_the_task_of_largest_weight() -> None:
    mixed = mixture([40, 7], [3, 1])
    assert mixed.counts == {"t0": 40, "t1": 13}
    kinds, units = mixed.plan(5)
    assert sorted(units[kinds == 0]) == list(range(40))


def test_tasks_are_interleaved_and_the_order_changes_with_epoch_and_seed() -> None:
    mixed = mixture([100, 100], [1, 1])
    plans = [mixed.plan(0), mixed.plan(1), mixture([100, 100], [1, 1], seed=1).plan(0)]
    assert 60 < np.abs(np.diff(plans[0][0])).sum() < 140  # changes of task from one row to the next
    orders = {tuple(kinds) for kinds, _ in plans}
    assert len(orders) == 3
    assert (mixture([100, 100], [1, 1]).plan(0)[1] == plans[0][1]).all()


def test_a_row_depends_on_its_place_alone() -> None:
    first, second = mixture([5], [1]), mixture([5], [1])
    second.row("t0", 4, 0, 3)
    assert first.row("t0", 2, 1, 9) == second.row("t0", 2, 1, 9)
    assert first.row("t0", 2, 1, 9) != first.row("t0", 2, 1, 8)
    assert first.row("t0", 2, 1, 9) != first.row("t0", 2, 2, 9)


def test_all_that_a_dataset_lacks_is_said_at_once(tmp_path, catalogue) -> None:
    items = pl.DataFrame({"item_id": [f"i{at}" for at in range(6)]})
    source = TaskSource.of(write_dataset(tmp_path / "bare", items), catalogue, MixtureConfig(), 3)
    config = MixtureConfig(weights={"title_to_sid": 1, "next_item": 1, "sid_to_description": 1, "search": 0})
    with pytest.raises(DataError) as error:
        Mixture.of(config, source, 0)
    assert [problem.split("'")[1] for problem in error.value.problems] == ["title_to_sid", "sid_to_description"]
    assert "a column 'title' of items.parquet" in error.value.problems[0]
    assert "Leave the task out" in error.value.remedy


def test_a_weight_of_zero_leaves_a_task_out(source: TaskSource) -> None:
    mixed = Mixture.of(MixtureConfig(weights={"next_item": 2, "persona": 0}), source, 0)
    assert mixed.counts == {"next_item": 4}
