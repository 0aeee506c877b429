"""Adapters of the text encoder: they change vectors for the better, the encoder's own weights stay."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from genrec.data import Dataset
from genrec.errors import ArtifactError, DataError, MissingPackageError
from genrec_tokenizers.alignment import lora
from genrec_tokenizers.alignment.pairs import item_pairs
from genrec_tokenizers.encoders import TextEncoder
from genrec_tokenizers.encoders.text_model import locate
from tests.tokenizers.conftest import WriteDataset, item_name, random_log


@pytest.fixture
def dataset(write_dataset: WriteDataset, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Two halves of a catalogue whose titles say which half it is in a letter among others; quick training."""
    monkeypatch.setattr(
        lora, "SETTINGS", {"epochs": 5, "batch_size": 16, "learning_rate": 0.02, "temperature": 0.2}
    )
    letters = rng.choice(list("abcdefgh"), (40, 6))
    letters[:20, 0], letters[20:, 0] = "x", "y"
    titles = {item_name(item): " ".join(letters[item]) for item in range(40)}
    return write_dataset(random_log(rng, users=30), titles)


def encoder(folder: Path, cache: Path, rank: int = 4) -> TextEncoder:
    return TextEncoder(str(folder), lora_rank=rank, cache=cache)


def contrast(vectors: np.ndarray, dataset: Dataset) -> float:
    """How much nearer (cosine) held-out pairs are than any two items."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    left, right = item_pairs(dataset, seed=0).held_out.T
    return float((unit[left] * unit[right]).sum(axis=1).mean() - (unit @ unit.T).mean())


def test_adapters_bring_items_used_together_nearer_and_come_back_from_the_artefact(
    dataset: Dataset, tiny_encoder: Path, tmp_path: Path
) -> None:
    plain = encoder(tiny_encoder, tmp_path / "cache", rank=0).encode(dataset).vectors
    trained = encoder(tiny_encoder, tmp_path / "cache")
    before = trained.fingerprint()
    aligned = trained.encode(dataset).vectors
    assert trained.fingerprint() == before  # so that an artefact can be seen to be current
    assert contrast(aligned, dataset) > contrast(plain, dataset) + 0.1
    trained.save_pretrained(tmp_path)
    restored = encoder(tiny_encoder, tmp_path / "other cache")
    restored.restore(tmp_path)
    assert np.allclose(restored.encode_new(dataset.items).vectors, aligned, atol=1e-5)


def test_the_encoders_own_weights_do_not_move(dataset: Dataset, tiny_encoder: Path) -> None:
    model = locate(str(tiny_encoder)).load()
    start = {name: weight.clone() for name, weight in model.named_parameters()}
    adapter = lora.train_adapter(model, dataset.titles, dataset, 4, seed=0)
    own = {
        name.replace(".base_layer", ""): weight for name, weight in model.named_parameters() if "lora_" not in name
    }
    assert own.keys() == start.keys()
    assert all(torch.equal(own[name], start[name]) for name in start)
    assert any(weight.any() for name, weight in adapter.weights.items() if "lora_B" in name)


def test_fresh_adapters_change_nothing(tiny_encoder: Path) -> None:
    model = locate(str(tiny_encoder)).load()
    before = model.encode("red fish", show_progress_bar=False)
    lora.inject(model, 4)
    assert np.allclose(model.encode("red fish", show_progress_bar=False), before, atol=1e-6)
    assert all("lora_" in name for name, weight in model.named_parameters() if weight.requires_grad)


def test_adapters_are_part_of_the_cache_key(dataset: Dataset, tiny_encoder: Path, tmp_path: Path) -> None:
    aligned = encoder(tiny_encoder, tmp_path).encode(dataset).vectors
    plain = encoder(tiny_encoder, tmp_path, rank=0).encode(dataset).vectors
    assert not np.allclose(aligned, plain, atol=1e-3)


def test_missing_or_other_adapters_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no readable text adapter"):
        encoder(tiny_encoder, tmp_path).restore(tmp_path)
    lora.Adapter(2, {"x.lora_A.weight": torch.zeros(2, 16)}).save(tmp_path)
    with pytest.raises(ArtifactError, match=r"rank \[2\], not 4"):
        encoder(tiny_encoder, tmp_path).restore(tmp_path)


def test_an_encoder_without_adapters_writes_and_needs_none(tiny_encoder: Path, tmp_path: Path) -> None:
    plain = encoder(tiny_encoder, tmp_path / "cache", rank=0)
    plain.encode_new(pl.DataFrame({"title": ["red fish"]}))
    plain.save_pretrained(tmp_path)
    plain.restore(tmp_path)
    assert not (tmp_path / lora.ADAPTER_FILE).exists()


def test_items_without_differing_texts_teach_nothing(dataset: Dataset, tiny_encoder: Path) -> None:
    with pytest.raises(DataError, match=r"Hardly any items[\s\S]*lora_rank=0"):
        lora.train_adapter(locate(str(tiny_encoder)).load(), ["same"] * 40, dataset, 4, seed=0)


def test_a_missing_peft_gives_the_line_that_installs_it(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingPackageError, match="pip install peft"):
        lora.inject(locate(str(tiny_encoder)).load(), 4)


def test_several_processes_do_not_train_adapters(
    dataset: Dataset, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genrec_tokenizers.encoders.text.process_share", lambda: (1, 2))
    with pytest.raises(DataError, match="one process"):
        encoder(tiny_encoder, tmp_path).encode(dataset)
