"""Residual k-means: what its codes mean, what it refuses, and that it survives a trip to disk."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import ArtifactError, DataError
from genrec_tokenizers.quality import reconstruction_errors
from genrec_tokenizers.quantizers import ResidualKMeans
from genrec_tokenizers.vectors import VectorWriter, open_vectors

quick = settings(deadline=None, max_examples=40)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...], int]:
    """Vectors with clusters and copies, codebook sizes that fit them, and a seed."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    items, dim = draw(st.integers(4, 80)), draw(st.integers(1, 12))
    centres = rng.normal(size=(draw(st.integers(1, 6)), dim)) * 3
    vectors = centres[rng.integers(len(centres), size=items)] + rng.normal(size=(items, dim))
    copies = draw(st.integers(0, items // 2))
    vectors[:copies] = vectors[-1]
    sizes = draw(st.lists(st.integers(2, min(items, 16)), min_size=1, max_size=4))
    return vectors.astype(np.float32), tuple(sizes), draw(st.integers(0, 2**40))


@quick
@given(problems())
def test_codes_are_in_range_and_each_names_the_nearest_centroid(problem: tuple) -> None:
    vectors, sizes, seed = problem
    quantizer = ResidualKMeans(sizes, iterations=5, seed=seed).fit(vectors)
    codes = quantizer.encode(vectors)
    assert codes.dtype == np.int32
    assert codes.shape == (len(vectors), len(sizes))
    residual = vectors.astype(np.float64)
    for level, (codebook, size) in enumerate(zip(quantizer.codebooks, sizes, strict=True)):
        assert codebook.shape == (size, vectors.shape[1])
        assert codes[:, level].min() >= 0
        assert codes[:, level].max() < size
        distances = np.square(residual[:, None] - codebook[None]).sum(axis=2)
        chosen = distances[np.arange(len(vectors)), codes[:, level]]
        assert np.allclose(chosen, distances.min(axis=1), atol=1e-3)
        residual -= codebook[codes[:, level]]


@quick
@given(problems())
def test_every_level_lowers_the_error_on_what_it_was_fitted_on(problem: tuple) -> None:
    vectors, sizes, seed = problem
    if (vectors == vectors[0]).all():
        return
    quantizer = ResidualKMeans(sizes, iterations=5, seed=seed).fit(vectors)
    errors = reconstruction_errors(quantizer, vectors, quantizer.encode(vectors))
    assert errors[0] <= 1 + 1e-5
    assert all(later <= earlier + 1e-5 for earlier, later in itertools.pairwise(errors))


@quick
@given(problems())
def test_equal_seeds_give_equal_codebooks_and_equal_vectors_equal_codes(problem: tuple) -> None:
    vectors, sizes, seed = problem
    first, second = (ResidualKMeans(sizes, iterations=3, seed=seed).fit(vectors) for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(first.codebooks, second.codebooks, strict=True))
    twice = first.encode(np.concatenate([vectors, vectors]))
    assert np.array_equal(twice[: len(vectors)], twice[len(vectors) :])


def test_another_seed_gives_other_codebooks(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(200, 8)).astype(np.float32)
    first, second = (ResidualKMeans((16,), seed=seed).fit(vectors).codebooks[0] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_clear_clusters_are_found(rng: np.random.Generator) -> None:
    """Two coarse and, within each, two fine groups: the first level tells the coarse ones apart."""
    coarse = rng.integers(2, size=400)
    fine = rng.integers(2, size=400)
    vectors = np.stack([coarse * 20.0, fine * 4.0], axis=1) + rng.normal(size=(400, 2)) * 0.1
    codes = ResidualKMeans((2, 2), restarts=3).fit(vectors.astype(np.float32)).encode(vectors.astype(np.float32))
    assert len(np.unique(np.stack([coarse, codes[:, 0]]), axis=1).T) == 2
    assert len(np.unique(np.stack([coarse, fine, codes[:, 0], codes[:, 1]]), axis=1).T) == 4


def test_restarts_and_iterations_only_help(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(600, 6)).astype(np.float32)

    def error(**options: int) -> float:
        quantizer = ResidualKMeans((32,), **options).fit(vectors)
        return reconstruction_errors(quantizer, vectors, quantizer.encode(vectors))[0]

    assert error(iterations=20) < error(iterations=1)
    assert error(restarts=5) <= error(restarts=1) + 1e-6


def test_decoding_fewer_levels_gives_the_coarser_vector(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(100, 4)).astype(np.float32)
    quantizer = ResidualKMeans((8, 8, 8)).fit(vectors)
    codes = quantizer.encode(vectors)
    assert np.array_equal(quantizer.decode(codes[:, :1]), quantizer.codebooks[0][codes[:, 0]])
    total = sum(codebook[column] for codebook, column in zip(quantizer.codebooks, codes.T, strict=True))
    assert np.allclose(quantizer.decode(codes), total)


def test_the_path_comes_nearer_level_by_level(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(200, 5)).astype(np.float32)
    quantizer = ResidualKMeans((8, 8, 8)).fit(vectors)
    path = quantizer.path(quantizer.encode(vectors))
    assert path.shape == (len(vectors), 3, vectors.shape[1])
    errors = np.square(path - vectors[:, None]).sum(axis=(0, 2))
    assert errors[0] > errors[1] > errors[2]
    assert np.array_equal(path[:, 1], quantizer.decode(quantizer.encode(vectors)[:, :2]))


def spoiled(rng: np.random.Generator, value: float) -> np.ndarray:
    vectors = rng.normal(size=(50, 4)).astype(np.float32)
    vectors[[7, 11], 2] = value
    return vectors


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_vectors_are_named(rng: np.random.Generator, value: float) -> None:
    with pytest.raises(DataError, match=r"2 of 50 embeddings hold NaN or infinity \(rows 7, 11\)"):
        ResidualKMeans((4,)).fit(spoiled(rng, value))


def test_constant_vectors_are_refused() -> None:
    with pytest.raises(DataError, match="All 20 embeddings are the same vector"):
        ResidualKMeans((4,)).fit(np.full((20, 3), 2, dtype=np.float32))


def test_fewer_items_than_codes_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match=r"10 items cannot fill a codebook of 16 codes[\s\S]*at most 10"):
        ResidualKMeans((4, 16)).fit(rng.normal(size=(10, 3)).astype(np.float32))


def test_wrong_dimensions_are_refused(rng: np.random.Generator) -> None:
    quantizer = ResidualKMeans((4,)).fit(rng.normal(size=(50, 4)).astype(np.float32))
    with pytest.raises(DataError, match="5 dimensions, but the codebooks have 4"):
        quantizer.encode(np.zeros((2, 5), dtype=np.float32))
    with pytest.raises(DataError, match=r"\[items, dim\]"):
        quantizer.encode(np.zeros(4, dtype=np.float32))


@pytest.mark.parametrize("codes", [[[4]], [[-1]], [[0, 0]]])
def test_codes_that_do_not_exist_are_refused(rng: np.random.Generator, codes: list[list[int]]) -> None:
    quantizer = ResidualKMeans((4,)).fit(rng.normal(size=(50, 4)).astype(np.float32))
    with pytest.raises(DataError, match=r"Codes must be|A code lies outside"):
        quantizer.decode(np.array(codes))


def test_encoding_before_fitting_is_a_programming_error() -> None:
    with pytest.raises(RuntimeError, match="not fitted"):
        ResidualKMeans().encode(np.zeros((2, 3), dtype=np.float32))


def test_codes_do_not_depend_on_the_company_an_item_is_encoded_in(rng: np.random.Generator) -> None:
    """Midpoints of two centroids are near ties, and faiss sums in another order for few vectors than for many."""
    quantizer = ResidualKMeans((16, 8)).fit(rng.normal(size=(400, 384)).astype(np.float32))
    first, second = rng.integers(16, size=(2, 2000))
    vectors = (quantizer.codebooks[0][first] + quantizer.codebooks[0][second]) / 2
    codes = quantizer.encode(vectors)
    for rows in (7, 100, 1000):
        parts = [quantizer.encode(vectors[start : start + rows]) for start in range(0, len(vectors), rows)]
        assert np.array_equal(np.concatenate(parts), codes)


def test_a_memory_map_gives_the_same_codes_in_chunks_of_any_size(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = rng.normal(size=(500, 16)).astype(np.float32)
    with VectorWriter(tmp_path / "v.safetensors", *vectors.shape) as writer:
        writer.write(vectors)
    mapped = open_vectors(tmp_path / "v.safetensors")
    in_memory = ResidualKMeans((16, 8, 8))
    codes = in_memory.fit_encode(vectors)
    assert np.array_equal(in_memory.encode(vectors), codes)
    for size in (16 * 4, 16 * 4 * 37, 16 * 4 * 1000):
        monkeypatch.setattr("genrec_tokenizers.vectors.CHUNK_BYTES", size)
        quantizer = ResidualKMeans((16, 8, 8))
        assert np.array_equal(quantizer.fit_encode(mapped), codes)
        assert np.array_equal(quantizer.encode(mapped), codes)
        assert all(np.array_equal(*pair) for pair in zip(quantizer.codebooks, in_memory.codebooks, strict=True))


def test_fewer_distinct_vectors_than_codes_are_no_error(rng: np.random.Generator) -> None:
    distinct = rng.normal(size=(3, 4)).astype(np.float32)
    vectors = distinct[np.arange(50) % 3]
    quantizer = ResidualKMeans((8, 4))
    codes = quantizer.fit_encode(vectors)
    assert len(np.unique(codes, axis=0)) == 3
    assert np.allclose(quantizer.decode(codes), vectors, atol=1e-2)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_fitting_a_memory_map_holds_one_copy_of_it(tmp_path: Path) -> None:
    """128 MB of vectors: one copy, chunks of 24 MB, and 64 MB for the start; a second copy would show."""
    rng = np.random.default_rng(0)
    with VectorWriter(tmp_path / "v.safetensors", 125_000, 256) as writer:
        for _ in range(10):
            writer.write(rng.normal(size=(12_500, 256)).astype(np.float32))
    program = (
        "import sys, pathlib\n"
        "from genrec_tokenizers.quantizers import ResidualKMeans\n"
        "from genrec_tokenizers.vectors import open_vectors\n"
        "status = lambda: int(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        "before = status()\n"
        "ResidualKMeans((16, 16), iterations=1).fit_encode(open_vectors(pathlib.Path(sys.argv[1])))\n"
        "print((status() - before) * 1024 / (125_000 * 256 * 4))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "v.safetensors")]
    assert float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) < 2


def test_another_process_gives_the_same_codes(rng: np.random.Generator, tmp_path: Path) -> None:
    vectors = rng.normal(size=(300, 16)).astype(np.float32)
    quantizer = ResidualKMeans((32, 16, 8), seed=5).fit(vectors)
    quantizer.save_pretrained(tmp_path / "quantizer")
    np.save(tmp_path / "vectors.npy", vectors)
    program = (
        "import sys, numpy as np, pathlib\n"
        "from genrec_tokenizers.quantizers import ResidualKMeans\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "quantizer = ResidualKMeans.from_pretrained(folder / 'quantizer')\n"
        "np.save(folder / 'codes.npy', quantizer.encode(np.load(folder / 'vectors.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert np.array_equal(np.load(tmp_path / "codes.npy"), quantizer.encode(vectors))


def test_what_is_read_is_what_was_written(rng: np.random.Generator, tmp_path: Path) -> None:
    quantizer = ResidualKMeans((8, 4), iterations=7, restarts=2, seed=3).fit(
        rng.normal(size=(60, 5)).astype(np.float32)
    )
    quantizer.save_pretrained(tmp_path)
    again = ResidualKMeans.from_pretrained(tmp_path)
    assert (again.codebook_sizes, again.iterations, again.restarts, again.seed) == ((8, 4), 7, 2, 3)
    assert all(np.array_equal(*pair) for pair in zip(again.codebooks, quantizer.codebooks, strict=True))


@pytest.mark.parametrize("damage", ["no config", "no weights", "other kind", "other sizes", "not json"])
def test_a_broken_folder_is_an_artifact_error(rng: np.random.Generator, tmp_path: Path, damage: str) -> None:
    ResidualKMeans((8, 4)).fit(rng.normal(size=(60, 5)).astype(np.float32)).save_pretrained(tmp_path)
    config = tmp_path / "quantizer.json"
    raw = json.loads(config.read_text())
    if damage == "no config":
        config.unlink()
    elif damage == "no weights":
        (tmp_path / "codebooks.safetensors").unlink()
    elif damage == "other kind":
        config.write_text(json.dumps({**raw, "kind": "rqvae"}))
    elif damage == "other sizes":
        config.write_text(json.dumps({**raw, "codebook_sizes": [8, 5]}))
    else:
        config.write_text("{")
    with pytest.raises(ArtifactError, match="no readable residual_kmeans quantizer"):
        ResidualKMeans.from_pretrained(tmp_path)
