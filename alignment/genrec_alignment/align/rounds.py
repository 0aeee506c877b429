"""The rounds of an alignment: snapshot, beams, rewards, training, figures, verdict; each resumes where it was cut.

align.partial/0/validation/    what the first policy proposes to the validation requests
align.partial/1/candidates/    what the round's policy proposes to the requests for preference rows
align.partial/1/pairs.parquet  the preference rows
align.partial/1/training/      checkpoints
align.partial/1/policy/        the trained policy
align.partial/1/round.json     figures and verdict: the round is over
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genrec.models import Generator
from genrec.processes import is_main_process, wait_for_all
from genrec_alignment.align.asking import Asking, RewardSum
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.inputs import Inputs
from genrec_alignment.align.measuring import Figures, distance_to, measure
from genrec_alignment.align.next_tokens import NextTokens, next_tokens
from genrec_alignment.align.optimiser import Improved, Optimiser, RoundWork
from genrec_alignment.align.preferences import PreferenceOptimiser, requests_of
from genrec_alignment.align.requests import Requests, draw, moments, validation_requests
from genrec_alignment.align.verdict import verdict
from genrec_alignment.preference.candidates import Candidates

ROUND_FILE, FIGURES_FILE, POLICY = "round.json", "validation.parquet", "policy"
Report = dict[str, Any]


@dataclass(frozen=True)
class Alignment:
    """The rounds of one alignment.

    Args:
        config: the ``align`` section.
        inputs: what it reads.
        seed: of every choice.
        partial: the folder of what may be resumed.
        tell: shows a report as soon as there is one.
    """

    config: AlignConfig
    inputs: Inputs
    seed: int
    partial: Path
    tell: Callable[[Report], None]

    def run(self) -> list[Report]:
        """Return the reports of the first policy and of every round."""
        first = self._first()
        self.tell(first)
        reports, current, step_size, failed = [first], 0, 1.0, 0
        for number in range(1, self.config.rounds + 1):
            report = self._round(number, current, step_size)
            self.tell(report)
            reports.append(report)
            if report["accepted"]:
                current, failed = number, 0
                continue
            step_size, failed = step_size / 2, failed + 1
            if failed == self.config.accept.patience:
                break
        return reports

    def policy(self, number: int) -> Path:
        """Return the folder of a round's policy; 0 is the first."""
        return self.partial / str(number) / POLICY if number else self.inputs.first

    def _first(self) -> Report:
        done = self._done(0)
        if done is not None:
            return done
        started = time.monotonic()
        figures = self._measured(0, Generator.from_pretrained(self.policy(0)))
        return self._finish(0, figures, {"accepted": True, "reasons": [], "gains": {}}, started, {})

    def _round(self, number: int, current: int, step_size: float) -> Report:
        done = self._done(number)
        if done is not None:
            return done
        started = time.monotonic()
        self._folder(number).mkdir(parents=True, exist_ok=True)
        improved = self._improved(number, current, step_size)
        figures = self._measured(number, improved.policy)
        found = verdict(figures, self._figures(current), self._figures(0), self.config.accept)
        return self._finish(number, figures, asdict(found), started, improved.details)

    def _improved(self, number: int, current: int, step_size: float) -> Improved:
        folder = self.policy(number)
        if not folder.is_dir():
            improved = optimiser_of(self.config).improve(self._work(number, current, step_size))
            if is_main_process():
                draft = folder.with_name(f".{POLICY}")
                improved.policy.save_pretrained(draft)
                (draft / "details.json").write_text(json.dumps(improved.details), encoding="utf-8")
                draft.replace(folder)
            wait_for_all()
        # Read again, so that a resumed round measures what an uninterrupted one does.
        details = json.loads((folder / "details.json").read_text(encoding="utf-8"))
        return Improved(Generator.from_pretrained(folder), details)

    def _work(self, number: int, current: int, step_size: float) -> RoundWork:
        fixed = self.config.pairs.source == "fixed"
        policy = Generator.from_pretrained(self.policy(current))
        first = Generator.from_pretrained(self.policy(0)) if fixed else self.inputs.log.generator
        asked = 1 if fixed else number
        requests = self._requests(asked)
        source = first if fixed else policy
        reward = RewardSum(self.inputs.model, self.config.rewards)

        def candidates() -> Candidates:
            return self._asking.candidates(source, requests, reward, self._folder(asked) / "candidates")

        return RoundWork(
            number=number,
            policy=policy,
            first=first,
            requests=requests,
            reward=reward,
            candidates=candidates,
            histories=self.inputs.log.events,
            exclude=self._asking.excluded,
            next_tokens=self._next_tokens,
            folder=self._folder(number),
            resume=True,
            seed=self.seed + number,
            step_size=step_size,
        )

    @cached_property
    def _asking(self) -> Asking:
        return Asking(self.config, self.inputs.log)

    @cached_property
    def _next_tokens(self) -> NextTokens:
        return next_tokens(self.inputs.log, self.inputs.settings, self.config.session_length, self.seed)

    def _requests(self, number: int) -> Requests:
        """Return the requests of a round for preference rows."""
        dataset, users = self.inputs.log.dataset, self.inputs.users["model"]
        count = requests_of(self.config, len(self._next_tokens))
        return draw(moments(dataset, users, self.config.session_length), count, self.seed + number)

    @cached_property
    def _validation(self) -> Requests:
        users = np.concatenate([self.inputs.users["held_out"], self.inputs.users["judge"]])
        config = self.config
        return validation_requests(
            self.inputs.log.dataset, users, config.session_length, config.validation_users, self.seed
        )

    def _measured(self, number: int, policy: Generator) -> Figures:
        requests, inputs = self._validation, self.inputs
        folder = self._folder(number) / "validation"
        candidates = self._asking.candidates(policy, requests, inputs.model, folder)
        distance = distance_to(inputs.log.generator, candidates, inputs.log.events(requests)) if number else 0.0
        judged, codes = inputs.judge(requests, candidates.items), policy.catalogue.codes
        return measure(candidates, judged, requests, self.config.served, codes, distance)

    def _folder(self, number: int) -> Path:
        return self.partial / str(number)

    def _done(self, number: int) -> Report | None:
        file = self._folder(number) / ROUND_FILE
        report: Report | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        return report

    def _figures(self, number: int) -> Figures:
        report = self._done(number)
        assert report is not None
        return Figures(report["figures"], pl.read_parquet(self._folder(number) / FIGURES_FILE))

    def _finish(
        self, number: int, figures: Figures, found: dict[str, Any], started: float, details: dict[str, Any]
    ) -> Report:
        seconds = round(time.monotonic() - started, 1)
        report = {"round": number, **found, "figures": figures.summary, "training": details, "seconds": seconds}
        if is_main_process():
            figures.requests.write_parquet(self._folder(number) / FIGURES_FILE)
            draft = self._folder(number) / f".{ROUND_FILE}"
            draft.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
            draft.replace(self._folder(number) / ROUND_FILE)
        wait_for_all()
        return report


def optimiser_of(config: AlignConfig) -> Optimiser:
    """Return the optimiser that the settings ask for."""
    if config.optimiser == "grpo":
        from genrec_alignment.grpo.optimiser import GroupOptimiser

        return GroupOptimiser(config)
    return PreferenceOptimiser(config)
