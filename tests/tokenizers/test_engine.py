"""Work done by others gives the same codes as work done here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.errors import MissingPackageError
from genrec_tokenizers import engine
from genrec_tokenizers.encoders import TextEncoder
from genrec_tokenizers.engine import LocalEngine, RayEngine, encode_rows
from genrec_tokenizers.quantizers import ResidualKMeans


@pytest.fixture
def vectors(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(1050, 6)).astype(np.float32)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_ROWS", 100)


@pytest.fixture
def two_workers() -> Iterator[RayEngine]:
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'genrec[ray]'")
    ray.init(num_cpus=2, logging_level="error", log_to_driver=False, include_dashboard=False)
    yield RayEngine(workers=2)
    ray.shutdown()


@pytest.mark.usefixtures("small_parts")
def test_parts_give_the_codes_of_the_whole(vectors: np.ndarray) -> None:
    quantizer = ResidualKMeans((8, 8), iterations=5).fit(vectors)
    assert np.array_equal(encode_rows(LocalEngine(), quantizer, vectors), quantizer.encode(vectors))
    assert encode_rows(LocalEngine(), quantizer, vectors[:0]).shape == (0, 2)


def test_nothing_is_prepared_for_no_parts() -> None:
    assert list(LocalEngine().map(lambda: pytest.fail("prepared"), [])) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.usefixtures("small_parts")
def test_two_ray_workers_give_the_vectors_and_codes_of_one_process(
    two_workers: RayEngine, vectors: np.ndarray, tiny_encoder: Path, tmp_path: Path
) -> None:
    quantizer = ResidualKMeans((8, 8), iterations=5).fit(vectors)
    codes = encode_rows(two_workers, quantizer, vectors)
    assert codes.dtype == np.int32
    assert np.array_equal(codes, quantizer.encode(vectors))

    items = pl.DataFrame(
        {"item_id": [str(item) for item in range(600)], "title": [f"t{item}" for item in range(600)]}
    )
    here = TextEncoder(str(tiny_encoder), cache=tmp_path / "here")
    there = TextEncoder(str(tiny_encoder), cache=tmp_path / "there")
    there.engine = two_workers
    assert np.array_equal(here.encode_new(items).vectors, there.encode_new(items).vectors)
    assert len(list((tmp_path / "there").iterdir())) == 2


def test_without_ray_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"genrec\[ray\]"):
        RayEngine()
