"""What people see while a round trains."""

from __future__ import annotations

from typing import Any

from transformers.trainer_callback import ProgressCallback, TrainerControl, TrainerState
from transformers.training_args import TrainingArguments


class RoundProgress(ProgressCallback):
    """The Trainer's own bar, with both losses."""

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Show the latest losses."""
        del args, state, control
        if self.training_bar is None or not logs or "next_token_loss" not in logs:
            return
        shown = f"next tokens {logs['next_token_loss']:.3f}"
        if "preference_loss" in logs:
            shown += f", preferences {logs['preference_loss']:.3f}"
        self.training_bar.set_postfix_str(shown)
