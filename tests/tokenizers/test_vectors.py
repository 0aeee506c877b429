"""Vectors in safetensors files: mapped without being read, written chunk by chunk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from genrec.errors import ArtifactError
from genrec_tokenizers.vectors import VectorWriter, chunks, open_vectors, release_pages


def test_a_mapped_matrix_is_what_safetensors_reads(rng: np.random.Generator, tmp_path: Path) -> None:
    vectors = rng.normal(size=(37, 5)).astype(np.float32)
    save_file({"a": np.arange(3), "embeddings": vectors, "z": np.ones((2, 2))}, tmp_path / "file.safetensors")
    mapped = open_vectors(tmp_path / "file.safetensors")
    assert isinstance(mapped, np.memmap)
    assert mapped.dtype == np.float32
    assert np.array_equal(mapped, vectors)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(1, 5))
def test_safetensors_reads_what_was_written_in_chunks(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], dim: int
) -> None:
    vectors = np.random.default_rng(sum(sizes)).normal(size=(sum(sizes), dim)).astype(np.float32)
    file = tmp_path_factory.mktemp("vectors") / "file.safetensors"
    with VectorWriter(file, len(vectors), dim, name="v") as writer:
        for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
            writer.write(vectors[start : start + size])
    assert np.array_equal(load_file(file)["v"], vectors)


def test_an_unfinished_file_does_not_take_its_place(tmp_path: Path) -> None:
    file = tmp_path / "file.safetensors"
    with pytest.raises(ValueError, match="only 2 of 3"), VectorWriter(file, 3, 4) as writer:
        writer.write(np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="4 vectors for a file of 3"), VectorWriter(file, 3, 4) as writer:
        writer.write(np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match="shape"), VectorWriter(file, 3, 4) as writer:
        writer.write(np.zeros((3, 5), np.float32))
    assert not file.exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "no header", "other name", "float64", "vector"])
def test_a_file_without_such_vectors_is_an_artifact_error(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "file.safetensors"
    content = {"float64": np.zeros((4, 2)), "vector": np.zeros(4, np.float32)}
    name = "others" if damage == "other name" else "embeddings"
    if damage != "missing":
        save_file({name: content.get(damage, np.zeros((400, 2), np.float32))}, file)
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "no header":
        file.write_bytes((5).to_bytes(8, "little") + json.dumps([1, 2]).encode())
    with pytest.raises(ArtifactError, match=r"file\.safetensors holds no vectors"):
        open_vectors(file)


def test_chunks_cover_every_row_once() -> None:
    vectors = np.arange(20, dtype=np.float32).reshape(10, 2)
    assert [(part.start, part.stop) for part in chunks(vectors, 4)] == [(0, 4), (4, 8), (8, 10)]
    assert np.array_equal(np.concatenate([vectors[part] for part in chunks(vectors)]), vectors)
    assert list(chunks(vectors[:0])) == []


def test_private_changes_to_a_map_survive(tmp_path: Path) -> None:
    np.zeros(8, np.float32).tofile(tmp_path / "file")
    private = np.memmap(tmp_path / "file", dtype=np.float32, mode="c", shape=(4, 2))
    private[1] = 7
    release_pages(private[1:])
    assert private[1, 0] == 7


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_reading_in_chunks_keeps_little_in_memory(tmp_path: Path) -> None:
    """200 MB are read to the end with less than 60 MB more in memory."""
    file = tmp_path / "file.safetensors"
    with VectorWriter(file, 100_000, 500) as writer:
        for _ in range(100):
            writer.write(np.ones((1_000, 500), np.float32))
    program = (
        "import sys, pathlib\n"
        "from genrec_tokenizers.vectors import chunks, open_vectors\n"
        "status = lambda: int(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        "vectors = open_vectors(pathlib.Path(sys.argv[1]))\n"
        "before = status()\n"
        "assert sum(float(vectors[part].sum()) for part in chunks(vectors)) == 5e7\n"
        "print((status() - before) / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file)], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 60
