"""A run whose users like one half of the items, with reward models that know it and a generator that does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from genrec_alignment.align.config import AlignConfig
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.make import make_generator
from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.make import make_reward
from tests.alignment.align.worlds import make_world
from tests.alignment.reward.worlds import LIKES, SMALL

SHAPE = {"hidden_size": 16, "intermediate_size": 32, "layers": 1, "heads": 2}
TRAIN = {
    "model": SHAPE,
    "epochs": 2,
    "learning_rate": 0.01,
    "history_length": 12,
    "validate_every": 2,
    "validation_beams": 10,
    "average": 0,
    "warmup_steps": 2,
}
REWARD = {
    "objectives": LIKES,
    "session_length": 3,
    "features": ["value"],
    "network": SMALL,
    "epochs": 3,
    "learning_rate": 0.01,
    "batch_size": 64,
    "held_out": 0.3,
}


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with dataset, semantic IDs, generator and reward models; not to be changed."""
    run = make_world(tmp_path_factory.mktemp("align"))
    make_reward(RewardConfig.model_validate(REWARD), run, 0)
    make_generator(TrainConfig.model_validate(TRAIN), run, 0)
    return run


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(finished_run, tmp_path / "run")


def settings(**changed: object) -> AlignConfig:
    """Return settings with which a round takes a second; all items may be proposed, as there are few."""
    base: dict[str, object] = {
        "rounds": 1,
        "beams": 12,
        "served": 4,
        "exclude_seen": False,
        "learning_rate": 1e-2,
        "dpo_share": 0.5,
        "passes": 2,
        "batch_size": 16,
        "beta": 0.5,
    }
    return AlignConfig.model_validate(base | changed)
