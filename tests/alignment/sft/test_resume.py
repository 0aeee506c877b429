"""A tuning that is cut off goes on as if it had not been."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transformers import TrainerCallback, TrainerState, TrainingArguments

from genrec.runs import open_artifact
from genrec_alignment.sft.config import TuneConfig
from genrec_alignment.sft.make import make_tuned_generator
from genrec_alignment.sft.stages import Tuning
from genrec_alignment.sft.trainer import TuneTrainer
from tests.alignment.sft.worlds import make_world, tiny_config


def _losses(run: Path) -> list[tuple[str, float]]:
    log = json.loads((run / "generator" / "training_log.json").read_text())["log"]
    return [(row["stage"], row["loss"]) for row in log if "loss" in row]


class _Stop(TrainerCallback):
    """Ends a stage like Ctrl-C, right after its step's checkpoint."""

    def __init__(self, stage: str, step: int) -> None:
        self.stage, self.step = stage, step

    def on_save(self, args: TrainingArguments, state: TrainerState, *_: object, **__: object) -> None:
        assert args.output_dir is not None
        if self.stage in args.output_dir and state.global_step == self.step:
            raise KeyboardInterrupt


def _cut_off(config: TuneConfig, run: Path, monkeypatch: pytest.MonkeyPatch, stage: str, step: int) -> None:
    with monkeypatch.context() as patch:
        make = Tuning._trainer

        def stopping(self: Tuning, *arguments: object) -> TuneTrainer:
            trainer = make(self, *arguments)  # type: ignore[arg-type]
            trainer.add_callback(_Stop(stage, step))
            return trainer

        patch.setattr(Tuning, "_trainer", stopping)
        with pytest.raises(KeyboardInterrupt):
            make_tuned_generator(config, run, seed=0)


def test_the_losses_are_those_of_an_uninterrupted_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(tmp_path / "one")
    whole = make_world(tmp_path / "one")
    make_tuned_generator(config, whole, seed=0)
    cut = make_world(tmp_path / "two")
    _cut_off(config, cut, monkeypatch, "items", 4)
    assert (cut / "generator.partial" / "1-warm-up" / "done.json").is_file()
    make_tuned_generator(config, cut, seed=0, resume=True)
    assert _losses(cut) == _losses(whole)
    digests = [open_artifact(run / "generator", "generator").files["model.safetensors"] for run in (whole, cut)]
    assert digests[0] == digests[1]


def test_a_change_of_a_later_stage_keeps_the_stages_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run, config = make_world(tmp_path), tiny_config(tmp_path)
    _cut_off(config, run, monkeypatch, "items", 4)
    capfd.readouterr()
    first, second = config.stages
    shorter = config.model_copy(update={"stages": (first, second.model_copy(update={"steps": 5}))})
    manifest = make_tuned_generator(shorter, run, seed=0, resume=True)
    shown = capfd.readouterr().err
    assert "Stage 1" not in shown
    assert "Leaving the interrupted training" in shown
    assert [stage["steps"] for stage in manifest.details["stages"]] == [4, 5]


@pytest.mark.slow
def test_a_killed_tuning_goes_on_from_the_command_line(tmp_path: Path) -> None:
    run, config = make_world(tmp_path), tiny_config(tmp_path)
    file = tmp_path / "my.yaml"
    file.write_text(json.dumps({"tune": config.model_dump(mode="json")}), encoding="utf-8")
    command = [sys.executable, "-m", "genrec", "tune", "--config", str(file), "--run", str(run)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (run / "generator.partial" / "1-warm-up" / "done.json").is_file():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "generator").exists()
    done = subprocess.run([*command, "--resume", "--json"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Stage 1" not in done.stderr
    whole = make_world(tmp_path / "whole")
    make_tuned_generator(config, whole, seed=0)
    assert _losses(run) == _losses(whole)
