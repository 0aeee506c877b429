"""Product quantization: a rotation, and each level codes its own part of the vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from genrec.errors import ArtifactError, DataError
from genrec_tokenizers.quantizers import load_quantizer
from genrec_tokenizers.quantizers.product import ProductQuantizer
from genrec_tokenizers.vectors import VectorWriter, open_vectors


@pytest.fixture
def vectors(rng: np.random.Generator) -> np.ndarray:
    """Correlated dimensions away from the origin: 10 of them, so that 3 levels do not divide them."""
    return (rng.normal(size=(300, 10)) @ rng.normal(size=(10, 10)) + 3).astype(np.float32)


def error(vectors: np.ndarray, decoded: np.ndarray) -> float:
    return float(np.square(vectors - decoded).sum() / np.square(vectors - vectors.mean(axis=0)).sum())


@pytest.mark.parametrize(("levels", "width"), [(2, 5), (3, 4), (10, 1)])
def test_the_rotation_keeps_distances(vectors: np.ndarray, levels: int, width: int) -> None:
    quantizer = ProductQuantizer((7,) * levels).fit(vectors)
    assert quantizer.rotation.shape == (levels * width, 10)
    assert np.allclose(quantizer.rotation.T @ quantizer.rotation, np.eye(10), atol=1e-5)
    assert [codebook.shape for codebook in quantizer.codebooks] == [(7, width)] * levels


def test_each_code_is_the_nearest_within_its_group(vectors: np.ndarray) -> None:
    quantizer = ProductQuantizer((20, 13, 5), iterations=5)
    codes = quantizer.fit_encode(vectors)
    assert np.array_equal(quantizer.encode(vectors), codes)
    groups = np.split(vectors.astype(np.float64) @ quantizer.rotation.T, 3, axis=1)
    for level, (group, codebook) in enumerate(zip(groups, quantizer.codebooks, strict=True)):
        distances = np.square(group[:, None] - codebook).sum(axis=2)
        assert np.allclose(distances[np.arange(300), codes[:, level]], distances.min(axis=1), atol=1e-3)
        costs = quantizer.costs(vectors, codes[:, :level])
        assert np.allclose(costs, distances, rtol=1e-3, atol=1e-2)


def test_a_prefix_leaves_the_other_groups_at_their_mean(vectors: np.ndarray) -> None:
    vectors = vectors[:, :9]
    quantizer = ProductQuantizer((20, 20, 20))
    codes = quantizer.fit_encode(vectors)
    assert np.allclose(quantizer.decode(codes[:, :0]), vectors.mean(axis=0), atol=1e-4)
    errors = [error(vectors, quantizer.decode(codes[:, :levels])) for levels in range(4)]
    assert errors[0] == pytest.approx(1, abs=1e-4)
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < 0.3
    rotated = quantizer.decode(codes[:, :1]) @ quantizer.rotation.T
    assert np.allclose(rotated[:, :3], quantizer.codebooks[0][codes[:, 0]], atol=1e-4)
    assert np.allclose(rotated[:, 3:], quantizer.mean[3:], atol=1e-4)


def test_the_rotation_pays_where_groups_depend_on_each_other(rng: np.random.Generator) -> None:
    """One direction holds all the variance of each half; unrotated, one group would get both."""
    strong = rng.normal(size=(500, 2)) * 10
    vectors = np.hstack([strong, rng.normal(size=(500, 2)) * 0.1]).astype(np.float32)
    quantizer = ProductQuantizer((16, 16))
    rotated = error(vectors, quantizer.decode(quantizer.fit_encode(vectors)))
    plain = ProductQuantizer((16,)).fit(vectors[:, :2])
    unrotated = error(vectors[:, :2], plain.decode(plain.encode(vectors[:, :2])))
    assert rotated < unrotated / 2


def test_a_memory_map_and_another_process_give_the_same_codes(vectors: np.ndarray, tmp_path: Path) -> None:
    with VectorWriter(tmp_path / "v.safetensors", *vectors.shape) as writer:
        writer.write(vectors)
    first, second = ProductQuantizer((8, 8), seed=3), ProductQuantizer((8, 8), seed=3)
    codes = first.fit_encode(vectors)
    assert np.array_equal(second.fit_encode(open_vectors(tmp_path / "v.safetensors")), codes)
    first.save_pretrained(tmp_path / "quantizer")
    again = load_quantizer(tmp_path / "quantizer")
    assert isinstance(again, ProductQuantizer)
    assert again.settings() == first.settings()
    assert np.array_equal(again.encode(vectors), codes)
    assert np.array_equal(again.decode(codes[:, :1]), first.decode(codes[:, :1]))


def test_a_file_that_does_not_fit_is_an_artifact_error(vectors: np.ndarray, tmp_path: Path) -> None:
    ProductQuantizer((8, 8)).fit(vectors).save_pretrained(tmp_path)
    file = tmp_path / "codebooks.safetensors"
    save_file({**load_file(file), "mean": np.zeros(3, np.float32)}, file)
    with pytest.raises(ArtifactError, match="no readable product quantizer"):
        ProductQuantizer.from_pretrained(tmp_path)


def test_fewer_distinct_vectors_than_codes_are_no_error(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(3, 4)).astype(np.float32)[np.arange(50) % 3]
    quantizer = ProductQuantizer((8, 8))
    assert np.allclose(quantizer.decode(quantizer.fit_encode(vectors)), vectors, atol=1e-2)


def test_bad_vectors_are_refused(vectors: np.ndarray) -> None:
    quantizer = ProductQuantizer((4, 4))
    with pytest.raises(DataError, match="300 items cannot fill a codebook of 301 codes"):
        ProductQuantizer((301, 4)).fit(vectors)
    with pytest.raises(DataError, match="are the same vector"):
        quantizer.fit(np.ones((20, 4), np.float32))
    with pytest.raises(DataError, match="11 dimensions"):
        quantizer.fit(vectors).encode(np.zeros((2, 11), np.float32))
    with pytest.raises(DataError, match=r"Codes must be|A code lies outside"):
        quantizer.decode(np.array([[4]]))
    broken = vectors.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match=r"NaN or infinity \(rows 3\)"):
        quantizer.fit(broken)


def test_fewer_items_than_dimensions_are_no_error(rng: np.random.Generator) -> None:
    quantizer = ProductQuantizer((8, 8, 8), iterations=5)
    codes = quantizer.fit_encode(rng.normal(size=(40, 80)).astype(np.float32))
    assert codes.shape == (40, 3)
    assert np.allclose(quantizer.rotation.T @ quantizer.rotation, np.eye(80), atol=1e-3)
