"""A teacher in training: vectors are made once, the student comes nearer, what is saved knows nothing of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file

from genrec.data import Dataset
from genrec.decoding import Recommender
from genrec.errors import DataError
from genrec.models import Generator
from genrec.runs import Manifest
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.make import make_generator
from genrec_alignment.teacher import vectors as vectors_module
from genrec_alignment.teacher.config import TeacherConfig
from genrec_alignment.teacher.vectors import teacher_vectors, user_texts
from tests.alignment.conftest import make_planted_run
from tests.alignment.tiny_language import write_tiny_language

QUICK: dict[str, Any] = {
    "model": {"kind": "lazy_decoder", "hidden_size": 16, "intermediate_size": 32, "heads": 2, "layers": 1},
    "history_length": 6,
    "batch_size": 16,
    "epochs": 4,
    "validate_every": 2,
    "validation_beams": 10,
    "validation_users": 10,
    "warmup_steps": 2,
    "learning_rate": 0.01,
    "dropout": 0.0,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_language(tmp_path_factory.mktemp("teacher"))


def _train(run: Path, tiny: Path, resume: bool = False, **settings: Any) -> Manifest:
    teacher = {"kind": "language", "model": str(tiny), "items": 4, "max_tokens": 32} | settings
    return make_generator(TrainConfig(**QUICK, teacher=teacher), run, seed=0, resume=resume)


def _log(run: Path) -> list[dict[str, Any]]:
    return json.loads((run / "generator" / "training_log.json").read_text())["log"]


def test_the_student_comes_nearer_and_the_saved_generator_knows_no_teacher(planted_run: Path, tiny: Path) -> None:
    manifest = _train(planted_run, tiny)
    found = [row["alignment_loss"] for row in _log(planted_run) if "alignment_loss" in row]
    assert len(found) == 4
    assert found[-1] < found[0] - 0.1
    folder = planted_run / "generator"
    assert not [name for name in load_file(folder / "model.safetensors") if "teacher" in name]
    assert "teacher" not in (folder / "config.json").read_text()
    other = make_planted_run(planted_run.parent / "plain")
    plain = make_generator(TrainConfig(**QUICK), other, seed=0)
    assert manifest.details["parameters"] == plain.details["parameters"]
    both = [Generator.from_pretrained(each).model.state_dict() for each in (folder, other / "generator")]
    assert both[0].keys() == both[1].keys()
    (planted_run / "teacher" / "vectors.safetensors").unlink()  # not needed any more
    assert Recommender.from_pretrained(folder).recommend([np.array([4, 5])], k=3).items.min() >= 0


def test_with_alignment_alone_recommendation_is_not_learned(planted_run: Path, tiny: Path) -> None:
    _train(planted_run, tiny, alignment_epochs=4)
    aligned = Generator.from_pretrained(planted_run / "generator").model.state_dict()
    _train(planted_run, tiny, alignment_epochs=0)
    learned = Generator.from_pretrained(planted_run / "generator").model.state_dict()
    for name in ("norm.weight", "layers.0.cross_norm.weight"):  # before the output: no way to the encoder
        assert (aligned[name] == 1).all()
        assert (learned[name] != 1).any()


def test_vectors_are_made_once_and_parts_survive(
    planted_run: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, config = Dataset.load(planted_run / "dataset"), TeacherConfig(model=str(tiny), max_tokens=32)
    whole = teacher_vectors(config, dataset, tmp_path / "whole")
    assert whole.shape == (48, 16)
    np.testing.assert_allclose(whole.mean(axis=0), 0, atol=1e-5)
    monkeypatch.setattr(vectors_module, "_PART", 20)
    made: list[int] = []
    real = vectors_module._encoder(config)

    def encoder(_: TeacherConfig) -> Any:
        def encode(texts: list[str]) -> Any:
            if len(made) == 2:
                made.append(0)
                raise KeyboardInterrupt
            made.append(len(texts))
            return real(texts)

        return encode

    monkeypatch.setattr(vectors_module, "_encoder", encoder)
    with pytest.raises(KeyboardInterrupt):
        teacher_vectors(config, dataset, tmp_path / "cut")
    again = teacher_vectors(config, dataset, tmp_path / "cut")
    assert made == [20, 20, 0, 8], "two parts, the interruption, and the last part alone"
    np.testing.assert_allclose(again, whole, atol=1e-4)
    assert not (tmp_path / "cut.partial").exists()
    teacher_vectors(config.model_copy(update={"weight": 3.0}), dataset, tmp_path / "cut")
    assert len(made) == 4, "how much they count for changes no vector"


def test_a_teacher_reads_the_training_part_alone(planted_run: Path) -> None:
    dataset = Dataset.load(planted_run / "dataset")
    assert user_texts(dataset, 2)[1] == "Item 9, Item 8"  # items 5, 6, …, 9 are learned, 10 and 11 are held out
    assert len(user_texts(dataset, 100)[1].split(", ")) == 5


def test_items_without_titles_are_refused(planted_run: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    dataset = Dataset.load(planted_run / "dataset")
    bare = replace(dataset, items=pl.DataFrame({"item_id": dataset.item_ids}))
    with pytest.raises(DataError, match="no titles"):
        teacher_vectors(TeacherConfig(), bare, tmp_path / "teacher")


def test_a_stock_decoder_has_no_place_for_a_teacher() -> None:
    with pytest.raises(ValidationError, match=r"teacher needs model\.kind encoder_decoder or lazy_decoder"):
        TrainConfig(teacher={})  # type: ignore[arg-type]
