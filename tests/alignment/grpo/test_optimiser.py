"""A round of ``genrec align`` by groups: on a planted taste, and with LoRA on a language model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from genrec.decoding import Recommender
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.make import make_alignment
from genrec_alignment.align.next_tokens import NextTokens
from genrec_alignment.align.optimiser import RoundWork
from genrec_alignment.align.rounds import optimiser_of
from genrec_alignment.grpo.optimiser import GroupOptimiser
from tests.alignment.align.conftest import finished_run, run, settings
from tests.alignment.grpo.worlds import even
from tests.models.language.tiny import tiny_generator

__all__ = ["finished_run", "run"]  # fixtures
GROUPS = {"group": 12, "requests": 8, "steps": 25, "learning_rate": 1e-2, "max_grad_norm": 1.0, "kl": 0.0}


@pytest.mark.parametrize("loss", ["grpo", "ecpo"])
def test_a_planted_taste_is_learned_and_kept(run: Path, loss: str) -> None:
    manifest = make_alignment(settings(optimiser="grpo", grpo=GROUPS | {"loss": loss}), run, 0)
    assert manifest.details["accepted"] == [1]
    after, before = manifest.details["after"], manifest.details["before"]
    assert after["model_mean"] > before["model_mean"] + 0.1
    assert after["judge_mean"] > before["judge_mean"] + 0.1
    training = json.loads((run / "align" / "results.json").read_text(encoding="utf-8"))["rounds"][1]["training"]
    assert training["groups"] == 25 * 8
    assert training["skipped"].get("identical_rewards", 0) < 100
    assert any("next_token_loss" in line for line in training["log"])


class _Requests:
    """As many requests as are asked for by row."""

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def __len__(self) -> int:
        return 8


def test_a_language_model_learns_by_an_adapter_that_is_merged(tmp_path: Path) -> None:
    policy = tiny_generator(tmp_path / "base")
    groups = GROUPS | {"loss": "ecpo", "next_token_weight": 0.0, "steps": 15}
    config = AlignConfig.model_validate({"optimiser": "grpo", "grpo": groups})
    histories = [np.array([row, row + 1]) for row in range(8)]

    def share() -> float:
        return float((Recommender(improved).recommend(histories, k=12, beams=12).items % 2 == 0).mean())

    improved = policy
    before = share()
    work = RoundWork(
        number=1,
        policy=policy,
        first=policy,
        requests=_Requests(),  # type: ignore[arg-type]
        reward=even,  # type: ignore[arg-type]
        candidates=lambda: pytest.fail("groups make their own"),
        histories=lambda _: histories,  # type: ignore[arg-type, return-value]
        exclude=lambda _: None,
        next_tokens=NextTokens,  # type: ignore[arg-type]
        folder=tmp_path,
        resume=False,
        seed=0,
        step_size=1.0,
    )
    optimiser = optimiser_of(config)
    assert isinstance(optimiser, GroupOptimiser)
    improved = optimiser.improve(work).policy
    assert not any("lora" in name for name, _ in improved.model.named_parameters())
    assert not improved.model.training
    assert share() > before + 0.05
    assert all(torch.isfinite(weight).all() for weight in improved.model.parameters())
