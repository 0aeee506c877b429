"""The loop on a planted taste: it helps, rolls back what does not, resumes, and refuses what cannot work."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from transformers import TrainerCallback, TrainerState, TrainingArguments

from genrec.errors import ArtifactError, ConfigError, DataError
from genrec.models import Generator
from genrec.runs import Manifest, open_artifact
from genrec.runs.manifest import FILE_NAME
from genrec_alignment.align import preferences, rounds
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.inputs import open_inputs
from genrec_alignment.align.make import make_alignment
from genrec_alignment.align.trainer import RoundTrainer
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.make import make_generator
from tests.alignment.align.conftest import SHAPE, TRAIN, settings


def reports_of(run: Path) -> list[dict[str, Any]]:
    """Return the reports without what depends on the clock."""
    reports = json.loads((run / "align" / "results.json").read_text(encoding="utf-8"))["rounds"]
    for report in reports:
        del report["seconds"]
        report["training"].pop("training_seconds", None)
        report["training"].pop("log", None)
    return list(reports)


def test_a_planted_taste_is_learned_and_kept(run: Path) -> None:
    told: list[int] = []
    before = open_artifact(run / "generator", "generator").digest
    manifest = make_alignment(settings(), run, 0, tell=lambda report: told.append(report["round"]))
    assert manifest.details["accepted"] == [1]
    after, first = manifest.details["after"], manifest.details["before"]
    for name in ("model_mean", "judge_mean"):
        assert after[name] > first[name] + 0.2
    assert after["recall"] > 0.95 * first["recall"]
    assert told == [0, 1]
    assert open_artifact(run / "generator", "generator").digest == before
    aligned = open_artifact(run / "align" / "generator", "generator")
    assert aligned.inputs["generator"] == before
    Generator.from_pretrained(run / "align" / "generator")
    pairs = pl.read_parquet(run / "align" / "rounds" / "1" / "pairs.parquet")
    assert (pairs["chosen_reward"] > pairs["rejected_rewards"].list.max()).all()
    dataset, users = pl.read_parquet(run / "dataset" / "interactions.parquet"), _users(run)
    asked = dataset["user_id"].gather(pairs["request"])
    assert set(asked) <= users["model"]
    judged = pl.read_parquet(run / "align" / "rounds" / "1" / "validation.parquet")["request"]
    assert set(dataset["user_id"].gather(judged)) <= users["judge"] | users["held_out"]
    assert not (run / "align.partial").exists()
    again = make_alignment(settings(), run, 0, tell=lambda report: told.append(report["round"]))
    assert again.digest == manifest.digest
    assert told == [0, 1]


def _users(run: Path) -> dict[str, set[str]]:
    table = pl.read_parquet(run / "reward" / "users.parquet")
    return {part: set(table.filter(pl.col("part") == part)["user_id"]) for part in ("model", "judge", "held_out")}


def test_a_policy_that_got_worse_is_rolled_back(run: Path) -> None:
    # It learns to prefer what the reward model holds for the worst.
    manifest = make_alignment(settings(rounds=3, rewards={"model": -1.0}), run, 0)
    assert manifest.details["accepted"] == []
    assert not (run / "align" / "generator").exists()
    assert manifest.details["after"] == manifest.details["before"]
    reports = reports_of(run)
    assert len(reports) == 3, "two roll-backs one after the other end it"
    for report in reports[1:]:
        assert not report["accepted"]
        assert any("the reward model gives" in reason for reason in report["reasons"])
        assert report["figures"]["model_mean"] < reports[0]["figures"]["model_mean"]
    rates = [report["training"]["learning_rate"] for report in reports[1:]]
    assert rates[1] == rates[0] / 2


def test_next_tokens_alone_need_no_candidates(run: Path) -> None:
    make_alignment(settings(dpo_share=0, passes=1), run, 0)
    report = reports_of(run)[1]
    assert report["training"]["pairs"] == report["training"]["requests"] == 0
    assert report["figures"]["kl"] > 0


@pytest.mark.parametrize("place", ["training", "measuring"])
def test_what_was_cut_off_goes_on_as_if_it_had_not_been(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    config = settings(rounds=2, passes=1)
    whole = shutil.copytree(run, tmp_path / "whole")
    expected = make_alignment(config, whole, 0)
    with monkeypatch.context() as patch:
        _cut_off(patch, place)
        with pytest.raises(KeyboardInterrupt):
            make_alignment(config, run, 0)
    assert not (run / "align").exists()
    assert (run / "align.partial" / "1" / "round.json").is_file()
    told: list[dict[str, Any]] = []
    found = make_alignment(config, run, 0, resume=True, tell=told.append)
    assert reports_of(run) == reports_of(whole)
    if expected.details["accepted"]:
        weights = "generator/model.safetensors"
        assert found.files[weights] == expected.files[weights]


def _cut_off(patch: pytest.MonkeyPatch, place: str) -> None:
    """Interrupt the second round, after a checkpoint or when its policy is made."""
    if place == "measuring":
        measured = rounds.Alignment._measured

        def stopping(self: rounds.Alignment, number: int, policy: Generator) -> Any:
            if number == 2:
                raise KeyboardInterrupt
            return measured(self, number, policy)

        patch.setattr(rounds.Alignment, "_measured", stopping)
        return

    class Stop(TrainerCallback):
        def on_save(self, args: TrainingArguments, state: TrainerState, *_: object, **__: object) -> None:
            if "/2/" in str(args.output_dir) and state.global_step > 4:
                raise KeyboardInterrupt

    class Trainer(RoundTrainer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.add_callback(Stop)

    patch.setattr(preferences, "RoundTrainer", Trainer)


def test_without_resume_it_begins_anew(
    run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        _cut_off(patch, "measuring")
        with pytest.raises(KeyboardInterrupt):
            make_alignment(settings(rounds=2, passes=1), run, 0)
    make_alignment(settings(rounds=1, passes=1), run, 0, resume=True)
    assert "its settings or inputs differ" in capfd.readouterr().err


@pytest.mark.parametrize(
    "changed",
    [
        {"pairs": {"source": "fixed"}, "rounds": 2},
        {"loss": "softmax_dpo", "pairs": {"losers": 3}},
        {"pairs": {"kind": "logged_against_losers"}, "loss": "ipo"},
        {"rewards": {"model": 1, "novelty": 0.1, "hit": 0.5, "rank": 0.5, "rollout_beam": 0.1}},
        {"session_length": 2, "rewards": {"diversity": 0.2}, "validation_users": 8},
    ],
)
def test_other_ways_run(run: Path, changed: dict[str, object]) -> None:
    make_alignment(settings(passes=1, dpo_share=0.2, **changed), run, 0)
    training = reports_of(run)[1]["training"]
    assert training["pairs"] > 0
    assert training["requests"] == training["pairs"] + sum(training["skipped"].values())


@pytest.mark.parametrize(
    "model",
    [
        {
            "kind": "encoder_decoder",
            **{name: SHAPE[name] for name in ("hidden_size", "intermediate_size", "heads")},
            "causal_encoder": True,  # all positions of a window are targets at once, which is quick
        },
        {"kind": "lazy_decoder", **SHAPE, "context_layers": 1, "softmax": "catalogue"},
        {"kind": "lazy_decoder", **SHAPE, "context_layers": 1, "item_head": True},
        {
            "kind": "t5",
            **{name: SHAPE[name] for name in ("hidden_size", "intermediate_size", "heads")},
            "layers": 1,
            "head_size": 8,
        },
    ],
)
def test_models_that_read_events_learn_preferences_too(run: Path, model: dict[str, object]) -> None:
    make_generator(TrainConfig.model_validate(TRAIN | {"model": model, "epochs": 1, "validate_every": 1}), run, 0)
    rate = 3e-4 if model["kind"] == "t5" else 3e-3  # T5 moves further in a step
    make_alignment(settings(learning_rate=rate), run, 0)
    report = json.loads((run / "align" / "results.json").read_text(encoding="utf-8"))["rounds"][1]
    losses = [row["preference_loss"] for row in report["training"]["log"] if "preference_loss" in row]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-3)
    assert losses[-1] < 0.6


def change_manifest(folder: Path, **changed: object) -> None:
    """Overwrite fields of an artefact's manifest."""
    made = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    Manifest.model_validate(made | changed).write(folder)


def test_a_failed_gate_stops_before_any_work(run: Path) -> None:
    gate = {"passed": False, "problems": ["model: held-out AUC of 'like' is 0.51"]}
    change_manifest(run / "reward", details={"gate": gate})
    with pytest.raises(DataError, match=r"did not pass their gate: model: held-out AUC of 'like' is 0\.51"):
        make_alignment(settings(), run, 0)
    assert not (run / "align.partial").exists()


def test_a_warning_of_the_reward_models_is_told(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    change_manifest(run / "reward", details={"gate": {"passed": True, "warnings": ["judge: GAUC is low"]}})
    open_inputs(run, settings())
    assert "judge: GAUC is low." in " ".join(capfd.readouterr().err.split())


def test_other_versions_are_refused_all_at_once(run: Path) -> None:
    for kind in ("generator", "reward"):
        change_manifest(run / kind, inputs={"dataset": "another"})
    with pytest.raises(ArtifactError, match=r"(?s)generator was made from another.*reward was made from another"):
        make_alignment(settings(), run, 0)


@pytest.mark.parametrize("how", [{"optimiser": "grpo"}, {"loss": "nca_pair"}, {"loss": "apo_down"}])
def test_what_needs_probabilities_refuses_an_item_head(run: Path, how: dict[str, str]) -> None:
    """Only differences of its scores mean something."""
    shape = {name: SHAPE[name] for name in ("hidden_size", "intermediate_size", "heads")}
    model = {"kind": "encoder_decoder", **shape, "causal_encoder": True, "item_head": True}
    make_generator(TrainConfig.model_validate(TRAIN | {"model": model, "epochs": 1, "validate_every": 1}), run, 0)
    with pytest.raises(ConfigError, match="has an item head"):
        make_alignment(settings(**how), run, 0)
    assert not (run / "align.partial").exists()


def test_a_reward_model_of_another_catalogue_is_refused(run: Path) -> None:
    file = run / "reward" / "judge" / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(config | {"catalogue_digest": "another"}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="another catalogue"):
        make_alignment(settings(), run, 0)


def test_without_a_reward_model_it_says_how_to_make_one(run: Path) -> None:
    shutil.rmtree(run / "reward")
    with pytest.raises(ArtifactError, match="genrec reward"):
        make_alignment(settings(), run, 0)


def test_sessions_longer_than_the_reward_models_are_refused(run: Path) -> None:
    with pytest.raises(ArtifactError, match="up to 3 items, not 4"):
        make_alignment(settings(session_length=4), run, 0)


def test_rewards_that_are_all_equal_are_counted(run: Path) -> None:
    config = settings(rewards={"model": 1e-50})  # which single precision does not tell from 0
    with pytest.raises(DataError, match=r"None of the \d+ requests of round 1 .*identical rewards"):
        make_alignment(config, run, 0)


def test_the_settings_have_defaults() -> None:
    assert AlignConfig().loss == "sigmoid"
