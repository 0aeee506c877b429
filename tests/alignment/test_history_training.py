"""Training models that read events: the planted truth is learned, however a step is divided."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from genrec.decoding import Recommender
from genrec.models import Generator
from genrec.runs import Manifest
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.make import make_generator
from tests.alignment.conftest import make_planted_run, make_planted_sessions, write_planted_run

_SHAPE: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "heads": 2, "history": {"item_dropout": 0.0}}
_ENCODER: dict[str, Any] = _SHAPE | {"kind": "encoder_decoder", "encoder_layers": 1, "decoder_layers": 1}
MODELS: dict[str, dict[str, Any]] = {
    "encoder_decoder": _ENCODER | {"causal_encoder": True},
    "lazy_decoder": _SHAPE | {"kind": "lazy_decoder", "layers": 2},
    "item_head": _ENCODER | {"causal_encoder": True, "item_head": True},
    "t5": {"kind": "t5", "hidden_size": 32, "intermediate_size": 64, "heads": 2, "head_size": 16, "layers": 1},
}
QUICK: dict[str, Any] = {
    "history_length": 6,
    "batch_size": 16,
    "epochs": 20,
    "warmup_steps": 5,
    "learning_rate": 0.01,
    "dropout": 0.0,
    "validate_every": 10,
    "validation_beams": 10,
    "validation_users": 20,
}


def _log(run: Path) -> list[dict[str, Any]]:
    return json.loads((run / "generator" / "training_log.json").read_text())["log"]


def _losses(run: Path) -> list[float]:
    return [row["loss"] for row in _log(run) if "loss" in row]


def _train(run: Path, **settings: Any) -> Manifest:
    return make_generator(TrainConfig(**QUICK | settings), run, seed=0)


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_the_planted_ring_and_the_folder_serves_alone(name: str, planted_run: Path) -> None:
    slower = {"learning_rate": 0.003, "epochs": 40} if name == "t5" else {}  # one target a history, and no windows
    manifest = _train(planted_run, model=MODELS[name], **slower)
    assert manifest.details["best_validation_ndcg@10"] > 0.95
    recommender = Recommender.from_pretrained(planted_run / "generator")
    histories = [np.array([4, 5, 6, 7]), np.array([20, 21, 22])]
    ranking = recommender.recommend(histories, k=3, exclude=histories)
    assert ranking.items[:, 0].tolist() == [8, 23]
    assert recommender.recommend([np.array([], dtype=int)], k=3).items.min() >= 0


def test_items_that_training_never_shows_have_no_vector(tmp_path: Path) -> None:
    rows = [
        (f"u{user}", f"i{item:02}", step, split)
        for user in range(4)
        for step, (item, split) in enumerate([(0, "train"), (1, "train"), (2, "train"), (3, "valid"), (4, "test")])
    ]
    log = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "split"], orient="row")
    run = write_planted_run(tmp_path, log)
    _train(run, model=MODELS["lazy_decoder"], epochs=2)
    vectors = Generator.from_pretrained(run / "generator").model.events.items.weight
    assert (vectors[1:] != 0).any(dim=1).nonzero().flatten().tolist() == [0, 1, 2]


def test_a_bidirectional_encoder_learns_from_one_item_at_a_time(planted_run: Path) -> None:
    manifest = _train(planted_run, model=_ENCODER, epochs=6, validate_every=3)
    assert manifest.details["best_validation_ndcg@10"] > 0.6
    events = sum(min(length, 6) for user in range(48) for length in range(4 + user % 7))
    items = sum(4 + user % 7 for user in range(48))
    assert manifest.details["tokens"] == 6 * 2 * (events + items), "codes read and codes learned"


def test_sessions_are_learned_filtered_and_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = make_planted_sessions(tmp_path / "run")
    manifest = _train(
        run,
        model=_ENCODER | {"history": {"item_dropout": 0.0, "features": ["behavior"]}},
        target="session",
        session={"length": 3, "strong_behaviors": ["like"]},
        history_length=3,
    )
    report = manifest.details["sessions"]
    assert report["no_strong_behavior"] == 16
    assert report["sessions"] == report["kept"] + 16 == sum(2 + user % 3 for user in range(48))
    assert f"{report['kept']} of {report['sessions']} training sessions kept" in capfd.readouterr().err
    assert manifest.details["best_validation_session_ndcg@3"] > 0.9
    assert "session NDCG@3" in (run / "generator" / "README.md").read_text()

    recommender = Recommender.from_pretrained(run / "generator")
    assert recommender.sessions([np.array([4, 5, 6])], 3, beams=10).items[0, 0].tolist() == [7, 8, 9]


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    for name, batch, accumulation in (("whole", 16, 1), ("parts", 4, 4)):
        settings = {"batch_size": batch, "gradient_accumulation": accumulation, "epochs": 3}
        _train(make_planted_run(tmp_path / name), model=MODELS["lazy_decoder"], **settings)
    assert _losses(tmp_path / "parts") == pytest.approx(_losses(tmp_path / "whole"), rel=1e-3)


def test_bfloat16_learns_as_well(planted_run: Path) -> None:
    manifest = _train(planted_run, model=MODELS["encoder_decoder"], precision="bfloat16", epochs=10)
    assert manifest.details["best_validation_ndcg@10"] > 0.9


def test_loads_of_experts_are_evened_out_and_logged(planted_run: Path) -> None:
    moe = {"experts": 4, "active": 1, "bias_update": 0.01}
    _train(planted_run, model=MODELS["lazy_decoder"] | {"moe": moe}, epochs=3)
    rows = [row for row in _log(planted_run) if "loss" in row]
    assert all(0 <= row["experts/layers.0.feed_forward/entropy"] <= 1 for row in rows)
    from safetensors.numpy import load_file

    biases = load_file(planted_run / "generator" / "model.safetensors")["layers.0.feed_forward.bias"]
    assert np.abs(biases).max() > 0


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    """To 1e-3 of the loss: sums in float32 are taken in another order. The last step of an epoch is not full."""
    program = str(Path(__file__).with_name("distributed_program.py"))
    runs = {"one": [sys.executable, program], "two": _torchrun(2, program)}
    for name, command in runs.items():
        for model in MODELS:
            make_planted_run(tmp_path / name / model)
        done = subprocess.run(
            [*command, str(tmp_path / name), "8" if name == "two" else "16", "1"],
            capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    for model in MODELS:
        one, two = (_losses(tmp_path / name / model) for name in runs)
        assert len(one) == 3
        assert two == pytest.approx(one, rel=1e-3)


@pytest.mark.slow
def test_a_model_divided_among_processes_is_gathered_whole() -> None:
    program = str(Path(__file__).with_name("divided_program.py"))
    done = subprocess.run(_torchrun(2, program), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]


def _torchrun(processes: int, program: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), program]
