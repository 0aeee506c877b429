"""Behaviour vectors: counts by hand, the oracle of numpy, and no look at what is to be predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from genrec.data import Sequences
from genrec.errors import DataError
from genrec_tokenizers.encoders import BehaviorEncoder, SasrecEncoder
from genrec_tokenizers.encoders.behavior import cooccurrences, ppmi, truncated_svd
from tests.tokenizers.conftest import WriteDataset, item_titles, random_log

TRAIN, VALID, TEST, CONTEXT = range(4)


def sequences(*users: list[tuple[int, int]]) -> Sequences:
    """Sequences of (item, split) pairs."""
    flat = [pair for user in users for pair in user]
    offsets = np.cumsum([0, *map(len, users)])
    items, splits = (np.array([pair[part] for pair in flat]) for part in (0, 1))
    return Sequences(offsets, items.astype(np.int32), np.arange(len(flat)), splits.astype(np.uint8))


def by_hand(users: list[list[tuple[int, int]]], items: int, window: int) -> np.ndarray:
    counts = np.zeros((items, items))
    for user in users:
        seen = [item for item, split in user if split == TRAIN]
        for place, item in enumerate(seen):
            for other in seen[place + 1 : place + 1 + window]:
                if item != other:
                    counts[item, other] += 1
                    counts[other, item] += 1
    return counts


def test_counts_of_one_short_history() -> None:
    log = sequences([(0, TRAIN), (1, TRAIN), (0, TRAIN), (2, TRAIN)])
    assert cooccurrences(log, 4, window=1).toarray().tolist() == [
        [0, 2, 1, 0],
        [2, 0, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert cooccurrences(log, 4, window=2).toarray()[1].tolist() == [2, 0, 1, 0]


histories = st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=8), min_size=1, max_size=5)


@given(histories, st.integers(1, 9))
def test_counts_are_those_of_the_slow_loop(users: list[list[tuple[int, int]]], window: int) -> None:
    fast = cooccurrences(sequences(*users), 6, window)
    assert np.array_equal(fast.toarray(), by_hand(users, 6, window))


def test_ppmi_by_hand() -> None:
    counts = sparse.csr_matrix(np.array([[0.0, 3, 1], [3, 0, 0], [1, 0, 0]]))
    contexts = np.array([4, 3, 1]) ** 0.75
    expected = np.zeros((3, 3))
    for row, column in ((0, 1), (0, 2), (1, 0), (2, 0)):
        # P(i, j) / (P(i) P_a(j)); the pairs sum to 8, each row's share is its sum over 8
        ratio = (counts[row, column] / 8) / ((counts[row].sum() / 8) * (contexts[column] / contexts.sum()))
        expected[row, column] = max(0, np.log(ratio))
    assert np.allclose(ppmi(counts).toarray(), expected)


def test_the_svd_is_that_of_numpy_up_to_signs() -> None:
    matrix = sparse.random(30, 30, density=0.3, random_state=1, format="csr")
    left, values, _ = np.linalg.svd(matrix.toarray())
    vectors = truncated_svd(matrix, 5, seed=0)
    assert vectors.dtype == np.float32
    assert np.allclose(np.abs(vectors), np.abs(left[:, :5] * np.sqrt(values[:5])), atol=1e-4)
    assert np.array_equal(vectors, truncated_svd(matrix, 5, seed=0))


def test_items_consumed_together_are_near(write_dataset: WriteDataset, rng: np.random.Generator) -> None:
    encoded = BehaviorEncoder(dim=8).encode(write_dataset(random_log(rng), item_titles()))
    assert encoded.vectors.shape == (40, 8)
    unit = encoded.vectors / np.linalg.norm(encoded.vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    within = (cosine[:20, :20].sum() - 20) / (20 * 19)
    assert within > cosine[:20, 20:].mean() + 0.3


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=6), st.sampled_from(["valid", "test"]))
def test_vectors_do_not_depend_on_valid_or_test(tail: list[str], split: str) -> None:
    train = [(item, TRAIN) for item in (0, 1, 2, 1, 3, 0)]
    code = {"valid": VALID, "test": TEST}[split]
    without = cooccurrences(sequences(train, [(2, TRAIN), (3, TRAIN)]), 4, 3)
    held_out = [("abcd".index(item), code) for item in tail]
    with_tail = cooccurrences(sequences(train + held_out, [(2, TRAIN), (3, TRAIN), *held_out]), 4, 3)
    assert (without != with_tail).nnz == 0


def test_context_rows_are_not_learned_from() -> None:
    assert cooccurrences(sequences([(0, CONTEXT), (1, CONTEXT), (2, TRAIN)]), 3, 5).nnz == 0


def test_items_without_neighbours_are_not_known(write_dataset: WriteDataset) -> None:
    rows = [("u", "a", "train"), ("u", "b", "train"), ("u", "c", "test"), ("v", "d", "train")]
    encoded = BehaviorEncoder(dim=2).encode(write_dataset(rows, dict.fromkeys("abcde", "x")))
    assert encoded.known.tolist() == [True, True, False, False, False]
    assert not encoded.vectors[2:].any()


def test_more_dimensions_than_items_leave_the_rest_zero(write_dataset: WriteDataset) -> None:
    rows = [("u", item, "train") for item in "abca"]
    encoded = BehaviorEncoder(dim=10).encode(write_dataset(rows, dict.fromkeys("abc", "x")))
    assert encoded.vectors.shape == (3, 10)
    assert np.isfinite(encoded.vectors).all()
    assert not encoded.vectors[:, 2:].any()


def test_a_log_without_pairs_is_an_error(write_dataset: WriteDataset) -> None:
    dataset = write_dataset([("u", "a", "train"), ("v", "b", "train")], {"a": "x", "b": "y"})
    with pytest.raises(DataError, match=r"two interactions[\s\S]*behavior.weight=0"):
        BehaviorEncoder().encode(dataset)


@pytest.mark.parametrize("encoder", [BehaviorEncoder(dim=6), SasrecEncoder(dim=6)])
def test_nobody_has_used_items_that_come_later(encoder: BehaviorEncoder | SasrecEncoder) -> None:
    encoded = encoder.encode_new(pl.DataFrame({"item_id": ["x", "y"], "title": ["red fish", None]}))
    assert encoded.vectors.shape == (2, 6) == (2, encoder.dim)
    assert not encoded.vectors.any()
    assert not encoded.known.any()


def test_sasrec_vectors_know_which_items_are_used_together(
    write_dataset: WriteDataset, rng: np.random.Generator
) -> None:
    titles = item_titles() | {"zzz": "never used"}
    encoded = SasrecEncoder(dim=16, epochs=12).encode(write_dataset(random_log(rng, users=120), titles))
    assert encoded.vectors.shape == (41, 16)
    assert encoded.vectors.dtype == np.float32
    assert encoded.known.tolist() == [True] * 40 + [False]
    assert not encoded.vectors[40].any()
    unit = encoded.vectors[:40] / np.linalg.norm(encoded.vectors[:40], axis=1, keepdims=True)
    cosine = unit @ unit.T
    same = np.equal.outer(np.arange(40) < 20, np.arange(40) < 20) & ~np.eye(40, dtype=bool)
    apart = np.not_equal.outer(np.arange(40) < 20, np.arange(40) < 20)
    assert cosine[same].mean() > cosine[apart].mean() + 0.2


def test_sasrec_vectors_are_made_without_what_is_to_be_predicted(
    write_dataset: WriteDataset, rng: np.random.Generator, tmp_path: Path
) -> None:
    rows = random_log(rng, users=20)
    other = [(user, "i000" if split != "train" else item, split) for user, item, split in rows]
    without = [row for row in rows if row[2] == "train"]
    encoded = [
        SasrecEncoder(dim=8, epochs=2).encode(write_dataset(log, item_titles(), run=tmp_path / str(number)))
        for number, log in enumerate((rows, other, without))
    ]
    assert rows != other
    for changed in encoded[1:]:
        assert np.array_equal(encoded[0].vectors, changed.vectors)
        assert np.array_equal(encoded[0].known, changed.known)


def test_sasrec_needs_two_histories(write_dataset: WriteDataset) -> None:
    rows = [("u", "a", "train"), ("u", "b", "train"), ("v", "a", "train")]
    with pytest.raises(DataError, match=r"Fewer than two users[\s\S]*behavior.kind=ppmi"):
        SasrecEncoder().encode(write_dataset(rows, {"a": "x", "b": "y"}))
