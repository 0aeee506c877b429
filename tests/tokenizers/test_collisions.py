"""Collisions: every strategy makes IDs unique, and none changes more than it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec.semantic_ids.catalogue import unique_rows
from genrec_tokenizers.collisions import append_level, groups_of, resolve
from genrec_tokenizers.config import CollisionsConfig
from genrec_tokenizers.quantizers import ResidualKMeans

quick = settings(deadline=None, max_examples=60)


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Codes [items, levels] with many collisions, and popularity [items]."""
    levels = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(st.integers(0, 2), min_size=levels, max_size=levels), min_size=1, max_size=40))
    popularity = draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    return np.array(rows, dtype=np.int32), np.array(popularity)


@given(catalogues())
def test_ids_are_unique_keep_their_prefix_and_number_each_group_without_gaps(
    catalogue: tuple[np.ndarray, np.ndarray],
) -> None:
    codes, popularity = catalogue
    unique = append_level(codes, popularity)
    assert unique_rows(unique)
    assert unique.dtype == np.int32
    assert np.array_equal(unique[:, : codes.shape[1]], codes)
    groups = groups_of(codes)
    if groups.largest == 1:
        assert unique is codes
        return
    assert unique[:, -1].max() + 1 == groups.largest
    for group in range(len(groups.sizes)):
        members = np.flatnonzero(groups.of_item == group)
        by_number = members[np.argsort(unique[members, -1])]
        assert unique[by_number, -1].tolist() == list(range(len(members)))
        keys = [(-popularity[item], item) for item in by_number]
        assert keys == sorted(keys)


def test_the_popular_item_gets_zero_and_ties_go_by_position() -> None:
    codes = np.array([[1, 1], [0, 2], [1, 1], [1, 1], [1, 1]], dtype=np.int32)
    unique = append_level(codes, np.array([2, 0, 9, 2, 3]))
    assert unique[:, -1].tolist() == [2, 0, 0, 3, 1]


def test_nothing_is_appended_where_nothing_collides() -> None:
    codes = np.array([[0, 1], [1, 0]], dtype=np.int32)
    assert append_level(codes, np.array([1, 1])).shape == (2, 2)


def test_a_group_beyond_the_limit_is_named_with_the_remedy() -> None:
    codes = np.zeros((5, 2), dtype=np.int32)
    with pytest.raises(DataError, match=r"5 items have the same codes.*4 allowed: 'A', 'B'[\s\S]*codebook_size"):
        append_level(codes, np.ones(5), max_group=4, titles=list("ABCDE"))
    assert append_level(codes, np.ones(5), max_group=5).shape == (5, 3)


def test_groups_count_the_items_that_share_codes() -> None:
    groups = groups_of(np.array([[1], [0], [1], [1], [2]]))
    assert groups.sizes.tolist() == [1, 3, 1]
    assert groups.of_item.tolist() == [1, 0, 1, 1, 2]
    assert (groups.colliding, groups.largest) == (3, 3)


@st.composite
def problems(draw: st.DrawFn, crowded: bool) -> tuple[ResidualKMeans, np.ndarray, np.ndarray]:
    """A quantizer with given codebooks, vectors, and their codes; without ``crowded`` each prefix has room."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    items, levels = draw(st.integers(2, 30)), draw(st.integers(1, 3))
    last = draw(st.integers(2, 6)) if crowded else items
    sizes = (3,) * (levels - 1) + (last,)
    quantizer = with_codebooks([rng.normal(size=(size, 4)) for size in sizes])
    vectors = rng.normal(size=(items, 4)).astype(np.float32)
    return quantizer, vectors, quantizer.encode(vectors)


def with_codebooks(codebooks: list[np.ndarray]) -> ResidualKMeans:
    quantizer = ResidualKMeans(tuple(len(codebook) for codebook in codebooks))
    tensors = {f"level_{level}": book.astype(np.float32) for level, book in enumerate(codebooks, start=1)}
    return quantizer.restore(tensors, codebooks[0].shape[1])


def resolved(
    strategy: str,
    quantizer: ResidualKMeans,
    vectors: np.ndarray,
    codes: np.ndarray,
    titles: list[str] | None = None,
) -> np.ndarray:
    config = CollisionsConfig.model_validate({"strategy": strategy})
    return resolve(config, quantizer, vectors, codes, np.ones(len(codes)), titles or None)


@quick
@given(problems(crowded=False), st.sampled_from(["append", "sinkhorn", "nearest_free"]))
def test_with_room_ids_are_unique_and_only_colliding_items_change_in_the_last_level(
    problem: tuple, strategy: str
) -> None:
    quantizer, vectors, codes = problem
    unique = resolved(strategy, quantizer, vectors, codes)
    assert unique_rows(unique)
    assert unique.dtype == np.int32
    levels = codes.shape[1] - (strategy != "append")
    assert np.array_equal(unique[:, :levels], codes[:, :levels])
    alone = groups_of(codes).alone
    assert np.array_equal(unique[alone, : codes.shape[1]], codes[alone])
    assert np.array_equal(unique, resolved(strategy, quantizer, vectors, codes))
    if strategy != "append":
        assert unique.shape == codes.shape
        assert (unique[:, -1] < quantizer.codebook_sizes[-1]).all()


@quick
@given(problems(crowded=True))
def test_crowded_prefixes_give_unique_ids_or_an_error_and_nothing_alone_moves(problem: tuple) -> None:
    quantizer, vectors, codes = problem
    room = quantizer.codebook_sizes[-1] * (3 if codes.shape[1] > 1 else 1)
    if groups_of(codes[:, :-2]).largest > room:
        with pytest.raises(DataError, match="strategy=append"):
            resolved("nearest_free", quantizer, vectors, codes)
        return
    unique = resolved("nearest_free", quantizer, vectors, codes)
    assert unique_rows(unique)
    assert (unique < np.array(quantizer.codebook_sizes)).all()
    assert np.array_equal(unique[:, :-2], codes[:, :-2])
    alone = groups_of(codes).alone
    assert np.array_equal(unique[alone], codes[alone])
    moved = groups_of(codes[:, :-1])
    overflowing = (unique[:, :-1] != codes[:, :-1]).any(axis=1)
    assert (moved.sizes[moved.of_item[overflowing]] > quantizer.codebook_sizes[-1]).all()


@quick
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(0, 2))
def test_nearest_free_costs_least_of_all_ways(seed: int, colliding: int, alone: int) -> None:
    """Against every way to give the colliding items codes that no item alone has."""
    rng = np.random.default_rng(seed)
    quantizer = with_codebooks([rng.normal(size=(6, 3))])
    codes = np.array([[2]] * colliding + [[number] for number in (0, 5)[:alone]], dtype=np.int32)
    vectors = rng.normal(size=(len(codes), 3)).astype(np.float32)
    costs = quantizer.costs(vectors[:colliding], codes[:colliding, :0])
    free = [code for code in range(6) if code not in codes[colliding:, 0]]
    if colliding > len(free):
        return
    unique = resolved("nearest_free", quantizer, vectors, codes)[:colliding, 0]
    ways = itertools.permutations(free, colliding)
    least = min(sum(costs[item, code] for item, code in enumerate(way)) for way in ways)
    assert np.isclose(costs[np.arange(colliding), unique].sum(), least, rtol=1e-5)


def test_overflowing_items_go_to_the_next_prefix_by_cost() -> None:
    """Three items under prefix 0, which has two codes: one moves to the nearer of prefixes 1 and 2."""
    quantizer = with_codebooks([np.array([[0.0], [10.0], [-3.0]]), np.array([[0.0], [1.0]])])
    vectors = np.array([[0.0], [0.1], [0.2], [-3.0]], dtype=np.float32)
    codes = quantizer.encode(vectors)
    assert codes.tolist() == [[0, 0], [0, 0], [0, 0], [2, 0]]
    unique = resolved("nearest_free", quantizer, vectors, codes)
    assert unique_rows(unique)
    assert unique[3].tolist() == [2, 0]
    assert [2, 1] in unique[:3].tolist()
    assert sorted(unique[:3, 0].tolist()) == [0, 0, 2]


def test_full_prefixes_are_an_error_that_names_the_items() -> None:
    quantizer = with_codebooks([np.array([[0.0], [9.0]]), np.array([[0.0], [1.0]])])
    vectors = np.zeros((5, 1), dtype=np.float32)
    with pytest.raises(DataError, match=r"All 4 IDs are taken.*'.'[\s\S]*strategy=append"):
        resolved("nearest_free", quantizer, vectors, quantizer.encode(vectors), list("ABCDE"))


def test_nearest_free_separates_identical_vectors_and_sinkhorn_says_that_it_cannot() -> None:
    quantizer = with_codebooks([np.arange(4.0)[:, None]])
    vectors = np.array([[0.1], [0.1], [3.0]], dtype=np.float32)
    codes = quantizer.encode(vectors)
    assert sorted(resolved("nearest_free", quantizer, vectors, codes)[:, 0].tolist()) == [0, 1, 3]
    with pytest.raises(DataError, match=r"'A', 'B': their embeddings are identical[\s\S]*strategy=append"):
        resolved("sinkhorn", quantizer, vectors, codes, list("ABC"))


def test_sinkhorn_says_that_a_prefix_is_full() -> None:
    quantizer = with_codebooks([np.arange(2.0)[:, None]])
    vectors = np.array([[0.1], [0.2], [0.3]], dtype=np.float32)
    with pytest.raises(DataError, match="3 items share the codes before the last level, which has 2"):
        resolved("sinkhorn", quantizer, vectors, quantizer.encode(vectors))


@pytest.mark.parametrize("strategy", ["sinkhorn", "nearest_free"])
def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator, strategy: str) -> None:
    quantizer = with_codebooks([rng.normal(size=(4, 3)), rng.normal(size=(40, 3)) * 0.3])
    vectors = rng.normal(size=(60, 3)).astype(np.float32)
    codes = quantizer.encode(vectors)
    whole = resolved(strategy, quantizer, vectors, codes)
    module = {"sinkhorn": "spread", "nearest_free": "nearest_free"}[strategy]
    monkeypatch.setattr(f"genrec_tokenizers.collisions.{module}._CHUNK_CELLS", 1)
    assert np.array_equal(whole, resolved(strategy, quantizer, vectors, codes))


def test_moved_items_stay_near(rng: np.random.Generator) -> None:
    """Both strategies cost little more than the colliding codes did, and nearest_free no more than sinkhorn."""
    quantizer = with_codebooks([rng.normal(size=(2, 3)), rng.normal(size=(64, 3))])
    vectors = rng.normal(size=(60, 3)).astype(np.float32)
    codes = quantizer.encode(vectors)
    error = {
        name: float(np.square(quantizer.decode(resolved(name, quantizer, vectors, codes)) - vectors).sum())
        for name in ("sinkhorn", "nearest_free")
    }
    shuffled = codes.copy()
    shuffled[:, -1] = rng.integers(64, size=60)
    far = float(np.square(quantizer.decode(shuffled) - vectors).sum())
    assert error["nearest_free"] <= error["sinkhorn"] * (1 + 1e-6)
    assert error["sinkhorn"] < far / 2
