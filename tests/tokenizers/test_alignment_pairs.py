"""Item pairs: Swing by hand and against a slow loop, triggers by hand, and nothing but the training part."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec_tokenizers.alignment.pairs import i2i_pairs, item_pairs, swing, u2i_pairs
from genrec_tokenizers.encoders import ItemVectors
from tests.tokenizers.conftest import WriteDataset, item_titles, random_log

Log = list[list[int]]


def flat(log: Log) -> tuple[np.ndarray, np.ndarray]:
    users = np.repeat(np.arange(len(log)), [len(items) for items in log])
    return users, np.array([item for items in log for item in items], dtype=np.int32)


def slow_swing(log: Log, count: int, alpha: float) -> np.ndarray:
    owned, result = [set(items) for items in log], np.zeros((count, count))
    for i, j in combinations(range(count), 2):
        both = [items for items in owned if {i, j} <= items]
        result[i, j] = result[j, i] = sum(1 / (alpha + len(u & v)) for u, v in combinations(both, 2))
    return result


def test_swing_of_a_tiny_log() -> None:
    # Users 0 and 1 share {0, 1}; 0 and 2 share {0, 1, 2}; 1 and 2 share {0, 1}.
    similar = swing(*flat([[0, 1, 2], [1, 0], [2, 1, 0, 0], [3]]), 5).toarray()
    assert similar[0, 1] == pytest.approx(1 / 3 + 1 / 4 + 1 / 3)
    assert similar[0, 2] == pytest.approx(1 / 4)
    assert similar[1, 2] == pytest.approx(1 / 4)
    assert not similar.diagonal().any()
    assert not similar[3:].any()
    assert np.allclose(similar, similar.T)


logs = st.lists(st.lists(st.integers(0, 6), max_size=8), min_size=1, max_size=8).filter(lambda log: any(log))


@settings(deadline=None)
@given(logs, st.floats(0.1, 5))
def test_swing_is_the_slow_loop(log: Log, alpha: float) -> None:
    assert np.allclose(swing(*flat(log), 7, alpha).toarray(), slow_swing(log, 7, alpha), atol=1e-5)


def test_heavy_users_count_by_their_latest_items_and_popular_items_by_a_sample() -> None:
    log = [[0, 1, 2], [0, 1, 2], [0, 1, 2]]
    assert np.allclose(swing(*flat(log), 3, most_items=2).toarray(), slow_swing([[1, 2]] * 3, 3, 1))
    sampled = swing(*flat(log), 3, most_users=2).toarray()
    assert sampled[0, 1] == pytest.approx(1 / 4)  # one pair of users, with three items in common
    assert np.array_equal(sampled, swing(*flat(log), 3, most_users=2).toarray())


def test_each_item_is_paired_with_its_most_similar() -> None:
    similar = swing(*flat([[0, 1, 2], [1, 0], [2, 1, 0]]), 4)
    assert i2i_pairs(similar, 1).tolist() == [[0, 1], [1, 0], [2, 0]]  # a tie goes to the lower index
    assert i2i_pairs(similar, 2).tolist() == [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]]


def ids(angles: list[float | None]) -> ItemVectors:
    known = np.array([angle is not None for angle in angles])
    turned = np.deg2rad([angle or 0 for angle in angles])
    vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32) * 3
    vectors[~known] = 0
    return ItemVectors(vectors, known)


def test_the_trigger_is_the_most_similar_item_before() -> None:
    space = ids([0, 10, 90, 100, None])
    users, items = flat([[2, 0, 3, 1], [1, 4, 1, 0]])
    # 0 after 2; 3 after 2, 0; 1 after 2, 0, 3; and in the other history 0 after 1 (4 is unknown, 1 itself is none)
    assert u2i_pairs(users, items, space).tolist() == [[2, 0], [2, 3], [0, 1], [1, 0]]


def test_a_trigger_is_not_looked_for_further_back_than_allowed() -> None:
    space = ids([0, 90, 5])
    assert u2i_pairs(*flat([[0, 1, 1, 2]]), space, latest=3).tolist()[-1] == [0, 2]
    assert u2i_pairs(*flat([[0, 1, 1, 2]]), space, latest=2).tolist()[-1] == [1, 2]


def test_blocks_of_a_long_log_meet(rng: np.random.Generator) -> None:
    space = ids([float(angle) for angle in rng.uniform(0, 360, 30)])
    log = [rng.integers(0, 30, 90).tolist() for _ in range(100)]  # 9,000 rows are more than a block
    whole = u2i_pairs(*flat(log), space)
    apart = np.concatenate([u2i_pairs(*flat([items]), space) for items in log])
    assert np.array_equal(whole, apart)


def test_pairs_are_distinct_and_held_out_ones_apart(write_dataset: WriteDataset, rng: np.random.Generator) -> None:
    pairs = item_pairs(write_dataset(random_log(rng), item_titles()), seed=0)
    train, held_out = ({tuple(pair) for pair in part.tolist()} for part in (pairs.train, pairs.held_out))
    assert len(train) == len(pairs.train)
    assert not train & held_out
    assert len(held_out) == round(0.1 * (len(train) + len(held_out)))
    assert all(first < second for first, second in train | held_out)
    same_half = np.mean([(first < 20) == (second < 20) for first, second in train])
    assert same_half == 1.0


def test_nothing_of_what_is_to_be_predicted_is_in_the_pairs(
    write_dataset: WriteDataset, rng: np.random.Generator, tmp_path: Path
) -> None:
    rows = random_log(rng)
    other = [(user, "i000" if split != "train" else item, split) for user, item, split in rows]
    first, second = (
        item_pairs(write_dataset(log, item_titles(), run=tmp_path / name), seed=0)
        for name, log in (("rows", rows), ("other", other))
    )
    assert np.array_equal(first.train, second.train)
    assert np.array_equal(first.held_out, second.held_out)
    assert np.array_equal(first.ids.vectors, second.ids.vectors)


def test_a_log_with_hardly_any_pairs_is_an_error(write_dataset: WriteDataset) -> None:
    dataset = write_dataset(
        [("u", "a", "train"), ("u", "b", "train"), ("v", "c", "train")], dict.fromkeys("abc", "x")
    )
    with pytest.raises(DataError, match=r"1 pairs of items[\s\S]*kind=concatenation"):
        item_pairs(dataset, seed=0)
