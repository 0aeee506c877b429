"""A tiny base beside a planted run, and settings that learn it in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genrec_alignment.sft.config import TuneConfig
from tests.alignment.conftest import make_planted_run
from tests.models.language.tiny import write_base

SERVED = {"weights": {"continue_history": 1}}
TEXTS = {"weights": {"continue_history": 1, "title_to_sid": 0.5}}


def make_world(folder: Path, tied: bool = True) -> Path:
    """Write a base to ``folder/base`` and a planted run to ``folder/run``; return the run."""
    write_base(folder / "base", tied=tied)
    return make_planted_run(folder / "run")


def tiny_config(folder: Path, **changed: Any) -> TuneConfig:
    """Settings for the base in ``folder``: a warm-up and a stage of LoRA."""
    settings: dict[str, Any] = {
        "model": {"base": str(folder / "base")},
        "history_length": 5,
        "stages": [
            {"name": "warm-up", "train": "new_tokens", "tasks": TEXTS, "steps": 4, "learning_rate": 0.02},
            {"name": "items", "tasks": SERVED, "steps": 8, "learning_rate": 0.02, "validate_every": 4},
        ],
        "block_length": 256,
        "batch_size": 2,
        "precision": "float32",
        "validation_users": 8,
        "validation_beams": 5,
        "perplexity_passages": 2,
    }
    return TuneConfig.model_validate(settings | changed)
