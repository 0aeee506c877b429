"""Artefacts that are broken or do not fit stop the start, with one message that says which."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from genrec.errors import ArtifactError
from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service
from tests.serving.worlds import served

CONFIG = ServeConfig(catalogue_poll_s=0)


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A run that may be broken."""
    return Path(shutil.copytree(run, tmp_path / "own"))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("generator/model.safetensors", "generator is not what was written: model.safetensors missing or changed"),
        ("generator/catalogue/codes.safetensors", "catalogue/codes.safetensors missing or changed"),
        ("dataset/interactions.parquet", "dataset is not what was written: interactions.parquet"),
        ("semantic_ids/embeddings.safetensors", "semantic_ids is not what was written: embeddings.safetensors"),
        ("generator/manifest.json", "manifest.json is not a genrec manifest"),
    ],
)
def test_a_broken_file_is_named(file: str, words: str, own: Path) -> None:
    (own / file).write_bytes((own / file).read_bytes()[:-9] + b"corrupted")
    with pytest.raises(ArtifactError, match=words):
        load_service(own, CONFIG)


def test_a_run_without_a_generator_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="Make one first: genrec train"):
        load_service(tmp_path, CONFIG)


def test_a_generator_alone_is_enough(own: Path) -> None:
    for folder in ("dataset", "semantic_ids"):
        shutil.rmtree(own / folder)
    with served(own) as client:
        assert len(client.post("/v1/recommend", json={"user_id": "ann"}).json()["items"]) == 10
        near = client.get("/v1/similar", params={"item_id": "i01"}).json()["items"]
        shared = [item["shared_codes"] for item in near]
        assert shared == sorted(shared, reverse=True)
        assert all(item["similarity"] is None for item in near)


def test_the_model_card_may_be_edited(own: Path) -> None:
    (own / "generator" / "README.md").write_text("Ours.")
    service = load_service(own, CONFIG)
    assert service.ready
    service.stop()
