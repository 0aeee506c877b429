"""Quality figures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec_tokenizers.collisions import append_level
from genrec_tokenizers.quality import (
    code_names,
    level_figures,
    neighbor_hit_rates,
    purity,
    quality,
    reconstruction_errors,
)
from genrec_tokenizers.quality.purity import category_columns
from genrec_tokenizers.quantizers import ResidualKMeans


@pytest.mark.parametrize(
    ("codes", "size", "used", "entropy"),
    [
        ([0, 1, 2, 3], 4, 4, 2.0),
        ([0, 0, 1, 1], 4, 2, 1.0),
        ([3, 3, 3], 4, 1, 0.0),
        ([0, 0, 0, 1], 2, 2, 0.811278),  # -(3/4 log2 3/4 + 1/4 log2 1/4)
    ],
)
def test_level_figures_by_hand(codes: list[int], size: int, used: int, entropy: float) -> None:
    figures = level_figures(np.array(codes), size)
    assert figures["used"] == used
    assert figures["utilisation"] == used / size
    assert figures["entropy"] == pytest.approx(entropy, abs=1e-6)
    assert figures["perplexity"] == pytest.approx(2**entropy, abs=1e-5)
    assert figures["balance"] == pytest.approx(entropy / np.log2(size), abs=1e-6)
    assert figures["largest"] == np.bincount(codes).max()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_entropy_lies_between_nothing_and_the_uniform(codes: list[int]) -> None:
    figures = level_figures(np.array(codes), 10)
    assert 0 <= figures["entropy"] <= np.log2(figures["used"]) + 1e-9
    assert 1 <= figures["perplexity"] <= figures["used"] + 1e-9


def line_quantizer() -> ResidualKMeans:
    quantizer = ResidualKMeans((2, 2))
    codebooks = {"level_1": np.array([[-4.0], [4.0]], np.float32), "level_2": np.array([[-1.0], [1.0]], np.float32)}
    quantizer.restore(codebooks, dim=1)
    return quantizer


def test_reconstruction_error_by_hand() -> None:
    vectors = np.array([[-5.0], [-3.0], [3.0], [6.0]], dtype=np.float32)
    quantizer = line_quantizer()
    codes = quantizer.encode(vectors)
    assert codes.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    variance = np.square(vectors - vectors.mean()).sum()
    assert reconstruction_errors(quantizer, vectors, codes) == pytest.approx([7 / variance, 1 / variance])


def test_the_summary_counts_collisions_before_and_after() -> None:
    vectors = np.array([[-5.0], [-5.1], [-3.0], [3.0], [5.0]], dtype=np.float32)
    quantizer = line_quantizer()
    codes = quantizer.encode(vectors)
    figures = quality(quantizer, vectors, codes, append_level(codes, np.zeros(5)))
    assert figures["collisions"] == {"before": 2, "share_before": 0.4, "largest_group": 2, "after": 0, "moved": 0}
    assert (figures["appended_level"], figures["appended_codes"]) == (True, 2)
    assert [level["prefixes"] for level in figures["levels"]] == [2, 4]
    assert [level["level"] for level in figures["levels"]] == [1, 2]
    assert figures["entropy_unit"] == "bits"


def test_without_collisions_no_level_is_reported() -> None:
    vectors = np.array([[-5.0], [-3.0], [3.0], [5.0]], dtype=np.float32)
    quantizer = line_quantizer()
    codes = quantizer.encode(vectors)
    figures = quality(quantizer, vectors, codes, codes)
    assert figures["collisions"]["before"] == figures["collisions"]["after"] == 0
    assert (figures["appended_level"], figures["appended_codes"]) == (False, 0)


def test_prefixes_that_follow_the_vectors_hit_all_neighbours_and_random_ones_only_by_chance(
    rng: np.random.Generator,
) -> None:
    centres = rng.normal(0, 100, (20, 8))
    cluster = np.repeat(np.arange(20), 11)
    vectors = (centres[cluster] + rng.normal(size=(220, 8))).astype(np.float32)
    good = neighbor_hit_rates(vectors, cluster[:, None])[0]
    assert good == {"hit_rate": 1.0, "by_chance": pytest.approx(10 / 219), "with_mates": 1.0}
    drawn = neighbor_hit_rates(vectors, rng.permutation(cluster)[:, None])[0]
    assert drawn["hit_rate"] == pytest.approx(drawn["by_chance"], abs=0.03)


def test_hit_rate_by_hand() -> None:
    vectors = np.array([[0.0], [1.0], [3.0], [10.0]], dtype=np.float32)
    codes = np.array([[0, 0], [1, 0], [0, 0], [1, 1]])
    by_level = neighbor_hit_rates(vectors, codes, neighbors=1)
    # Nearest: 0→1, 1→0, 2→1, 3→2; prefixes {0, 2} and {1, 3}: no item has its mate nearest.
    assert by_level[0] == {"hit_rate": 0.0, "by_chance": pytest.approx(1 / 3), "with_mates": 1.0}
    # Two levels: {0, 2} share a prefix, 1 and 3 are alone.
    assert by_level[1]["with_mates"] == 0.5


def test_equal_vectors_do_not_disturb_the_neighbours() -> None:
    rates = neighbor_hit_rates(np.zeros((50, 3), dtype=np.float32), np.zeros((50, 1), dtype=np.int32))
    assert rates[0]["hit_rate"] == 1.0


def test_purity_by_hand() -> None:
    codes = np.array([[0], [0], [0], [1], [1], [2], [3]])
    categories = ["war", "war", "love", "love", "love", "war", ""]
    # Of the prefixes 0 and 1, 4 of 5 items are of the commonest kind; 2 is alone and 3 has no category.
    assert purity(codes, categories)[0]["purity"] == pytest.approx(4 / 5)


def test_purity_of_random_prefixes_is_that_of_chance(rng: np.random.Generator) -> None:
    codes = rng.integers(0, 30, (2000, 1))
    figures = purity(codes, [str(kind) for kind in rng.integers(0, 4, 2000)])[0]
    assert figures["purity"] == pytest.approx(figures["by_chance"], abs=0.02)


def test_categories_are_columns_with_few_values() -> None:
    items = pl.DataFrame(
        {
            "item_id": [str(item) for item in range(40)],
            "title": [f"Title {item % 2}" for item in range(40)],
            "genres": ["Drama, War" if item % 2 else "Comedy|Love" for item in range(40)],
            "plot": [f"plot {item}" for item in range(40)],
            "rare": ["x", "y"] + [None] * 38,
        }
    )
    assert category_columns(items) == {"genres": ["Comedy", "Drama"] * 20}


def test_names_tell_what_others_lack() -> None:
    texts = ["Red fish, old", "red fish 12 and more", "red bird", "old stone", "old stone house", "stone"]
    names = code_names(np.array([[0], [0], [0], [1], [1], [1]]), texts, terms=2)
    assert names == {(0,): ["fish", "red"], (1,): ["stone", "old"]}
    deeper = code_names(np.array([[0, 5], [0, 5], [0, 6], [1, 0], [1, 0], [1, 0]]), texts, terms=1)
    assert deeper[0, 5] == ["fish"]
    assert code_names(np.array([[0], [1]]), ["", "12"]) == {}
