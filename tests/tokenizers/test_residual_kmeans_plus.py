"""RQ-KMeans+: its start is residual k-means, and training only improves on that."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genrec_tokenizers.config.quantizers import ResidualKMeansPlusConfig
from genrec_tokenizers.quality import reconstruction_errors
from genrec_tokenizers.quantizers import ResidualKMeans, make_quantizer
from genrec_tokenizers.quantizers.network import Perceptron
from genrec_tokenizers.quantizers.residual_kmeans_plus import ResidualKMeansPlus


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.tanh(rng.normal(size=(300, 3)) @ rng.normal(size=(3, 8))).astype(np.float32)


def error(quantizer: ResidualKMeans | ResidualKMeansPlus, vectors: np.ndarray) -> float:
    return reconstruction_errors(quantizer, vectors, quantizer.encode(vectors))[-1]


def test_a_residual_perceptron_starts_as_the_identity() -> None:
    vectors = torch.randn(5, 4)
    assert torch.equal(Perceptron((4, 7, 4), residual=True)(vectors), vectors)
    assert not torch.equal(Perceptron((4, 7, 4))(vectors), vectors)


def test_the_start_is_residual_kmeans(vectors: np.ndarray) -> None:
    """With a learning rate that moves nothing, codes and vectors are those of k-means on standardised vectors."""
    plus = ResidualKMeansPlus((8, 8), epochs=1, learning_rate=1e-12, seed=2).fit(vectors)
    plain = ResidualKMeans((8, 8), seed=2).fit(vectors - vectors.mean(axis=0))
    codes = plus.encode(vectors)
    assert np.array_equal(codes, plain.encode(vectors - vectors.mean(axis=0)))
    assert np.allclose(plus.decode(codes), plain.decode(codes) + vectors.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("learning_rate", [3e-3, 1.0])
def test_it_is_never_worse_than_its_start(vectors: np.ndarray, learning_rate: float) -> None:
    """Not even with a learning rate that ruins the network."""
    start = ResidualKMeansPlus((8, 8), epochs=1, learning_rate=1e-12).fit(vectors)
    trained = ResidualKMeansPlus((8, 8), (32,), epochs=20, batch_size=64, learning_rate=learning_rate).fit(vectors)
    assert error(trained, vectors) <= error(start, vectors) + 1e-6


def test_training_improves_on_residual_kmeans(vectors: np.ndarray) -> None:
    trained = ResidualKMeansPlus((8, 8), (32,), epochs=60, batch_size=64, learning_rate=1e-2).fit(vectors)
    assert error(trained, vectors) < 0.9 * error(ResidualKMeans((8, 8)).fit(vectors), vectors)


def test_recipes_reach_the_constructor() -> None:
    quantizer = make_quantizer(ResidualKMeansPlusConfig(levels=1, commitment=0.5), seed=4)
    assert quantizer.settings() == ResidualKMeansPlus((256,), commitment=0.5, seed=4).settings()
