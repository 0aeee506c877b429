"""QARM's VQ codes: row numbers of the nearest items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from genrec.errors import ArtifactError, DataError
from genrec_tokenizers.neighbors import NeighborCodes


@pytest.mark.parametrize("count", [1, 5, 25])
def test_codes_are_the_nearest_rows_nearest_first(rng: np.random.Generator, count: int) -> None:
    table, others = rng.normal(size=(80, 6)).astype(np.float32), rng.normal(size=(30, 6)).astype(np.float32)
    codes = NeighborCodes(count).fit(table).encode(others)
    distances = np.square(others[:, None].astype(np.float64) - table).sum(axis=2)
    assert codes.dtype == np.int32
    assert np.array_equal(codes, np.argsort(distances, axis=1)[:, :count])


def test_an_item_of_the_catalogue_is_its_own_first_neighbour(rng: np.random.Generator) -> None:
    table = rng.normal(size=(5000, 4)).astype(np.float32)
    codes = NeighborCodes(3).fit(table).encode(table)
    assert np.array_equal(codes[:, 0], np.arange(5000))
    assert all(len(set(row)) == 3 for row in codes[:50])


def test_of_vectors_of_length_one_the_order_is_the_cosines(rng: np.random.Generator) -> None:
    table = rng.normal(size=(60, 5)).astype(np.float32)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    codes = NeighborCodes(4).fit(table).encode(table)
    assert np.array_equal(codes, np.argsort(-(table.astype(np.float64) @ table.T), axis=1)[:, :4])


def test_it_comes_back_from_disk(rng: np.random.Generator, tmp_path: Path) -> None:
    table, others = rng.normal(size=(50, 6)).astype(np.float32), rng.normal(size=(9, 6)).astype(np.float32)
    codes = NeighborCodes(7).fit(table)
    codes.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"neighbors.safetensors", "neighbors.json"}
    again = NeighborCodes.from_pretrained(tmp_path)
    assert again.count == 7
    assert np.array_equal(again.encode(others), codes.encode(others))


@pytest.mark.parametrize("damage", ["no config", "no table", "other shape"])
def test_a_broken_folder_is_an_artifact_error(rng: np.random.Generator, tmp_path: Path, damage: str) -> None:
    NeighborCodes(7).fit(rng.normal(size=(50, 6)).astype(np.float32)).save_pretrained(tmp_path)
    if damage == "other shape":
        (tmp_path / "neighbors.json").write_text(json.dumps({"count": 7, "items": 51, "dim": 6}))
    else:
        (tmp_path / ("neighbors.json" if damage == "no config" else "neighbors.safetensors")).unlink()
    with pytest.raises(ArtifactError, match=r"neighbors|neighbour codes"):
        NeighborCodes.from_pretrained(tmp_path)


def test_bad_vectors_are_refused(rng: np.random.Generator) -> None:
    table = rng.normal(size=(20, 4)).astype(np.float32)
    with pytest.raises(DataError, match="20 items do not have 25 nearest neighbours"):
        NeighborCodes().fit(table)
    with pytest.raises(DataError, match="are the same vector"):
        NeighborCodes(2).fit(np.ones((20, 4), np.float32))
    with pytest.raises(DataError, match="5 dimensions"):
        NeighborCodes(2).fit(table).encode(np.zeros((2, 5), np.float32))
    with pytest.raises(RuntimeError, match="no table"):
        NeighborCodes(2).encode(table)
    table[3, 1] = np.nan
    with pytest.raises(DataError, match=r"NaN or infinity \(rows 3\)"):
        NeighborCodes(2).fit(table)
