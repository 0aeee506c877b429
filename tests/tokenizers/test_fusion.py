"""Fusion: units do not matter, weights do, and what is unknown counts as average."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec_tokenizers.encoders import ItemVectors
from genrec_tokenizers.fusion import Concatenation, load_fusion


def source(rng: np.random.Generator, items: int = 30, dim: int = 5, unknown: int = 0) -> ItemVectors:
    vectors = rng.normal(3, 2, (items, dim)).astype(np.float32)
    known = np.arange(items) >= unknown
    vectors[~known] = 0
    return ItemVectors(vectors, known)


def fuse(sources: list[tuple[ItemVectors, float]], normalize: Literal["center", "whiten"] = "center") -> np.ndarray:
    return Concatenation([weight for _, weight in sources], normalize).fit_transform([one for one, _ in sources])


def normalized(given_source: ItemVectors, whiten: bool = False) -> np.ndarray:
    return fuse([(given_source, 1.0)], "whiten" if whiten else "center")


@given(st.integers(0, 1000), st.floats(0.01, 100), st.booleans())
def test_units_and_offsets_of_an_encoder_do_not_matter(seed: int, scale: float, whiten: bool) -> None:
    rng = np.random.default_rng(seed)
    given_vectors = source(rng)
    moved = ItemVectors((given_vectors.vectors * scale + 7).astype(np.float32), given_vectors.known)
    first, second = normalized(given_vectors, whiten), normalized(moved, whiten)
    # whitened axes are defined up to sign, so compare distances
    assert np.allclose(first @ first.T, second @ second.T, atol=5e-3)


def test_the_squared_distance_is_the_weighted_sum_over_sources(rng: np.random.Generator) -> None:
    text, behavior = source(rng, dim=7), source(rng, dim=3)
    fused = fuse([(text, 2.0), (behavior, 0.5)])
    assert fused.dtype == np.float32
    assert fused.shape == (30, 10)

    def squared(vectors: np.ndarray) -> float:
        return float(np.square(vectors[0] - vectors[1]).sum())

    expected = 4 * squared(normalized(text)) + 0.25 * squared(normalized(behavior))
    assert np.isclose(squared(fused), expected, rtol=1e-5)


def test_known_items_have_the_length_of_the_weight_and_unknown_ones_none(rng: np.random.Generator) -> None:
    lengths = np.linalg.norm(fuse([(source(rng, unknown=4), 3.0)]), axis=1)
    assert np.allclose(lengths[4:], 3, rtol=1e-5)
    assert not lengths[:4].any()


def test_unknown_items_do_not_move_the_mean(rng: np.random.Generator) -> None:
    whole = source(rng, unknown=6)
    only_known = ItemVectors(whole.vectors[6:], whole.known[6:])
    assert np.allclose(normalized(whole)[6:], normalized(only_known), atol=1e-6)


def test_whitening_gives_every_axis_the_same_say(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(4000, 4)).astype(np.float32) * np.array([100, 1, 1, 0], dtype=np.float32)
    wide = ItemVectors(vectors, np.ones(4000, dtype=bool))
    centred, white = normalized(wide), normalized(wide, whiten=True)
    assert np.square(centred).mean(axis=0).max() > 0.95
    spread = np.sort(np.square(white).mean(axis=0))
    assert np.allclose(spread, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.02)


def test_a_source_that_knows_nothing_or_one_thing_is_silent() -> None:
    nothing = ItemVectors(np.zeros((3, 2), dtype=np.float32), np.zeros(3, dtype=bool))
    same = ItemVectors(np.full((3, 2), 5, dtype=np.float32), np.ones(3, dtype=bool))
    assert not fuse([(nothing, 1.0), (same, 1.0)]).any()
    assert not fuse([(same, 1.0)], "whiten").any()


@pytest.mark.parametrize("normalize", ["center", "whiten"])
def test_later_items_are_seen_through_the_frozen_statistics(
    normalize: Literal["center", "whiten"], rng: np.random.Generator, tmp_path: Path
) -> None:
    sources = [source(rng, unknown=3), source(rng, dim=3)]
    fusion = Concatenation([2.0, 1.0], normalize)
    fused = fusion.fit_transform(sources)
    fusion.save_pretrained(tmp_path)
    later = [ItemVectors(one.vectors[10:14], one.known[10:14]) for one in sources]
    assert np.allclose(load_fusion(tmp_path).transform(later), fused[10:14], atol=1e-6)
    with pytest.raises(DataError, match=r"made from \[5, 3\]"):
        fusion.transform(later[::-1])
