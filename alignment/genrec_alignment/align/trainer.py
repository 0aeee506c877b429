"""TRL's DPOTrainer on semantic IDs: its losses, on log-probabilities that any kind of generator gives."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from trl import DPOConfig, DPOTrainer

from genrec.errors import ConfigError
from genrec_alignment.align.batches import Collator
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.policy import PolicyModule, PolicyOutput
from genrec_alignment.preference.losses import implicit_rewards, softmax_dpo_loss
from genrec_alignment.sft.checkpointing import TrainedWeightsCheckpoints

_CHECKPOINTS = 4  # of a round
# What TRL logs of tokens, of which only log-probabilities are known here.
_UNKNOWN = ("entropy", "num_tokens", "mean_token_accuracy", "logits/chosen", "logits/rejected")


class RoundTrainer(TrainedWeightsCheckpoints, DPOTrainer):
    """Learns rows of the log in every step, and the preference rows that come with some of them.

    The loss of a batch of B rows of the log with P preference rows is L_NTP + weight · (P / B) · L_DPO, both means
    over their rows: what OneRec (arXiv:2502.18965) has for samples that bring a preference row by chance. The
    reference's log-probabilities come with the batch, so no second model is held.

    Args:
        policy: what is trained; all its weights that require a gradient.
        config: the ``align`` section.
        rows: from :meth:`genrec_alignment.align.batches.Schedule.dataset`, in their order.
        collator: makes batches of them.
        arguments: from :func:`round_arguments`.
    """

    def __init__(
        self, policy: PolicyModule, config: AlignConfig, rows: Dataset, collator: Collator, arguments: DPOConfig
    ) -> None:
        self.align, self.rows = config, rows
        language = policy.generator.language
        tokenizer = language.tokenizer if language else policy.generator.catalogue.vocabulary.to_tokenizer()
        super().__init__(
            model=policy,  # type: ignore[arg-type]  # what it needs of a model this one has
            args=arguments,
            data_collator=collator,
            train_dataset=rows,
            processing_class=tokenizer,
        )
        # The Trainer would give its special tokens to the model, and save it with every checkpoint.
        self.processing_class = None
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ConfigError(
                "genrec align shares work between processes by DDP, not by FSDP or DeepSpeed.",
                "Use a configuration of accelerate without them.",
            )
        for callback in (ProgressCallback, PrinterCallback):
            self.remove_callback(callback)

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset  # it holds row numbers, and the collator knows the rest

    def _precompute_ref_logps(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset  # they come with the rows

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        del train_dataset  # it is always the rows, and they are in their order
        return SequentialSampler(self.rows)

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        keys = ("ntp", "history", "prompts", "codes")
        outputs: PolicyOutput = model(**{key: inputs[key] for key in keys if key in inputs})
        assert outputs.next_token_loss is not None
        loss = outputs.next_token_loss
        self._note("next_token_loss", loss)
        if outputs.log_probs is not None:
            preference = self._preference_loss(outputs.log_probs, inputs)
            self._note("preference_loss", preference)
            loss = loss + self.align.dpo_weight * len(outputs.log_probs) / self.args.train_batch_size * preference
        return (loss, outputs) if return_outputs else loss

    def _preference_loss(self, log_probs: Tensor, inputs: dict[str, Any]) -> Tensor:
        """Return the mean loss of preference rows.

        Args:
            log_probs: float [rows, 1 + losers], of whole candidates, the winner first.
            inputs: the batch, with ``reference``, ``real`` and ``rewards`` of the same shape.
        """
        if self.align.loss != "softmax_dpo":
            return self._trl_loss(log_probs, inputs["reference"], inputs["codes"])
        reference, real = inputs["reference"], inputs["real"]
        implicit = implicit_rewards(log_probs.detach(), reference, self.align.beta)
        best = implicit.masked_fill(~real, -torch.inf).argmax(dim=1) == 0
        self._note("rewards/accuracies", best.float().mean())
        return softmax_dpo_loss(log_probs, reference, self.align.beta, real).mean()

    def _trl_loss(self, log_probs: Tensor, reference: Tensor, codes: Tensor) -> Tensor:
        """Return TRL's loss, given its own form of what a model says of a batch of pairs.

        TRL wants a token's log-probability at every place; it adds them up, and divides by their number in losses
        that average. So an item's is spread evenly over its codes.
        """
        items, levels = codes.shape[2:]
        mask = (codes[..., 0] >= 0).transpose(0, 1).flatten(0, 1).repeat_interleave(levels, dim=1)
        totals = log_probs.transpose(0, 1).flatten()[:, None]  # winners first, then losers
        tokens = (totals / mask.sum(dim=1, keepdim=True)).expand(-1, items * levels) * mask
        mask = torch.nn.functional.pad(mask.long(), (1, 0))
        pairs = {
            "input_ids": torch.zeros_like(mask),
            "attention_mask": torch.ones_like(mask),
            "completion_mask": mask,
            "ref_chosen_logps": reference[:, 0],
            "ref_rejected_logps": reference[:, 1],
        }
        none = torch.zeros_like(tokens)
        said = SimpleNamespace(log_probs=tokens, entropy=none, mean_logits=none, is_top1=none.bool())
        loss: Tensor = super()._compute_loss(lambda **_: said, pairs, False)
        for name in _UNKNOWN:
            self._metrics["train"].pop(name, None)
        return loss

    def _note(self, name: str, value: Tensor) -> None:
        self._metrics["train"][name].append(self.accelerator.gather(value.detach().float()).mean().item())


def round_arguments(config: AlignConfig, steps: int, learning_rate: float, seed: int, folder: Path) -> DPOConfig:
    """Return TRL's arguments for a round.

    Args:
        config: the ``align`` section.
        steps: optimizer steps.
        learning_rate: after a short rise.
        seed: of what TRL draws, which is nothing here.
        folder: where checkpoints go.
    """
    return DPOConfig(
        output_dir=str(folder),
        seed=seed,
        data_seed=seed,
        max_steps=steps,
        per_device_train_batch_size=config.batch_size,
        learning_rate=learning_rate,
        warmup_steps=max(1, steps // 20),
        lr_scheduler_type="constant_with_warmup",
        weight_decay=0.0,
        adam_beta2=0.98,
        max_grad_norm=config.max_grad_norm,
        loss_type=["sigmoid" if config.loss == "softmax_dpo" else config.loss],
        beta=config.beta,
        label_smoothing=config.label_smoothing,
        precompute_ref_log_probs=True,
        disable_dropout=False,  # the policy does it itself
        bf16=False,
        gradient_checkpointing=False,
        max_length=None,
        eval_strategy="no",
        save_strategy="steps",
        save_steps=max(1, -(-steps // _CHECKPOINTS)),
        save_total_limit=1,
        logging_steps=max(1, steps // 20),
        report_to=[],
        remove_unused_columns=False,
        accelerator_config={"dispatch_batches": False},
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.accelerator.is_available(),  # else processes on CPUs each take themselves for alone
        ddp_find_unused_parameters=False,
    )
