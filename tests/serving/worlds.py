"""A tiny run to serve: twelve films, three users, a random generator; and a client of its service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image
from safetensors.numpy import save_file
from starlette.testclient import TestClient

from genrec.data import Dataset
from genrec.data.features import Features
from genrec.models import DecoderConfig, LanguageConfig, ModelConfig, build_generator
from genrec.models.onerec.config import LazyDecoderConfig
from genrec.runs import new_artifact, open_artifact
from genrec.semantic_ids import Catalogue
from genrec.serving.app import create_app
from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service
from genrec.serving.service import Service
from tests.decoding.worlds import random_codes
from tests.models.language.tiny import write_base

ITEMS = [f"i{row:02}" for row in range(12)]
TITLE = "Film {item} (1999)"
LOG = {
    "user_id": ["ann", "ann", "ann", "ann", "bob", "cy"],
    "item_id": ["i03", "i05", "gone", "i07", "i01", "i02"],
    "timestamp": [1000, 2000, 3000, 4000, 1000, 1000],
    "split": ["train"] * 6,
    "behavior": ["view", "like", "view", "like", "view", "view"],
    "domain": ["films", "films", "films", "films", "books", "films"],
}
MODELS: dict[str, ModelConfig] = {
    "decoder": DecoderConfig(hidden_size=8, intermediate_size=8, layers=1, heads=2),
    "for_vllm": DecoderConfig(hidden_size=64, intermediate_size=8, layers=1, heads=2),  # heads of 32 and more
    "lazy_decoder": LazyDecoderConfig(hidden_size=8, intermediate_size=8, heads=2),
}


def write_run(run: Path, kind: str = "decoder", features: tuple[str, ...] = ()) -> Path:
    """Write a run with dataset, semantic IDs and a random generator of a kind; return its folder."""
    with new_artifact(run / "dataset", "dataset", {}) as draft:
        draft.details["time_unit"] = "ms"
        _items(run).write_parquet(draft.path / "items.parquet")
        pl.DataFrame(LOG).write_parquet(draft.path / "interactions.parquet")
    codes = random_codes((4, 4), len(ITEMS), np.random.default_rng(0))
    catalogue = Catalogue(ITEMS, codes, (4, 4), [TITLE.format(item=item) for item in ITEMS])
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        catalogue.save(draft.path)
        vectors = np.random.default_rng(1).normal(size=(len(ITEMS), 6)).astype(np.float32)
        save_file({"embeddings": vectors}, draft.path / "embeddings.safetensors")
    torch.manual_seed(0)
    if kind == "language":
        generator = build_generator(LanguageConfig(base=str(write_base(run / "base"))), catalogue, 10)
    else:
        learned = Features.fit(Dataset.load(run / "dataset"), features) if features else None
        generator = build_generator(MODELS[kind], catalogue, 10, session_length=3, features=learned)
    ids = open_artifact(run / "semantic_ids", "semantic_ids").digest
    with new_artifact(run / "generator", "generator", {}, {"semantic_ids": ids}) as draft:
        generator.save_pretrained(draft.path)
    return run


def _items(run: Path) -> pl.DataFrame:
    picture = run / "pictures" / "i03.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 3)).save(picture)
    known = pl.DataFrame({"item_id": sorted([*ITEMS, "gone"])})
    image = pl.when(pl.col("item_id") == "i03").then(pl.lit(str(picture)))
    return known.with_columns(title=pl.format("Film {} (1999)", "item_id"), genres=pl.lit("Drama"), image=image)


@contextmanager
def served(run: Path, **settings: object) -> Iterator[TestClient]:
    """Serve a run in this process, without a watch over the catalogue unless settings say so."""
    with client_of(load_service(run, ServeConfig(**{"catalogue_poll_s": 0, **settings}))) as client:
        yield client


@contextmanager
def client_of(service: Service) -> Iterator[TestClient]:
    """Call a service as ``http://localhost``."""
    app = create_app(service)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client
