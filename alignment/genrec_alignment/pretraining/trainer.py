"""The transformers Trainer, with dropout for small decoders and validation by constrained beams."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import Sampler
from transformers import PreTrainedModel, Trainer
from transformers.trainer_callback import ProgressCallback, TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

from genrec.data import Examples
from genrec.decoding.recommender import Recommender
from genrec.models import Generator
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.windows import BucketSampler, Windows
from genrec_eval.metrics import accuracy

METRIC = "eval_ndcg@10"


class PretrainingTrainer(Trainer):
    """Learns every item token of the training windows; validates on what the product does: ranked items.

    ``evaluate`` runs the constrained beam search over the validation examples, split over the processes,
    and reports Recall@10 and NDCG@10 on items.

    Args:
        generator: the model to train, with its catalogue.
        windows: the training windows.
        validation: prediction tasks of the validation split.
        config: the ``train`` section.
        arguments: passed on to the Trainer.
    """

    def __init__(
        self, generator: Generator, windows: Windows, validation: Examples, config: TrainConfig, **arguments: Any
    ) -> None:
        self.generator = generator
        self.windows = windows
        self.validation = validation
        self.config = config
        add_dropout(generator.model, config.dropout)
        super().__init__(
            model=generator.model, train_dataset=windows.as_dataset(), eval_dataset=validation, **arguments
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        lengths = np.asarray(rows.with_format("numpy")["length"])
        batch = self.args.train_batch_size * self.args.world_size
        return BucketSampler(lengths, batch, self.args.seed, self.windows)

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Return Recall@10 and NDCG@10 of the validation examples, and how long that took."""
        started = time.monotonic()
        items = self._recommend()
        metrics = accuracy(items, self.validation.targets, [10])
        report = {f"{metric_key_prefix}_{name}": float(value) for name, value in metrics.items()}
        report[f"{metric_key_prefix}_runtime"] = round(time.monotonic() - started, 3)
        self.log(report)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, report)
        return report

    def _recommend(self) -> npt.NDArray[np.int64]:
        """Return the ten best items of every validation example, int64 [examples, 10], on every process."""
        model = self.accelerator.unwrap_model(self.model)
        recommender = Recommender(Generator(model, self.generator.catalogue, self.generator.history_length))
        total, rank, world = len(self.validation), self.args.process_index, self.args.world_size
        mine = range(rank, total, world)
        histories = [self.validation.histories[row] for row in mine]
        seen = histories if self.config.exclude_seen else None
        ranking = recommender.recommend(histories, 10, self.config.validation_beams, seen)
        shifted = np.zeros((total, 10), dtype=np.int64)  # zero is "not mine", so that a sum gathers the rows
        shifted[rank::world] = ranking.items + 1
        if world > 1:
            summed = self.accelerator.reduce(torch.from_numpy(shifted).to(self.args.device), "sum")
            shifted = summed.cpu().numpy()
        return shifted - 1


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
        del args, control
        if self.training_bar is None or not logs:
            return
        if "loss" in logs:
            seconds = max(time.monotonic() - self._at, 1e-9)
            speed = (int(state.num_input_tokens_seen) - self._tokens) / seconds
            state.log_history[-1]["tokens_per_second"] = round(speed, 1)
            self.training_bar.set_postfix_str(f"loss {float(logs['loss']):.3f}, {speed:,.0f} tokens/s")
            self._mark(state)
        elif METRIC in logs:
            self.training_bar.write(
                f"epoch {state.epoch:.0f}: validation NDCG@10 {logs[METRIC]:.4f}, "
                f"Recall@10 {logs['eval_recall@10']:.4f}",
                file=sys.stderr,
            )

    def _mark(self, state: TrainerState) -> None:
        self._at, self._tokens = time.monotonic(), int(state.num_input_tokens_seen)


def add_dropout(model: PreTrainedModel, rate: float) -> None:
    """Drop entries of the embeddings and of what every block adds, while the model is in training mode.

    Stock decoders have attention dropout at most, and small catalogues need more. Hooks keep the model's
    architecture, and so its checkpoint, stock.

    Args:
        model: a decoder of the Llama family (``model.layers`` with ``self_attn.o_proj`` and ``mlp.down_proj``).
        rate: the share of entries set to zero.
    """

    def drop(module: nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(output, rate, module.training)

    if rate == 0:
        return
    body = model.model
    body.embed_tokens.register_forward_hook(drop)
    for layer in body.layers:
        layer.self_attn.o_proj.register_forward_hook(drop)
        layer.mlp.down_proj.register_forward_hook(drop)
