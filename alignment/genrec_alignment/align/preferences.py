"""The optimiser that learns preference rows: IPA, DPO and its relatives, S-DPO."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from genrec.errors import DataError
from genrec.models import Generator
from genrec.processes import is_main_process, process_share, wait_for_all
from genrec_alignment.align.batches import Collator, Preferences, Schedule
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.optimiser import Improved, RoundWork, mark_of
from genrec_alignment.align.policy import PolicyModule, learning
from genrec_alignment.align.progress import RoundProgress
from genrec_alignment.align.requests import Requests
from genrec_alignment.align.trainer import RoundTrainer, round_arguments
from genrec_alignment.preference.candidates import Float32
from genrec_alignment.preference.logprobs import log_probabilities
from genrec_alignment.preference.pairs import Pairs, best_against_losers, logged_against_losers
from genrec_alignment.pretraining.checkpoints import checkpoint_to_resume
from genrec_alignment.sft.adapters import merged

PAIRS_FILE = "pairs.parquet"
_AT_ONCE = 32  # preference rows whose reference is computed together


def steps_of(config: AlignConfig, rows: int) -> int:
    """Return the optimizer steps of a round over ``rows`` rows of the log."""
    return max(1, round(config.passes * rows / (config.batch_size * process_share()[1])))


def requests_of(config: AlignConfig, rows: int) -> int:
    """Return how many requests a round makes candidates for: the share of its samples that brings a row."""
    return round(config.dpo_share * steps_of(config, rows) * config.batch_size * process_share()[1])


@dataclass(frozen=True)
class PreferenceOptimiser:
    """Makes pairs of a round's candidates and trains on them with TRL.

    Args:
        config: the ``align`` section.
    """

    config: AlignConfig

    def improve(self, work: RoundWork) -> Improved:
        """Return the trained policy; without any pair only the next-token loss is learned."""
        config, started = self.config, time.monotonic()
        pairs = self._pairs(work) if len(work.requests) else None
        preferences = None if pairs is None else self._with_reference(pairs, work)
        model = learning(work.policy, config)
        policy = PolicyModule(work.policy, model)
        steps, (_, processes) = steps_of(config, len(work.next_tokens)), process_share()
        count = 0 if preferences is None else len(preferences)
        schedule = Schedule(
            len(work.next_tokens), count, steps, config.batch_size, processes, work.number, work.seed
        )
        arguments = round_arguments(
            config, steps, config.learning_rate * work.step_size, work.seed, work.folder / "training"
        )
        collator = Collator(work.next_tokens, preferences, policy)
        trainer = RoundTrainer(policy, config, schedule.dataset(), collator, arguments)
        trainer.add_callback(RoundProgress)
        checkpoint = checkpoint_to_resume(work.folder / "training", mark_of(config, work), work.resume, trainer)
        trainer.train(resume_from_checkpoint=checkpoint)
        details = {
            "requests": len(work.requests),
            "pairs": count,
            "skipped": {} if pairs is None else pairs.skipped,
            "steps": steps,
            "learning_rate": config.learning_rate * work.step_size,
            "training_seconds": round(time.monotonic() - started, 1),
            "log": trainer.state.log_history,
        }
        return Improved(replace(work.policy, model=merged(model).eval()), details)

    def _pairs(self, work: RoundWork) -> Pairs:
        candidates, settings = work.candidates(), self.config.pairs
        if settings.kind == "best_against_losers":
            pairs = best_against_losers(candidates, settings.losers)
        else:  # what was really chosen
            logged = work.requests.logged(self.config.session_length)
            rewards = work.reward(work.requests, logged[:, None])[:, 0]
            pairs = logged_against_losers(candidates, logged, rewards, settings.losers)
        if is_main_process():
            pairs.table().write_parquet(work.folder / PAIRS_FILE)
        wait_for_all()
        if not len(pairs):
            raise DataError(
                f"None of the {len(work.requests)} requests of round {work.number} gives a preference row: "
                + ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in pairs.skipped.items())
                + ".",
                "Give align.rewards what tells candidates apart, or raise align.beams.",
            )
        return pairs

    def _with_reference(self, pairs: Pairs, work: RoundWork) -> Preferences:
        """Return the pairs with log-probabilities under the policy that made them."""
        fixed = self.config.pairs.source == "fixed"
        asked = _requests_of_pairs(pairs, work.requests)
        histories = work.histories(asked)
        return Preferences(pairs, histories, reference_of(work.first if fixed else work.policy, histories, pairs))


def _requests_of_pairs(pairs: Pairs, requests: Requests) -> Requests:
    place = {int(stop): row for row, stop in enumerate(requests.stops)}
    return requests[np.array([place[int(stop)] for stop in pairs.requests], dtype=np.int64)]


@torch.no_grad()
def reference_of(generator: Generator, histories: list[Any], pairs: Pairs) -> Float32:
    """Return log-probabilities of all candidates of preference rows, float32 [rows, 1 + losers]."""
    parts = [np.zeros((0, pairs.items.shape[1]), dtype=np.float32)]
    for start in range(0, len(pairs), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        found = log_probabilities(generator, histories[rows], pairs.items[rows]).sum(dim=-1)
        parts.append(found.float().cpu().numpy())
    return np.concatenate(parts)
