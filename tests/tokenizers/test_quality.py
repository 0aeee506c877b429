"""Quality figures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec_tokenizers.collisions import append_level
from genrec_tokenizers.quality import level_figures, quality, reconstruction_errors
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
    assert figures["collisions"] == {"before": 2, "share_before": 0.4, "largest_group": 2, "after": 0}
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
