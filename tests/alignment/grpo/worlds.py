"""Tiny policies with a planted truth: candidates with an even ``item_index`` are good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from genrec.models import Generator
from genrec_alignment.align.next_tokens import NextTokens
from genrec_alignment.align.policy import PolicyModule
from genrec_alignment.grpo.config import GrpoConfig
from genrec_alignment.grpo.rollouts import Asked
from genrec_alignment.grpo.trainer import GroupTrainer, group_arguments
from genrec_alignment.preference.candidates import Float32, Int64
from tests.alignment.preference.test_logprobs import tiny_generator

KINDS = ("decoder", "encoder_decoder", "lazy_decoder", "over_catalogue")
HISTORIES = [np.array([row % 20, row * 3 % 20]) for row in range(12)]
TINY = {"group": 6, "requests": 3, "steps": 12, "learning_rate": 3e-3, "max_grad_norm": 1.0, "kl": 0.0}


def even(requests: Int64, items: Int64) -> Float32:
    """The share of a candidate's items that are even."""
    assert len(requests) == len(items)
    return (items % 2 == 0).mean(axis=-1).astype(np.float32)


def tiny_policy(kind: str) -> PolicyModule:
    generator = tiny_generator(kind)
    generator.model.requires_grad_(True)
    return PolicyModule(generator, generator.model)


def make_trainer(
    policy: PolicyModule, folder: Path, length: int = 1, next_tokens: NextTokens | None = None, **settings: object
) -> GroupTrainer:
    reward = settings.pop("reward", even)
    config = GrpoConfig.model_validate(TINY | settings)
    arguments = group_arguments(config, config.learning_rate, 0, folder)
    arguments.logging_steps = 1
    return GroupTrainer(policy, Asked(HISTORIES, None, length), reward, config, next_tokens, arguments)  # type: ignore[arg-type]


def weights_of(policy: PolicyModule) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in policy.parameters()])


def even_share(generator: Generator, group: int = 6) -> float:
    """The share of even items among the policy's best."""
    from genrec.decoding import Recommender

    found = Recommender(generator).recommend(HISTORIES, k=group, beams=group).items
    return float((found % 2 == 0).mean())
