"""A round of ``genrec align`` that learns from groups."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.optimiser import Improved, RoundWork, mark_of
from genrec_alignment.align.policy import PolicyModule, learning
from genrec_alignment.grpo.rollouts import Asked
from genrec_alignment.grpo.trainer import GroupTrainer, group_arguments
from genrec_alignment.preference.candidates import Float32, Int64
from genrec_alignment.pretraining.checkpoints import checkpoint_to_resume
from genrec_alignment.sft.adapters import merged


@dataclass(frozen=True)
class GroupOptimiser:
    """Trains a policy by GRPO, ECPO or GBPO; an :class:`~genrec_alignment.align.optimiser.Optimiser`.

    Args:
        config: the ``align`` section; of the groups, its ``grpo``.
    """

    config: AlignConfig

    def improve(self, work: RoundWork) -> Improved:
        """Return the trained policy.

        Raises:
            DataError: if there are fewer requests than one step takes.
        """
        started, grpo = time.monotonic(), self.config.grpo
        rate = grpo.learning_rate * work.step_size
        model, folder = learning(work.policy, self.config), work.folder / "training"
        asked = Asked(work.histories(work.requests), work.exclude(work.requests), self.config.session_length)

        def reward(requests: Int64, items: Int64) -> Float32:
            return work.reward(work.requests[requests], items)

        arguments = group_arguments(grpo, rate, work.seed, folder)
        policy = PolicyModule(work.policy, model)
        trainer = GroupTrainer(policy, asked, reward, grpo, work.next_tokens, arguments)
        checkpoint = checkpoint_to_resume(folder, mark_of(self.config, work), work.resume, trainer)
        trainer.train(resume_from_checkpoint=checkpoint)
        details = {
            "requests": len(work.requests),
            "groups": trainer.groups["groups"],
            "skipped": {"identical_rewards": skipped} if (skipped := trainer.groups["skipped"]) else {},
            "steps": grpo.steps,
            "learning_rate": rate,
            "training_seconds": round(time.monotonic() - started, 1),
            "log": trainer.state.log_history,
        }
        return Improved(replace(work.policy, model=merged(model).eval()), details)
