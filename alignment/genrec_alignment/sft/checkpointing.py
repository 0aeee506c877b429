"""Checkpoints of TRL's trainers that hold what learns and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import Trainer

from genrec_alignment.sft.adapters import load_trained, save_trained

WEIGHTS = "trained.safetensors"


class TrainedWeightsCheckpoints(Trainer):
    """Writes the weights that learn as safetensors, with optimizer and schedule, and reads them again.

    To stand before one of TRL's trainers among the bases of a class.
    """

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        del state_dict
        folder = Path(output_dir or str(self.args.output_dir))
        save_trained(self.accelerator.unwrap_model(self.model), folder / WEIGHTS)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        Trainer._save_checkpoint(self, model, trial)  # without the model card that TRL puts beside every one

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_trained(self.accelerator.unwrap_model(model or self.model), Path(resume_from_checkpoint) / WEIGHTS)

    def _load_best_model(self) -> None:
        best = self.state.best_model_checkpoint
        assert best is not None
        self._load_from_checkpoint(best)
