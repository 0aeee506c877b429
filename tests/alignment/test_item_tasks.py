"""What is learned of single items: every place is a target, after what came before it and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.item_tasks import ItemWindows, NextItems
from genrec_alignment.pretraining.tasks import NOTHING, Task, Tasks, TrainingLog
from genrec_alignment.pretraining.windows import IGNORED, StepSampler

ITEMS = 40
CATALOGUE = Catalogue(
    [str(item) for item in range(ITEMS)],
    np.stack([np.arange(ITEMS) // 8, np.arange(ITEMS) % 8], axis=1).astype(np.int32),
    (5, 8),
    [""] * ITEMS,
)
ROWS = np.arange(1, ITEMS + 1)

histories = st.lists(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=20), min_size=1, max_size=8)


def _log(lists: list[list[int]], features: bool = False) -> TrainingLog:
    ends = np.cumsum([len(items) for items in lists])
    rows = np.split(np.arange(ends[-1]), ends[:-1])
    items = np.concatenate(lists).astype(np.int32)
    return TrainingLog(items, rows, np.stack([items % 3, items % 5], axis=1) if features else None)


def _tasks(kind: type[Tasks], lists: list[list[int]], length: int, seed: int = 0, noise: float = 0.0) -> Tasks:
    return kind(_log(lists), CATALOGUE, ROWS, length, seed, noise)


def _learned(tasks: Tasks, task: Task) -> list[tuple[tuple[int, ...], int]]:
    """Every target of a task with the items it is learned from."""
    seen = tasks.log.items[task.history].tolist()
    visible = [len(seen)] * len(task.targets) if task.visible is None else task.visible.tolist()
    pairs = zip(visible, task.targets[:, 0].tolist(), strict=True)
    return [(tuple(seen[:count]), item) for count, item in pairs if item >= 0]


@settings(max_examples=40, deadline=None)
@given(histories, st.integers(1, 9), st.integers(0, 3))
def test_a_window_teaches_each_of_its_items_after_those_before_it(
    lists: list[list[int]], length: int, epoch: int
) -> None:
    tasks = _tasks(ItemWindows, lists, length)
    tasks.epoch = epoch
    stretches = {
        (tuple(items[start:at]), items[at])
        for items in lists
        for start in range(len(items))
        for at in range(start, min(len(items), start + length + 1))
    }
    for row in range(len(tasks)):
        task = tasks.task(row)
        assert len(task.history) == tasks.lengths[row] <= length
        assert set(_learned(tasks, task)) <= stretches


@settings(max_examples=40, deadline=None)
@given(histories, st.integers(1, 9), st.integers(0, 3))
def test_only_a_user_s_true_first_item_is_learned_from_nothing(
    lists: list[list[int]], length: int, epoch: int
) -> None:
    tasks = _tasks(ItemWindows, lists, length)
    tasks.epoch = epoch
    for row in range(len(tasks)):
        task = tasks.task(row)
        cold = [item for seen, item in _learned(tasks, task) if not seen]
        firsts = {int(rows[0]) for rows in tasks.log.users}
        begins = len(task.history) == 0 or int(task.history[0]) in firsts
        assert bool(cold) == begins


@settings(max_examples=40, deadline=None)
@given(histories, st.integers(1, 9))
def test_short_histories_are_learned_whole_in_every_epoch(lists: list[list[int]], length: int) -> None:
    short = [items[: length + 1] for items in lists]
    windows, rows = _tasks(ItemWindows, short, length), _tasks(NextItems, short, length)
    expected = sorted((tuple(items[:at]), items[at]) for items in short for at in range(len(items)))
    for tasks in (windows, rows):
        assert sorted(pair for row in range(len(tasks)) for pair in _learned(tasks, tasks.task(row))) == expected


@settings(max_examples=40, deadline=None)
@given(histories, st.integers(1, 9))
def test_next_items_are_every_item_after_the_latest_before_it(lists: list[list[int]], length: int) -> None:
    tasks = _tasks(NextItems, lists, length)
    expected = [(tuple(items[max(0, at - length) : at]), items[at]) for items in lists for at in range(len(items))]
    assert [pair for row in range(len(tasks)) for pair in _learned(tasks, tasks.task(row))] == expected
    assert tasks.lengths.tolist() == [len(seen) for seen, _ in expected]


def test_windows_depend_on_seed_epoch_and_row_alone() -> None:
    def starts(seed: int, epoch: int, order: list[int]) -> dict[int, list[int]]:
        tasks = _tasks(ItemWindows, [list(range(40))], 5, seed)
        tasks.epoch = epoch
        return {row: tasks.task(row).history.tolist() for row in order}

    assert starts(0, 1, [0, 1, 2, 3]) == starts(0, 1, [3, 2, 1, 0])
    assert starts(0, 1, [0, 1, 2, 3]) != starts(0, 2, [0, 1, 2, 3])
    assert starts(0, 1, [0, 1, 2, 3]) != starts(1, 1, [0, 1, 2, 3])


@pytest.mark.parametrize("kind", [ItemWindows, NextItems])
def test_order_noise_changes_places_of_near_items_only(kind: type[Tasks]) -> None:
    tasks, moved = _tasks(kind, [list(range(30))], 29, noise=3), 0
    for epoch in range(10):
        tasks.epoch = epoch
        places = tasks.task(len(tasks) - 1).history
        assert (np.abs(places - np.sort(places)) <= 3).all()
        moved += int((np.diff(places) < 0).any())
    assert moved == 10


def test_a_batch_is_padded_and_holds_codes_rows_and_features() -> None:
    lists = [[8, 9, 17], [1]]
    tasks = ItemWindows(_log(lists, features=True), CATALOGUE, ROWS, 10, 0)
    batch = tasks([0, 1, NOTHING])
    assert batch["history_mask"].tolist() == [[True, True], [False, False], [False, False]]
    assert batch["history_codes"][0].tolist() == [[1, 0], [1, 1]]
    assert batch["history_rows"].tolist() == [[9, 10], [0, 0], [0, 0]]
    assert batch["history_features"][0].tolist() == [[2, 3], [0, 4]]
    nothing = [[IGNORED, IGNORED]]
    assert batch["target_codes"].tolist() == [
        [[[1, 0]], [[1, 1]], [[2, 1]]],
        [[[0, 1]], nothing, nothing],
        [nothing, nothing, nothing],
    ]
    assert batch["visible"].tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 0]]
    assert all(part.dtype in (torch.int64, torch.bool) for part in batch.values())


def test_one_task_a_row_needs_no_visible() -> None:
    assert "visible" not in _tasks(NextItems, [[1, 2]], 5)([0, 1])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 8))
def test_a_filled_sampler_has_whole_steps_and_every_row_once(lengths: list[int], step: int) -> None:
    tasks = _tasks(NextItems, [[1]], 5)
    sampler = StepSampler(np.array(lengths), step, 0, tasks, NOTHING)
    rows = list(sampler)
    assert len(rows) == len(sampler)
    assert len(rows) % step == 0
    assert sorted(row for row in rows if row != NOTHING) == list(range(len(lengths)))
    assert len(rows) < len(lengths) + step
