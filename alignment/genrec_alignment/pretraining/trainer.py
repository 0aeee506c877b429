"""The transformers Trainer with random steps and validation by constrained beams."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import Sampler
from transformers import PretrainedConfig, PreTrainedModel, Trainer
from transformers.trainer_utils import TrainOutput

from genrec.decoding.recommender import Recommender
from genrec.models import Generator
from genrec_alignment.pretraining.averaging import averaged, swap
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.experts import load_figures
from genrec_alignment.pretraining.tasks import NOTHING, Tasks
from genrec_alignment.pretraining.validation import Validation
from genrec_alignment.pretraining.windows import IGNORED, StepSampler, Windows
from genrec_alignment.teacher.alignment import HEAD, TeacherAlignment


class PretrainingTrainer(Trainer):
    """Learns every item token of the training windows; validates on what the product does: ranked items.

    ``evaluate`` runs the constrained beam search over the validation examples, split over the processes,
    and reports recall and NDCG on items.

    Args:
        generator: the model to train, with its catalogue.
        rows: what is learned in an epoch.
        validation: prediction tasks of the validation split.
        config: the ``train`` section.
        arguments: passed on to the Trainer.
    """

    def __init__(
        self,
        generator: Generator,
        rows: Windows | Tasks,
        validation: Validation,
        config: TrainConfig,
        **arguments: Any,
    ) -> None:
        self.generator = generator
        self.rows = rows
        self.validation = validation
        self.config = config
        self._kind = type(generator.model)  # FSDP changes the class of what it divides
        self.details: dict[str, Any] = {}  # what else the manifest tells of this training
        train_dataset = rows.as_dataset() if isinstance(rows, Windows) else rows
        super().__init__(model=generator.model, train_dataset=train_dataset, eval_dataset=validation, **arguments)

    def compute_loss_context_manager(self) -> contextlib.ExitStack:
        """Return the Trainer's contexts, and on CPUs the attention kernel that trains fastest in bfloat16."""
        stack = super().compute_loss_context_manager()
        if self.args.device.type == "cpu" and self.args.bf16:
            # PyTorch's flash kernel for CPUs is slower than plain products there, the more so backwards.
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        return stack

    def whole_model(self) -> PreTrainedModel:
        """Return the model with all its weights; every process must call it.

        Where FSDP divides the weights it is a copy, gathered from all processes.
        """
        if not self.is_fsdp_enabled:
            return self.accelerator.unwrap_model(self.model)
        assert self.model is not None
        whole = gathered(self.model, self._kind, self.generator.model.config)
        whole.to(self.args.device)  # type: ignore[arg-type]  # transformers wraps torch's method without its types
        return whole

    def train(self, *arguments: Any, **options: Any) -> TrainOutput:
        """Train; the model then holds the weights that did best in validation, averaged where that is asked for."""
        output = super().train(*arguments, **options)
        if self.config.average and not self.state.best_model_checkpoint:  # too short for a validation
            swap(self.optimizer)
        return output

    def _save_checkpoint(self, *arguments: Any, **options: Any) -> None:
        # The best checkpoint becomes the generator: so its weights are the averages; the optimizer has the others.
        with averaged(self._averaging()):
            super()._save_checkpoint(*arguments, **options)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint and self.config.average:
            swap(self.optimizer)

    def _averaging(self) -> torch.optim.Optimizer | None:
        return self.optimizer if self.config.average else None

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        del train_dataset  # it is always made of the rows
        step = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        filler = NOTHING if isinstance(self.rows, Tasks) and self.args.world_size > 1 else None
        return StepSampler(self.rows.lengths, step, self.args.seed, self.rows, filler)

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Return the metrics of the validation examples, and how long that took."""
        started = time.monotonic()
        with averaged(self._averaging()):
            metrics = self.validation.metrics(self._recommend())
        report = {f"{metric_key_prefix}_{name}": float(value) for name, value in metrics.items()}
        report[f"{metric_key_prefix}_runtime"] = round(time.monotonic() - started, 3)
        self.log(report)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, report)
        return report

    def _recommend(self) -> npt.NDArray[np.int64]:
        """Return the items recommended for every validation example, int64 [examples, items], on every process."""
        recommender = Recommender(replace(self.generator, model=self.whole_model()))
        total, rank, world = len(self.validation), self.args.process_index, self.args.world_size
        # Zero is "not mine", so that a sum gathers the rows; an item that is missing (-1) becomes 1.
        shifted = np.zeros((total, self.validation.places), dtype=np.int64)
        if len(mine := self.validation[rank::world]):
            items = mine.recommend(recommender, self.config.validation_beams, self.config.exclude_seen)
            shifted[rank::world] = items + 2
        if world > 1:
            summed = self.accelerator.reduce(torch.from_numpy(shifted).to(self.args.device), "sum")
            shifted = summed.cpu().numpy()
        return shifted - 2


def gathered(model: nn.Module, kind: type[PreTrainedModel], config: PretrainedConfig) -> PreTrainedModel:
    """Return a whole copy of a model that FSDP has divided; every process must call it.

    Args:
        model: the divided model.
        kind: its class before it was divided.
        config: its configuration.
    """
    weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    whole = kind(config)
    whole.load_state_dict({name: weight for name, weight in weights.items() if not name.startswith(f"{HEAD}.")})
    return whole


class HistoryTrainer(PretrainingTrainer):
    """Trains models that read histories as events.

    A step's loss is the mean over the target items of all its batches on all processes, not a mean of means: so
    accumulated batches and several processes take the very step that one large batch would.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.model_accepts_loss_kwargs = True  # forward divides by the count it is given
        self.teacher: TeacherAlignment | None = None

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
        """Return the loss, with the labels smoothed as the settings say, and aligned with a teacher if any."""
        inputs = {**inputs, "label_smoothing": self.config.label_smoothing}
        users = inputs.pop("users", None)
        loss = super().compute_loss(model, inputs, *arguments, **options)
        if self.teacher is None or users is None or not isinstance(loss, torch.Tensor):
            return loss
        return self.teacher.total(loss, users, self.state.epoch or 0.0, self.current_gradient_accumulation_steps)

    def log(self, logs: dict[str, float], *arguments: Any, **options: Any) -> None:
        """Log the losses, with the loads of sparse experts."""
        if "loss" in logs:
            logs |= load_figures(self.accelerator.unwrap_model(self.model))
            logs |= self.teacher.figures() if self.teacher else {}
        super().log(logs, *arguments, **options)

    def _get_num_items_in_batch(
        self, batch_samples: Sequence[dict[str, torch.Tensor]], device: torch.device
    ) -> torch.Tensor:
        """Return how many target items the batches of a step hold, over all processes."""
        counts = [(batch["target_codes"][..., 0] != IGNORED).sum() for batch in batch_samples]
        count = torch.stack(counts).sum().to(device)
        return self.accelerator.gather(count).sum() if self.args.world_size > 1 else count

    def _track_num_input_tokens(self, inputs: dict[str, torch.Tensor]) -> None:
        """Count the codes read and learned; those of a window, where they are both, once."""
        levels = inputs["target_codes"].shape[-1]
        events = inputs["history_mask"].sum()
        learned = (inputs["target_codes"][..., 0] != IGNORED).sum()
        if "visible" in inputs:  # all of a window but its last item is read
            learned = torch.tensor(len(inputs["history_mask"]), device=events.device)
        tokens = torch.as_tensor((events + learned) * levels, device=self.args.device)
        self.state.num_input_tokens_seen += int(self.accelerator.gather(tokens).sum())
