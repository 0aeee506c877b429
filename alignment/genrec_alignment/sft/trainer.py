"""TRL's SFTTrainer on packed rows, validated by what the product does: ranked items."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from peft import PeftModel
from transformers import PreTrainedModel
from trl import SFTTrainer

from genrec.decoding.recommender import Recommender
from genrec.models import Generator
from genrec_alignment.pretraining.validation import Validation
from genrec_alignment.sft.attention import attending_to_rows
from genrec_alignment.sft.batches import Batch, collate
from genrec_alignment.sft.checkpointing import TrainedWeightsCheckpoints
from genrec_alignment.sft.config import TuneConfig


class TuneTrainer(TrainedWeightsCheckpoints, SFTTrainer):
    """Learns packed rows; computes logits only where something is learned.

    A step's loss is the mean over the learned tokens of all its batches on all processes. Checkpoints hold the
    weights that learn, as safetensors, with optimizer and schedule.

    Args:
        model: of the generator, with what the stage trains on it.
        generator: the catalogue and the prompt; its model is not used.
        validation: examples of the validation part; None: nothing is validated.
        config: the ``tune`` section.
        arguments: passed on to SFTTrainer.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        generator: Generator,
        validation: Validation | None,
        config: TuneConfig,
        **arguments: Any,
    ) -> None:
        assert generator.language is not None
        self.generator, self.validation, self.config = generator, validation, config
        super().__init__(
            model=model,  # type: ignore[arg-type]  # SFTTrainer takes adapted models too
            data_collator=collate,  # type: ignore[arg-type]
            processing_class=generator.language.tokenizer,
            **arguments,
        )

    @property
    def causal_model(self) -> PreTrainedModel:
        """The language model itself, with the adapter working inside it."""
        model = self.accelerator.unwrap_model(self.model)
        return cast(PreTrainedModel, model.get_base_model() if isinstance(model, PeftModel) else model)

    def compute_loss_context_manager(self) -> ExitStack:
        """Return the Trainer's contexts, and rows that do not see each other."""
        stack = super().compute_loss_context_manager()
        stack.enter_context(attending_to_rows(self.causal_model))
        return stack

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """Run a step; where blocks are computed again in the backward pass, they attend to rows there too."""
        with attending_to_rows(self.causal_model):
            return super().training_step(*arguments, **options)

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the cross-entropy of a batch's targets, divided by the targets of the whole step."""
        batch: Batch = inputs
        outputs = model(
            input_ids=batch["input_ids"],
            position_ids=batch["position_ids"],
            row_groups=batch["row_groups"],
            logits_to_keep=batch["places"],
            use_cache=False,
        )
        total = F.cross_entropy(outputs.logits[0].float(), batch["targets"], reduction="sum")
        count = len(batch["targets"]) if num_items_in_batch is None else num_items_in_batch
        loss = total / max(int(count), 1) * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def _get_num_items_in_batch(self, batch_samples: Sequence[Batch], device: torch.device) -> torch.Tensor:
        """Return how many tokens a step learns, over all its batches and processes."""
        count = torch.tensor(sum(len(batch["targets"]) for batch in batch_samples), device=device)
        return self.accelerator.gather(count).sum() if self.args.world_size > 1 else count

    def _track_num_input_tokens(self, inputs: Batch) -> None:
        """Count the tokens of the rows, those of a prompt that rows share with each of them."""
        tokens = torch.tensor(inputs["row_tokens"], device=self.args.device)
        self.state.num_input_tokens_seen += int(self.accelerator.gather(tokens).sum())

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Return recall and NDCG of the items recommended for the validation examples, and how long that took."""
        assert self.validation is not None
        started = time.monotonic()
        self.causal_model.eval()
        # The search calls the model's parts; only the whole model's forward is under accelerate's autocast.
        rounded = torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.args.bf16)
        with torch.no_grad(), rounded:
            items = self._recommend(self.validation)
        metrics = self.validation.metrics(items)
        report = {f"{metric_key_prefix}_{name}": float(value) for name, value in metrics.items()}
        report[f"{metric_key_prefix}_runtime"] = round(time.monotonic() - started, 3)
        self.log(report)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, report)
        return report

    def _recommend(self, validation: Validation) -> npt.NDArray[np.int64]:
        """Return the items recommended for every validation example, int64 [examples, items], on every process."""
        recommender = Recommender(replace(self.generator, model=self.causal_model))
        rank, world = self.args.process_index, self.args.world_size
        # Zero is "not mine", so that a sum gathers the rows; an item that is missing (-1) becomes 1.
        shifted = np.zeros((len(validation), validation.places), dtype=np.int64)
        if len(mine := validation[rank::world]):
            shifted[rank::world] = 2 + mine.recommend(
                recommender, self.config.validation_beams, self.config.exclude_seen
            )
        if world > 1:
            summed = self.accelerator.reduce(torch.from_numpy(shifted).to(self.args.device), "sum")
            shifted = summed.cpu().numpy()
        return shifted - 2
