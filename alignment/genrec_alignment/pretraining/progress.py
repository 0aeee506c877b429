"""What people see while a generator trains: the Trainer's own bar, with loss and speed."""

from __future__ import annotations

import sys
import time
from typing import Any

from transformers.trainer_callback import ProgressCallback, TrainerControl, TrainerState
from transformers.training_args import TrainingArguments


def metric_title(name: str) -> str:
    """Return a metric's name for people, such as ``session NDCG@5`` for ``eval_session_ndcg@5``."""
    plain = name.removeprefix("best_validation_").removeprefix("eval_").replace("_", " ")
    return plain.replace("ndcg", "NDCG").replace("recall", "Recall")


class Progress(ProgressCallback):
    """The Trainer's own bar, with the loss and the tokens a second beside the time left.

    The speed is also kept in the log of the training as ``tokens_per_second``; the time of validations
    does not count.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the bar and the clock."""
        super().on_train_begin(args, state, control, **kwargs)
        self._mark(state)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock again after a validation."""
        super().on_evaluate(args, state, control, **kwargs)
        self._mark(state)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Show and keep the latest loss and speed, or the latest validation."""
        del control
        if self.training_bar is None or not logs:
            return
        if "loss" in logs:
            seconds = max(time.monotonic() - self._at, 1e-9)
            speed = (int(state.num_input_tokens_seen) - self._tokens) / seconds
            state.log_history[-1]["tokens_per_second"] = round(speed, 1)
            self.training_bar.set_postfix_str(f"loss {float(logs['loss']):.3f}, {speed:,.0f} tokens/s")
            self._mark(state)
        elif args.metric_for_best_model in logs:
            figures = ", ".join(f"{metric_title(name)} {value:.4f}" for name, value in logs.items() if "@" in name)
            self.training_bar.write(f"epoch {state.epoch:.0f}: validation {figures}", file=sys.stderr)

    def _mark(self, state: TrainerState) -> None:
        self._at, self._tokens = time.monotonic(), int(state.num_input_tokens_seen)
