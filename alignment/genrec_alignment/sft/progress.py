"""What people see while a stage trains."""

from __future__ import annotations

import sys
from typing import Any

from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

from genrec_alignment.pretraining.progress import Progress, metric_title


class StageProgress(Progress):
    """The bar of a stage: loss, tokens a second and the time left; validations by the step they came after."""

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **rest: Any
    ) -> None:
        """Show and keep the latest loss and speed, or the latest validation."""
        if self.training_bar is None or not logs or args.metric_for_best_model not in logs:
            super().on_log(args, state, control, logs, **rest)
            return
        figures = ", ".join(f"{metric_title(name)} {value:.4f}" for name, value in logs.items() if "@" in name)
        self.training_bar.write(f"step {state.global_step}: validation {figures}", file=sys.stderr)
