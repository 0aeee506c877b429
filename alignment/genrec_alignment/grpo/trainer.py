"""TRL's GRPOTrainer on semantic IDs, for every kind of generator.

TRL draws the requests, asks for groups, holds them for reuse, logs and writes checkpoints. A whole candidate is one
action to it, with one log-probability: that is our reading of ECPO and GBPO; where a group is learned from once, it
changes nothing of GRPO's gradient but its scale. A group's history is read once for all of its candidates.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
import numpy as np
import torch
from torch import Tensor
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from genrec.decoding.requests import readable
from genrec.errors import ConfigError, DataError
from genrec_alignment.align.next_tokens import NextTokens
from genrec_alignment.align.policy import PolicyModule, PolicyOutput
from genrec_alignment.grpo.config import GrpoConfig
from genrec_alignment.grpo.rollouts import Asked, Rollouts
from genrec_alignment.preference.candidates import Float32, Int64
from genrec_alignment.preference.losses import ecpo_loss, gbpo_loss, group_advantages
from genrec_alignment.sft.checkpointing import TrainedWeightsCheckpoints

# TRL imports vLLM where there is one: that takes seconds, changes torch's settings, and is not used here.
with patch("trl.import_utils.is_vllm_available", return_value=False):
    from trl import GRPOConfig, GRPOTrainer

Reward = Callable[[Int64, Int64], Float32]
_CHECKPOINTS = 4
_MEANINGLESS = ("entropy", "num_tokens", "completions/", "rewards/", "sampling/")  # of one action without text


class GroupTrainer(TrainedWeightsCheckpoints, GRPOTrainer):
    """Learns from groups of the policy's own candidates, and from rows of the log.

    Args:
        policy: what is trained; all its weights that require a gradient.
        asked: what it is asked.
        reward: given requests int64 [requests], rows of ``asked``, and candidates int64 [requests, group, items],
            the rewards float32 [requests, group]; what stands where there is no candidate does not count.
        config: settings.
        next_tokens: rows of the log; None to do without them.
        arguments: from :func:`group_arguments`.
    """

    def __init__(
        self,
        policy: PolicyModule,
        asked: Asked,
        reward: Reward,
        config: GrpoConfig,
        next_tokens: NextTokens | None,
        arguments: GRPOConfig,
    ) -> None:
        enough = config.requests * arguments.world_size
        if len(asked) < enough:
            raise DataError(
                f"{len(asked)} requests are too few: a step of all processes takes {enough}.",
                "Ask more, or set grpo.requests lower.",
            )
        histories = readable(policy.generator, asked.histories, asked.length)
        self.grpo, self.asked, self.next_tokens = config, replace(asked, histories=histories), next_tokens
        self.groups = {"groups": 0, "skipped": 0}
        self._reward, self._rollouts = reward, Rollouts(policy, self.asked, config, int(arguments.seed))
        self._rewards, self._next_token_loss, self._now = torch.zeros(0), torch.zeros(()), torch.zeros(0)
        # Copied before TRL puts a forward of its own into the policy.
        reference = copy.deepcopy(policy).requires_grad_(False) if config.loss == "grpo" and config.kl else None
        generator, self._tokens = policy.generator, _special_tokens(policy)
        language = generator.language
        setattr(policy, "is_gradient_checkpointing", False)  # noqa: B010  # TRL asks; mypy sees no such attribute
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*rollout_func.*", UserWarning)
            super().__init__(
                model=policy,  # type: ignore[arg-type]  # what it needs of a model this one has
                reward_funcs=self._score,
                args=arguments,
                train_dataset=datasets.Dataset.from_dict({"prompt": list(range(len(asked)))}),
                processing_class=language.tokenizer if language else generator.catalogue.vocabulary.to_tokenizer(),
                rollout_func=_roll_out,  # type: ignore[arg-type]  # prompts are numbers here
            )
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ConfigError("GRPO shares work between processes by DDP, not by FSDP or DeepSpeed.")
        if reference is not None:
            self.beta, self.ref_model = config.kl, reference  # type: ignore[assignment]
        for callback in (ProgressCallback, PrinterCallback):
            self.remove_callback(callback)

    def train(self, *arguments: Any, **named: Any) -> Any:
        """Train, and leave the model's special tokens as they were: TRL writes its tokenizer's there."""
        try:
            return super().train(*arguments, **named)
        finally:
            for name, token in self._tokens.items():
                setattr(self.accelerator.unwrap_model(self.model).config, name, token)

    def _score(self, prompts: list[int], completion_ids: list[list[int]], **_: Any) -> list[float | None]:
        """Return the rewards of TRL's rows; None where there is no candidate."""
        requests = np.array(prompts[:: self.grpo.group], dtype=np.int64)
        items = np.array(completion_ids, dtype=np.int64).reshape(len(requests), self.grpo.group, -1) - 1
        real = items[:, :, 0] >= 0
        rewards = np.where(real, self._reward(requests, items), np.nan).ravel()
        self._rewards = torch.from_numpy(rewards.astype(np.float32))
        return [None if np.isnan(value) else float(value) for value in rewards]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        rewards = self._rewards.view(-1, self.grpo.group)
        real = ~rewards.isnan()
        normalised = group_advantages(rewards, real)
        advantages = normalised.values if self.grpo.advantages == "normalised" else rewards.masked_fill(~real, 0)
        nothing = normalised.equal if self.grpo.advantages == "normalised" else (advantages == 0).all(dim=1)
        self.groups["groups"] += len(rewards)
        self.groups["skipped"] += int(nothing.sum())
        self._note("groups/skipped", nothing.float().mean())
        batch["advantages"] = advantages.flatten().to(batch["advantages"])
        return self._without((~real | nothing[:, None]).flatten().to(batch["advantages"].device), batch)

    def _without(self, idle: Tensor, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch without the rows that teach nothing, as long on every process.

        Where another process has more to learn, some such rows stay; their advantages are 0, and the others count
        as much more as makes up for them in the mean.

        Args:
            idle: bool [rows].
            batch: the batch, with advantages of 0 in those rows.
        """
        kept = (~idle).sum()
        most = max(1, int(self.accelerator.gather(kept[None]).max()))
        batch["advantages"] *= most / max(1, int(kept))
        rows = torch.argsort(idle.int(), stable=True)[:most]
        return {name: value[rows] if value.ndim else value for name, value in batch.items()}

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor, None]:
        """Return the log-probability of every row's candidate, float32 [rows, 1], and no entropies.

        Args:
            model: the policy, perhaps wrapped, or the reference.
            input_ids: int64 [rows, 1 + items]: the request, then 1 + ``item_index`` with 0 for none.
        """
        requests, group, items = _grouped(input_ids.cpu().numpy())
        policy = self.accelerator.unwrap_model(self.model)
        inputs = policy.inputs([self.asked.histories[row] for row in requests], items)
        if torch.is_grad_enabled() and self.next_tokens is not None and self.grpo.next_token_weight:
            inputs["ntp"] = self._log_rows()
        output: PolicyOutput = model(**Trainer._prepare_inputs(self, inputs))
        assert output.log_probs is not None
        if output.next_token_loss is not None:
            self._next_token_loss = output.next_token_loss
        found = output.log_probs[tuple(torch.from_numpy(place).to(input_ids.device) for place in group)][:, None]
        self._now = found.detach()
        return found, torch.zeros_like(found), None

    def _log_rows(self) -> dict[str, Tensor]:
        assert self.next_tokens is not None
        seed = [self.args.seed, self.state.global_step, self.accelerator.process_index]
        rows = np.random.default_rng(seed).integers(len(self.next_tokens), size=self.grpo.next_token_rows)
        return self.next_tokens.batch(rows.tolist(), self.state.global_step)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        self._next_token_loss = torch.zeros((), device=inputs["advantages"].device)
        loss = super()._compute_loss(model, inputs) if self.grpo.loss == "grpo" else self._own_loss(model, inputs)
        ratio = (self._now - inputs.get("old_per_token_logps", self._now)).exp()
        self._note("policy_loss", loss)
        self._note("ratio", ratio.mean())
        self._note("ratio_max", ratio.max())
        if self.next_tokens is not None and self.grpo.next_token_weight:
            self._note("next_token_loss", self._next_token_loss)
        return loss + self.grpo.next_token_weight * self._next_token_loss

    def _own_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """Return ECPO's or GBPO's loss: all candidates of the batch count alike, as in groups of one size."""
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        policy = self._get_per_token_logps_and_entropies(model, ids)[0].T
        old, advantages = inputs.get("old_per_token_logps"), inputs["advantages"][None]
        old = policy.detach() if old is None else old.T
        if self.grpo.loss == "gbpo":
            return gbpo_loss(policy, old, advantages).mean()
        return ecpo_loss(policy, old, advantages, self.grpo.epsilon, self.grpo.delta).mean()

    def _note(self, name: str, value: Tensor) -> None:
        value = value.detach().float().to(self.accelerator.device)
        self._metrics["train"][name].append(self.accelerator.gather(value).mean().item())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log what has a meaning here."""
        for name in [name for name in self._metrics["train"] if name.startswith(_MEANINGLESS)]:
            del self._metrics["train"][name]
        super().log(logs, start_time)


def _special_tokens(policy: PolicyModule) -> dict[str, int | None]:
    names = ("pad_token_id", "bos_token_id", "eos_token_id")
    return {name: getattr(policy.config, name) for name in names if hasattr(policy.config, name)}


def _roll_out(prompts: list[int], trainer: GroupTrainer) -> dict[str, list[Any] | None]:
    """Return TRL's rows for requests that come ``group`` times each, one after the other."""
    requests = np.array(prompts[:: trainer.grpo.group], dtype=np.int64)
    items = trainer._rollouts(requests, trainer.state.global_step)
    rows = (items + 1).reshape(len(prompts), -1).tolist()
    return {"prompt_ids": [[request] for request in prompts], "completion_ids": rows, "logprobs": None}


def _grouped(rows: Int64) -> tuple[Int64, tuple[Int64, Int64], Int64]:
    """Gather the candidates of the same request.

    Args:
        rows: int64 [rows, 1 + items], the request of each candidate and 1 + its items.

    Returns:
        The requests int64 [requests]; of each row the request's place and the candidate's in it; the items int64
        [requests, most candidates, items], -1 where there is none.
    """
    requests, owner, counts = np.unique(rows[:, 0], return_inverse=True, return_counts=True)
    order = np.argsort(owner, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - np.repeat(counts.cumsum() - counts, counts)
    items = np.full((len(requests), int(counts.max()), rows.shape[1] - 1), -1, dtype=np.int64)
    items[owner, place] = rows[:, 1:] - 1
    return requests, (owner, place), items


def group_arguments(config: GrpoConfig, learning_rate: float, seed: int, folder: Path) -> GRPOConfig:
    """Return TRL's arguments.

    Args:
        config: settings.
        learning_rate: after a short rise.
        seed: of the order of requests, of draws, and of the rows of the log.
        folder: where checkpoints go.
    """
    return GRPOConfig(
        output_dir=str(folder),
        seed=seed,
        data_seed=seed,
        max_steps=config.steps,
        per_device_train_batch_size=config.requests * config.group,
        num_generations=config.group,
        steps_per_generation=1,
        num_iterations=config.reuse,
        loss_type="grpo",
        epsilon=config.epsilon,
        beta=0.0,  # the trainer makes its own reference
        learning_rate=learning_rate,
        warmup_steps=config.steps // 20,
        lr_scheduler_type="constant_with_warmup",
        weight_decay=0.0,
        adam_beta2=0.98,
        max_grad_norm=config.max_grad_norm,
        disable_dropout=False,  # the policy does it itself
        bf16=False,
        gradient_checkpointing=False,
        eval_strategy="no",
        save_strategy="steps",
        save_steps=-(-config.steps // (_CHECKPOINTS * config.reuse)) * config.reuse,  # never amid a reuse
        save_total_limit=1,
        logging_steps=max(1, config.steps // 20),
        report_to=[],
        remove_unused_columns=False,
        accelerator_config={"dispatch_batches": False},
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.accelerator.is_available(),
        ddp_find_unused_parameters=False,
    )
