"""Windows, their order and their batches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.arguments import passes
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.windows import IGNORED, Collator, StepSampler, Windows

ITEMS = 40
CATALOGUE = Catalogue(
    [str(item) for item in range(ITEMS)],
    np.stack([np.arange(ITEMS) // 8, np.arange(ITEMS) % 8], axis=1).astype(np.int32),
    (5, 8),
    [""] * ITEMS,
)

histories = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=25), min_size=1, max_size=12)


def _windows(lists: list[list[int]], length: int, seed: int = 0) -> Windows:
    return Windows([np.array(items, dtype=np.int32) for items in lists], CATALOGUE, length, seed)


def _items(tokens: list[int]) -> list[int]:
    codes = CATALOGUE.vocabulary.decode(np.array(tokens[1:]).reshape(-1, 2))
    return (codes[:, 0] * 8 + codes[:, 1]).tolist()


@settings(max_examples=50, deadline=None)
@given(histories, st.integers(1, 10), st.integers(0, 3))
def test_every_row_is_a_contiguous_stretch_of_its_history(lists: list[list[int]], length: int, epoch: int) -> None:
    windows = _windows(lists, length)
    windows.epoch = epoch
    kept = [items for items in lists if items]
    if not kept:
        return
    rows = windows.as_dataset()
    plain = rows.with_format(None)
    assert len(rows) == sum(-(-len(items) // length) for items in kept)
    for at in range(len(rows)):
        tokens, meta = rows[at]["input_ids"], plain[at]
        items, source = _items(tokens), kept[meta["user"]]
        assert tokens[0] == CATALOGUE.vocabulary.bos_id
        assert len(items) == meta["length"] == min(len(source), length)
        assert any(source[start : start + len(items)] == items for start in range(len(source)))


def test_windows_depend_on_seed_epoch_and_row_alone() -> None:
    def starts(seed: int, epoch: int, order: list[int]) -> dict[int, list[int]]:
        windows = _windows([list(range(30))], 5, seed)
        windows.epoch = epoch
        rows = windows.as_dataset()
        return {at: rows[at]["input_ids"] for at in order}

    forward, backward = starts(0, 1, [0, 1, 2, 3]), starts(0, 1, [3, 2, 1, 0])
    assert forward == backward
    assert forward != starts(0, 2, [0, 1, 2, 3])
    assert forward != starts(1, 1, [0, 1, 2, 3])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(1, 8), st.integers(0, 2))
def test_the_sampler_visits_every_row_once(lengths: list[int], batch: int, epoch: int) -> None:
    sampler = StepSampler(np.array(lengths), batch, 0, _windows([[1]], 5))
    sampler.set_epoch(epoch)
    assert sorted(sampler) == list(range(len(lengths)))


def test_parts_of_a_step_pad_less_than_a_shuffle_and_steps_are_as_mixed_as_one(rng: np.random.Generator) -> None:
    lengths = rng.integers(1, 51, size=4096)
    sampler = StepSampler(lengths, 64, 0, _windows([[1]], 5))
    first = list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler)

    def padding(order: list[int], rows: int) -> float:
        blocks = lengths[np.array(order)].reshape(-1, rows)
        return 1 - blocks.sum() / (blocks.max(axis=1) * rows).sum()

    assert padding(first, 64) > 0.45
    assert padding(first, 16) < 0.25
    means = lengths[np.array(first)].reshape(-1, 64).mean(axis=1)
    assert means.std() < 1.5 * lengths.std() / 8  # what 64 rows drawn at random have


def test_order_noise_moves_near_items_only(rng: np.random.Generator) -> None:
    history = rng.permutation(ITEMS)[:30].astype(np.int32)
    moved = 0
    for epoch in range(20):
        windows = Windows([history], CATALOGUE, 30, seed=0, order_noise=4)
        windows.epoch = epoch
        places = [history.tolist().index(item) for item in _items(windows.as_dataset()[0]["input_ids"])]
        assert sorted(places) == list(range(30))
        for first, second in ((a, b) for at, a in enumerate(places) for b in places[at + 1 :]):
            assert second > first - 4
        moved += places != list(range(30))
    assert moved == 20


def test_the_collator_labels_item_tokens_only() -> None:
    batch = Collator(0)([{"input_ids": [1, 7, 8]}, {"input_ids": [1, 9, 10, 11, 12]}])
    assert batch["input_ids"].tolist() == [[1, 7, 8, 0, 0], [1, 9, 10, 11, 12]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[IGNORED, 7, 8, IGNORED, IGNORED], [IGNORED, 9, 10, 11, 12]]
    assert all(part.dtype == torch.int64 for part in batch.values())


def test_a_history_of_nothing_gives_no_rows() -> None:
    with pytest.raises(ValueError, match="codes must be"):
        Catalogue(["a"], np.zeros((2, 2), np.int32), (5, 8), ["a"])
    assert len(_windows([[], []], 5).as_dataset()) == 0


def test_a_batch_is_read_in_parts_where_lengths_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    alike, apart = np.full(100, 50), np.arange(100)
    assert passes(TrainConfig(batch_size=32), apart) == 4
    assert passes(TrainConfig(batch_size=32), alike) == 1
    assert passes(TrainConfig(batch_size=6), apart) == 2
    assert passes(TrainConfig(batch_size=5), apart) == 1
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    assert passes(TrainConfig(batch_size=32), apart) == 1
