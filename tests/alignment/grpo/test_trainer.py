"""GRPO, ECPO and GBPO on tiny policies of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import TrainerCallback

from genrec.errors import DataError
from genrec_alignment.align.next_tokens import NextTokens
from genrec_alignment.grpo.config import GrpoConfig
from genrec_alignment.grpo.rollouts import Asked
from genrec_alignment.grpo.trainer import GroupTrainer, _grouped, group_arguments
from genrec_alignment.preference.candidates import Float32, Int64
from tests.alignment.grpo.worlds import (
    HISTORIES,
    KINDS,
    TINY,
    even,
    even_share,
    make_trainer,
    tiny_policy,
    weights_of,
)


@pytest.mark.parametrize("loss", ["grpo", "ecpo", "gbpo"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_reward_rises_and_the_ratio_begins_at_one(kind: str, loss: str, tmp_path: Path) -> None:
    policy = tiny_policy(kind)
    before = even_share(policy.generator)
    # GBPO's bound makes its gradients smaller.
    rate = 1e-2 if loss == "gbpo" else 3e-3
    trainer = make_trainer(policy, tmp_path, loss=loss, learning_rate=rate)
    trainer.train()
    first = trainer.state.log_history[0]
    assert first["ratio"] == pytest.approx(1, abs=1e-6)
    assert first["ratio_max"] == pytest.approx(1, abs=1e-6)
    assert even_share(policy.generator) > before + 0.05


@pytest.mark.parametrize("settings", [{"rollouts": "draws"}, {"length": 2}, {"length": 2, "rollouts": "draws"}])
def test_draws_and_sessions_teach_as_well(settings: dict[str, Any], tmp_path: Path) -> None:
    policy = tiny_policy("lazy_decoder")
    trainer = make_trainer(policy, tmp_path, loss="ecpo", steps=20, **settings)
    trainer.train()
    rewards = [line["reward"] for line in trainer.state.log_history if "reward" in line]
    assert np.mean(rewards[-4:]) > np.mean(rewards[:4]) + 0.1


@pytest.mark.parametrize("loss", ["grpo", "ecpo"])
def test_a_reused_group_has_another_ratio_the_second_time(loss: str, tmp_path: Path) -> None:
    trainer = make_trainer(tiny_policy("decoder"), tmp_path, loss=loss, reuse=2, steps=4)
    trainer.train()
    ratios = [line["ratio_max"] for line in trainer.state.log_history if "ratio_max" in line]
    assert ratios[0] == pytest.approx(1, abs=1e-6)
    assert ratios[1] > 1.001
    assert ratios[2] == pytest.approx(1, abs=1e-6)


def test_early_clipping_without_a_limit_is_what_trl_computes(tmp_path: Path) -> None:
    weights = []
    for loss in ({"loss": "grpo"}, {"loss": "ecpo", "delta": 1e30}):
        policy = tiny_policy("decoder")
        make_trainer(policy, tmp_path, reuse=2, steps=4, **loss).train()
        weights.append(weights_of(policy))
    torch.testing.assert_close(*weights, atol=1e-5, rtol=1e-4)


def test_the_first_policy_holds_the_trained_one_back(tmp_path: Path) -> None:
    start, moved, logs = weights_of(tiny_policy("decoder")), [], []
    for kl in (1e-4, 10.0):
        policy = tiny_policy("decoder")
        trainer = make_trainer(policy, tmp_path, kl=kl, steps=8)
        trainer.train()
        moved.append(float((weights_of(policy) - start).norm()))
        logs.append([line["kl"] for line in trainer.state.log_history if "kl" in line])
    assert logs[0][0] == pytest.approx(0, abs=1e-6)
    assert logs[0][-1] > 2 * logs[1][-1] > 0
    assert moved[1] < moved[0]


def test_groups_of_equal_rewards_teach_nothing_and_are_counted(tmp_path: Path) -> None:
    def one_user_knows(requests: Int64, items: Int64) -> Float32:
        return np.where(requests[:, None] == 0, even(requests, items), 1.0).astype(np.float32)

    policy = tiny_policy("decoder")
    trainer = make_trainer(policy, tmp_path, steps=4, requests=12, reward=one_user_knows)
    trainer.train()
    assert trainer.groups == {"groups": 48, "skipped": 44}
    policy, start = tiny_policy("decoder"), weights_of(tiny_policy("decoder"))
    trainer = make_trainer(policy, tmp_path, steps=2, reward=lambda _, items: np.ones(items.shape[:2], np.float32))
    trainer.train()
    assert trainer.groups["groups"] == trainer.groups["skipped"]
    torch.testing.assert_close(weights_of(policy), start, rtol=0, atol=0)


def test_raw_rewards_are_advantages_and_zeros_are_skipped(tmp_path: Path) -> None:
    def all_good(requests: Int64, items: Int64) -> Float32:
        return np.where(requests[:, None] < 6, 1.0, 0.0).repeat(items.shape[1], axis=1).astype(np.float32)

    trainer = make_trainer(
        tiny_policy("decoder"), tmp_path, steps=4, loss="gbpo", advantages="raw", reward=all_good
    )
    trainer.train()
    assert trainer.groups == {"groups": 12, "skipped": 6}


def test_where_there_are_fewer_candidates_than_a_group_the_rest_does_not_count(tmp_path: Path) -> None:
    policy = tiny_policy("decoder")
    items = len(policy.generator.catalogue)
    exclude = [np.arange(3, items)] * len(HISTORIES)
    config = GrpoConfig.model_validate(TINY | {"steps": 3})
    seen = []

    def reward(requests: Int64, candidates: Int64) -> Float32:
        seen.append(candidates[:, :, 0])
        return np.where(candidates[:, :, 0] < 0, np.nan, even(requests, candidates)).astype(np.float32)

    arguments = group_arguments(config, 1e-3, 0, tmp_path)
    trainer = GroupTrainer(policy, Asked(HISTORIES, exclude), reward, config, None, arguments)
    trainer.train()
    assert all(sorted(row.tolist()) == [-1, -1, -1, 0, 1, 2] for batch in seen for row in batch)
    assert torch.isfinite(weights_of(policy)).all()


class Walk(NextTokens):
    """Rows of a log in which item i + 1 follows item i."""

    def __init__(self, policy: Any) -> None:
        self.tokens, self.bos = policy.generator.tokens, policy.generator.vocabulary.bos_id

    def __len__(self) -> int:
        return 16

    def batch(self, rows: list[int], epoch: int) -> dict[str, torch.Tensor]:  # type: ignore[override]
        del epoch
        ids = [[self.bos, *self.tokens[row : row + 3].ravel()] for row in rows]
        return {"input_ids": torch.tensor(ids), "labels": torch.tensor(ids)}


def test_the_log_is_learned_in_the_same_steps(tmp_path: Path) -> None:
    policy = tiny_policy("decoder")
    trainer = make_trainer(policy, tmp_path, next_tokens=Walk(policy), steps=25, loss="ecpo")
    trainer.train()
    losses = [line["next_token_loss"] for line in trainer.state.log_history if "next_token_loss" in line]
    assert losses[-1] < losses[0] - 0.3
    without = make_trainer(
        tiny_policy("decoder"), tmp_path, next_tokens=Walk(policy), steps=1, next_token_weight=0.0
    )
    without.train()
    assert "next_token_loss" not in without.state.log_history[0]


class _Stop(TrainerCallback):
    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        del args, state
        control.should_training_stop = True


@pytest.mark.parametrize("rollouts", ["beams", "draws"])
def test_a_training_cut_in_two_ends_as_one(rollouts: str, tmp_path: Path) -> None:
    policies = [tiny_policy("encoder_decoder") for _ in range(3)]
    options = {"loss": "ecpo", "reuse": 2, "steps": 8, "rollouts": rollouts}
    make_trainer(policies[0], tmp_path / "whole", **options).train()
    cut = make_trainer(policies[1], tmp_path / "cut", **options)
    cut.add_callback(_Stop)
    cut.train()
    assert cut.state.global_step == 2
    rest = make_trainer(policies[2], tmp_path / "cut", **options)
    rest.train(resume_from_checkpoint=str(tmp_path / "cut" / "checkpoint-2"))
    torch.testing.assert_close(weights_of(policies[2]), weights_of(policies[0]), atol=1e-5, rtol=1e-4)


def test_the_models_special_tokens_stay(tmp_path: Path) -> None:
    policy = tiny_policy("decoder")
    config = policy.generator.model.config
    before = (config.pad_token_id, config.bos_token_id, config.eos_token_id)
    make_trainer(policy, tmp_path, steps=1).train()
    assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == before


def test_candidates_of_a_request_are_read_together() -> None:
    rows = np.array([[7, 1], [3, 2], [7, 3], [7, 0], [3, 5]])
    requests, (owner, place), items = _grouped(rows)
    assert requests.tolist() == [3, 7]
    assert items[:, :, 0].tolist() == [[1, 4, -1], [0, 2, -1]]
    assert (items[owner, place] == rows[:, 1:] - 1).all()


def test_too_few_requests_and_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="12 requests are too few: a step of all processes takes 13"):
        make_trainer(tiny_policy("decoder"), tmp_path, requests=13)
    with pytest.raises(ValidationError, match=r"reuse \(3\) must divide steps \(10\)"):
        GrpoConfig(reuse=3, steps=10)
