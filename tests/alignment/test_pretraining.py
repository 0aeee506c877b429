"""Training: it learns a planted truth, survives a kill, and leaves a folder that serves alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from genrec.cli.app import main
from genrec.decoding import Recommender
from genrec.errors import ArtifactError, DataError, MissingPackageError
from genrec.models import DecoderConfig, Generator, build_decoder
from genrec.runs import open_artifact
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.dropout import add_dropout
from genrec_alignment.pretraining.make import make_generator
from tests.alignment.conftest import ITEMS, make_planted_run

QUICK = {
    "history_length": 6,
    "batch_size": 16,
    "epochs": 20,
    "warmup_steps": 5,
    "learning_rate": 0.01,
    "dropout": 0.0,
    "validate_every": 5,
    "model": {"hidden_size": 32, "intermediate_size": 64, "layers": 2, "heads": 2},
}
OVERRIDES = [f"train.{key}={json.dumps(value)}" for key, value in QUICK.items()]


def _cli(*words: str) -> list[str]:
    return [sys.executable, "-m", "genrec", *words]


def _whole_checkpoints(partial: Path) -> list[Path]:
    """The checkpoints whose last file is written to its end, the oldest first."""
    states = [file for file in partial.glob("checkpoint-*/trainer_state.json") if file.read_text().endswith("}\n")]
    return sorted((file.parent for file in states), key=lambda place: int(place.name.partition("-")[2]))


def _losses(run: Path) -> list[float]:
    log = json.loads((run / "generator" / "training_log.json").read_text())["log"]
    return [row["loss"] for row in log if "loss" in row]


def test_it_learns_the_planted_ring_and_the_folder_serves_alone(planted_run: Path) -> None:
    manifest = make_generator(TrainConfig(**QUICK), planted_run, seed=0)
    assert manifest.details["best_validation_ndcg@10"] > 0.95
    assert not (planted_run / "generator.partial").exists()
    assert "torch.load" not in "".join(file.name for file in (planted_run / "generator").rglob("*"))
    assert not [
        file for file in (planted_run / "generator").rglob("*") if file.suffix in {".bin", ".pt", ".pth", ".pkl"}
    ]

    recommender = Recommender.from_pretrained(planted_run / "generator")
    histories = [np.array([4, 5, 6, 7]), np.array([20, 21, 22])]
    ranking = recommender.recommend(histories, k=3, exclude=histories)
    assert ranking.items[:, 0].tolist() == [8, 23]
    assert recommender.recommend([np.array([], dtype=int)], k=3).items.min() >= 0

    card = (planted_run / "generator" / "README.md").read_text()
    assert "30 items" in card
    assert "NDCG@10" in card

    again = make_generator(TrainConfig(**QUICK), planted_run, seed=0)
    assert again.created == manifest.created
    assert again.digest == manifest.digest


def test_another_process_gives_the_same_items_from_the_command_line(planted_run: Path) -> None:
    make_generator(TrainConfig(**QUICK), planted_run, seed=0)
    here = Recommender.from_pretrained(planted_run / "generator").recommend(
        [np.array([4, 5, 6])], k=5, exclude=[np.array([4, 5, 6])]
    )
    done = subprocess.run(
        _cli("recommend", "--run", str(planted_run), "--history", "i04,i05,i06", "--k", "5", "--json"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    there = json.loads(done.stdout.splitlines()[-1])["items"]
    assert [row["item_id"] for row in there] == [f"i{item:02}" for item in here.items[0]]
    assert np.allclose([row["score"] for row in there], here.scores[0], atol=1e-3)


def test_mistakes_at_the_prompt_are_answered_with_suggestions(
    planted_run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make_generator(TrainConfig(**QUICK | {"epochs": 1, "validate_every": 1}), planted_run, seed=0)
    for words, expected in (
        (["--user", "u1"], ["Unknown user 'u1'", "Did you mean"]),
        (["--user", "u01", "--history", "i01"], ["either --user or --history"]),
    ):
        monkeypatch.setattr(sys, "argv", ["genrec", "recommend", "--run", str(planted_run), *words])
        with pytest.raises(SystemExit) as stop:
            main()
        shown = capfd.readouterr().err
        assert stop.value.code == 2
        assert "Traceback" not in shown
        assert all(text in shown for text in expected), shown


@pytest.mark.slow
def test_a_killed_run_resumed_gives_the_losses_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, cut = make_planted_run(tmp_path / "whole"), make_planted_run(tmp_path / "cut")
    settings = [*OVERRIDES, "train.dropout=0.1", "train.epochs=30", "train.patience=100", "train.validate_every=2"]
    subprocess.run(_cli("train", "--run", str(whole), *settings), capture_output=True, check=True)

    process = subprocess.Popen(_cli("train", "--run", str(cut), *settings), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (whole_ones := _whole_checkpoints(cut / "generator.partial")):
        assert time.monotonic() < deadline, "no checkpoint was written"
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (cut / "generator").exists()
    # Killed in the midst of the next checkpoint: its last file is there, and empty.
    half = cut / "generator.partial" / f"checkpoint-{int(whole_ones[-1].name.partition('-')[2]) + 10}"
    half.mkdir(exist_ok=True)
    (half / "trainer_state.json").write_text("")

    done = subprocess.run(_cli("train", "--run", str(cut), "--resume", *settings), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Going on from" in done.stderr
    assert _losses(cut) == _losses(whole)
    one, other = (load_file(run / "generator" / "model.safetensors") for run in (cut, whole))
    assert all(np.array_equal(one[name], other[name]) for name in other), "their averages went on as well"


@pytest.mark.slow
def test_two_processes_train_and_agree_on_the_validation(planted_run: Path, tmp_path: Path) -> None:
    """On CPUs ``accelerate launch`` starts a single process unless there is MPI, so torchrun starts them."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "--",
        "genrec", "train", "--run", str(planted_run), "train.batch_size=8", *OVERRIDES[:1], *OVERRIDES[2:],
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("best_validation") == 1
    details = open_artifact(planted_run / "generator", "generator").details
    alone = make_generator(
        TrainConfig(**QUICK | {"epochs": 1, "validate_every": 1, "batch_size": 16}),
        make_planted_run(tmp_path / "one"),
        0,
    )
    assert details["steps"] / details["epochs"] == alone.details["steps"], "two batches of 8 are one of 16"
    log = json.loads((planted_run / "generator" / "training_log.json").read_text())["log"]
    best = max(row["eval_ndcg@10"] for row in log if "eval_ndcg@10" in row)
    assert best > 0.9

    from genrec.data import Dataset
    from genrec_eval.metrics import accuracy

    examples = Dataset.load(planted_run / "dataset").examples("valid")
    recommender = Recommender.from_pretrained(planted_run / "generator")
    items = recommender.recommend(examples.histories, 10, beams=20, exclude=examples.histories).items
    assert accuracy(items, examples.targets, [10])["ndcg@10"] == pytest.approx(best, abs=1e-6)


def test_trackers_get_the_losses_or_are_named_before_any_work(
    planted_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "set so that the end of the test unsets what training sets")
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR")
    quick = QUICK | {"epochs": 1, "validate_every": 1}
    make_generator(TrainConfig(**quick, report_to=["tensorboard"]), planted_run, seed=0)
    assert list((planted_run / "tensorboard").glob("events.out.tfevents.*"))

    monkeypatch.setattr(
        "genrec_alignment.pretraining.make.get_available_reporting_integrations", lambda: ["mlflow"]
    )
    with pytest.raises(MissingPackageError, match="pip install wandb"):
        make_generator(TrainConfig(**quick, report_to=["wandb", "mlflow"]), planted_run, seed=0)


def test_dropout_is_active_in_training_only_and_leaves_the_checkpoint_stock(planted_catalogue: Catalogue) -> None:
    model = build_decoder(DecoderConfig(), planted_catalogue.vocabulary, 64)
    names = list(model.state_dict())
    add_dropout(model, 0.5)
    tokens = torch.tensor([[1, 4, 9]])
    model.train()
    assert not torch.equal(model(tokens).logits, model(tokens).logits)
    model.eval()
    assert torch.equal(model(tokens).logits, model(tokens).logits)
    assert list(model.state_dict()) == names


def test_what_does_not_fit_is_refused_with_a_remedy(planted_run: Path, tmp_path: Path) -> None:
    from genrec.runs import new_artifact

    with pytest.raises(ArtifactError, match="genrec data"):
        make_generator(TrainConfig(**QUICK), tmp_path / "nothing", seed=0)

    catalogue = Catalogue.load(planted_run / "semantic_ids")
    renamed = Catalogue(
        [f"x{at}" for at in range(ITEMS)], catalogue.codes, catalogue.codebook_sizes, catalogue.titles
    )
    with new_artifact(planted_run / "semantic_ids", "semantic_ids", {}) as draft:
        renamed.save(draft.path)
    with pytest.raises(ArtifactError, match="other items"):
        make_generator(TrainConfig(**QUICK), planted_run, seed=0)


def test_a_dataset_without_validation_is_refused(planted_run: Path) -> None:
    import polars as pl

    file = planted_run / "dataset" / "interactions.parquet"
    pl.read_parquet(file).filter(pl.col("split") != "valid").write_parquet(file)
    with pytest.raises(DataError, match="validation"):
        make_generator(TrainConfig(**QUICK), planted_run, seed=0)


def test_a_generator_that_does_not_fit_its_catalogue_is_refused(
    planted_catalogue: Catalogue, tmp_path: Path
) -> None:
    model = build_decoder(DecoderConfig(), planted_catalogue.vocabulary, 64)
    Generator(model, planted_catalogue, 5).save_pretrained(tmp_path / "generator")
    bigger = Catalogue(planted_catalogue.item_ids, planted_catalogue.codes, (500, 6), planted_catalogue.titles)
    bigger.save(tmp_path / "generator" / "catalogue")
    with pytest.raises(ArtifactError, match="different runs"):
        Generator.from_pretrained(tmp_path / "generator")
    with pytest.raises(ArtifactError, match="not a saved generator"):
        Generator.from_pretrained(tmp_path)


def test_push_to_hub_uploads_the_folder(
    planted_catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_decoder(DecoderConfig(), planted_catalogue.vocabulary, 64)
    Generator(model, planted_catalogue, 5).save_pretrained(tmp_path)
    calls: list[tuple[str, object]] = []

    class Hub:
        def create_repo(self, repo_id: str, **options: object) -> None:
            calls.append((repo_id, options["private"]))

        def upload_folder(self, folder_path: str, **_: object) -> str:
            calls.append(("upload", sorted(file.name for file in Path(folder_path).iterdir())))
            return "commit"

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    assert Generator.push_to_hub(tmp_path, "me/films") == "commit"
    assert calls[0] == ("me/films", True)
    assert {"model.safetensors", "catalogue", "generator.json", "tokenizer.json"} <= set(calls[1][1])  # type: ignore[call-overload]
