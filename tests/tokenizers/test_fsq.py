"""FSQ: bins, rounding as the paper has it, codes and grid, prefixes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from genrec.errors import ConfigError
from genrec_tokenizers.config.bins import bins_for
from genrec_tokenizers.config.quantizers import FSQConfig
from genrec_tokenizers.quality import level_figures, reconstruction_errors
from genrec_tokenizers.quantizers import make_quantizer
from genrec_tokenizers.quantizers.fsq import FSQ, ScalarNetwork


@pytest.mark.parametrize(
    ("size", "bins"),
    [
        (256, (4, 4, 4, 4)),
        (64, (4, 4, 4)),
        (48, (3, 4, 4)),
        (32, (4, 8)),
        (1000, (5, 5, 5, 8)),
        (2, (2,)),
        (6, (6,)),
    ],
)
def test_sizes_split_into_small_bins(size: int, bins: tuple[int, ...]) -> None:
    assert bins_for(size) == bins


@settings(deadline=None)
@given(st.integers(2, 65_536))
def test_bins_multiply_to_the_size_or_the_error_names_sizes_that_work(size: int) -> None:
    try:
        bins = bins_for(size)
    except ValueError as error:
        below, above = (int(word) for word in str(error).split("take ")[1].split(" or "))
        assert below < size < above
        assert all(math.prod(bins_for(other)) == other for other in (below, above))
        return
    assert math.prod(bins) == size
    assert max(bins) <= 16


def identity(*bins: tuple[int, ...]) -> ScalarNetwork:
    return ScalarNetwork(torch.nn.Identity(), torch.nn.Identity(), list(bins))


@pytest.mark.parametrize("values", [2, 3, 4, 5, 8, 9])
def test_each_dimension_takes_exactly_its_values(values: int) -> None:
    """All of −⌊L/2⌋ … ⌈L/2⌉ − 1 over ⌊L/2⌋, in the order of the latent."""
    network = identity((values,))
    latent = torch.linspace(-9, 9, 999)[:, None]
    codes = network.encode(latent)
    assert torch.equal(codes.unique(), torch.arange(values))
    assert (codes.diff(dim=0) >= 0).all()
    expected = (torch.arange(values) - values // 2) / (values // 2)
    assert torch.allclose(network.decode(torch.arange(values)[:, None])[:, 0], expected)


def test_zero_is_in_the_middle_of_a_value_for_odd_and_even_bins() -> None:
    """The shift atanh(o / h) keeps f(0) at 0, also where the values lie lopsided."""
    network = identity((5, 4))
    assert torch.allclose(network._bound(torch.zeros(1, 2)), torch.zeros(1, 2), atol=1e-6)


def test_codes_are_mixed_radix_numbers_with_the_last_dimension_fastest() -> None:
    network = identity((3, 4), (5,))
    assert network.decode(torch.tensor([[4 * 2 + 1, 0]])).tolist() == [[1.0, -0.5, -1.0]]
    assert network.encode(torch.tensor([[9.0, -0.6, -9.0]]))[0, 0] == 4 * 2 + 1


def test_the_gradient_passes_the_rounding() -> None:
    network = identity((4, 4))
    latent = torch.randn(6, 2, requires_grad=True)
    network.loss(latent, None).backward()
    assert (latent.grad != 0).all()


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.tanh(rng.normal(size=(300, 3)) @ rng.normal(size=(3, 8))).astype(np.float32)


def test_training_fills_the_codes_and_lowers_the_error(vectors: np.ndarray) -> None:
    def trained(epochs: int) -> tuple[float, np.ndarray]:
        quantizer = FSQ((16, 16), hidden=(32,), epochs=epochs, batch_size=64, learning_rate=3e-3).fit(vectors)
        codes = quantizer.encode(vectors)
        return reconstruction_errors(quantizer, vectors, codes)[-1], codes

    early, late = trained(1), trained(40)
    assert late[0] < 0.4 < early[0]
    assert all(level_figures(column, 16)["utilisation"] > 0.8 for column in late[1].T)


def test_a_prefix_is_decoded_with_the_other_levels_at_the_code_nearest_their_mean(vectors: np.ndarray) -> None:
    quantizer = FSQ((16, 9, 4), hidden=(8,), epochs=2).fit(vectors)
    codes = quantizer.encode(vectors)
    middle = quantizer.tensors()["middle"]
    filled = codes.copy()
    filled[:, 1:] = middle[1:]
    assert np.array_equal(quantizer.decode(codes[:, :1]), quantizer.decode(filled))
    assert np.ptp(quantizer.decode(codes[:, :0]), axis=0).max() < 1e-6


def test_costs_do_not_depend_on_the_prefix(vectors: np.ndarray) -> None:
    quantizer = FSQ((16, 9), hidden=(8,), epochs=1).fit(vectors)
    one, other = (quantizer.costs(vectors, np.full((300, 1), code)) for code in (0, 7))
    assert np.array_equal(one, other)


def test_fewer_items_than_codes_are_enough(vectors: np.ndarray) -> None:
    assert FSQ((256,), hidden=(8,), epochs=1).fit_encode(vectors[:20]).shape == (20, 1)


def test_impossible_sizes_and_bins_are_errors_that_say_what_is_possible() -> None:
    with pytest.raises(ConfigError, match=r"34 codes does not split[\s\S]*take 33 or 35"):
        FSQ((34,))
    with pytest.raises(ConfigError, match=r"make 12 codes, not 16[\s\S]*tokenize.quantizer.bins"):
        FSQ((16,), bins=(3, 4))
    with pytest.raises(ValidationError, match="257 codes does not split"):
        FSQConfig(codebook_size=257)
    with pytest.raises(ValidationError, match="make 12 codes, not 256"):
        FSQConfig(bins=(3, 4))


def test_recipes_reach_the_constructor() -> None:
    quantizer = make_quantizer(FSQConfig(levels=1, codebook_size=12, bins=(3, 4)), seed=4)
    assert quantizer.settings() == FSQ((12,), bins=(3, 4), seed=4).settings()
