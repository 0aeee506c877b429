"""Ask a policy: what it reads of a request, what it proposes, and what that is worth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset
from genrec.decoding import Recommender
from genrec.decoding.engines.process import ProcessEngine
from genrec.decoding.requests import readable
from genrec.models import Events, Generator
from genrec.processes import process_share, wait_for_all
from genrec.runs.parts import Parts
from genrec_alignment.align.config import AlignConfig, RewardWeights
from genrec_alignment.align.requests import Requests
from genrec_alignment.preference.candidates import Candidates, Float32, Int64
from genrec_alignment.preference.rewards import (
    DiversityReward,
    HitReward,
    NoveltyReward,
    RankReward,
    Reward,
    RewardContext,
    RolloutBeamReward,
)
from genrec_alignment.reward.scorer import RewardScorer

_EACH = 64  # requests of a part


@dataclass(frozen=True)
class Log:
    """A dataset as policies and reward models read it.

    Args:
        dataset: the run's.
        generator: says which features a policy reads, and how far back.
        length: items of a candidate, for which the policy needs room.

    Raises:
        ArtifactError: if the generator does not write sessions of this length.
    """

    dataset: Dataset
    generator: Generator
    length: int = 1

    def __post_init__(self) -> None:
        readable(self.generator, [], self.length)

    @cached_property
    def _features(self) -> npt.NDArray[np.integer] | None:
        features = self.generator.features
        return None if features is None else features.table(self.dataset)

    def items(self, requests: Requests) -> list[npt.NDArray[np.int32]]:
        """Return the items of each history, oldest first."""
        items = self.dataset.sequences.items
        return [items[start:stop] for start, stop in zip(requests.starts, requests.stops, strict=True)]

    def events(self, requests: Requests) -> list[Events]:
        """Return what a policy reads of each history."""
        bounds = zip(self.items(requests), requests.starts, requests.stops, strict=True)
        table = self._features
        whole = [Events(items, None if table is None else table[start:stop]) for items, start, stop in bounds]
        return cast(list[Events], readable(self.generator, whole, self.length))


@dataclass(frozen=True)
class Learned:
    """A reward model on a log.

    Args:
        scorer: the reward model.
        log: what it reads.
    """

    scorer: RewardScorer
    log: Log

    def __call__(self, requests: Requests, items: Int64) -> Float32:
        """Return the merged reward of items [requests, candidates, length], float32 [requests, candidates]."""
        starts, stops = requests.starts.tolist(), requests.stops.tolist()
        return self.scorer.score(self.scorer.events(self.log.dataset, starts, stops), items).merged


@dataclass(frozen=True)
class RewardSum:
    """The weighted sum of a learned reward and rules.

    Args:
        learned: the reward model to align with.
        weights: of all parts.
    """

    learned: Learned
    weights: RewardWeights

    def __call__(self, requests: Requests, items: Int64) -> Float32:
        """Return float32 [requests, candidates]; see :class:`~genrec_alignment.preference.rewards.Reward`."""
        total = np.zeros(items.shape[:2], dtype=np.float32)
        if self.weights.model:
            total += self.weights.model * self.learned(requests, items)
        if not self._rules:
            return total
        log = self.learned.log
        context = RewardContext(log.generator.catalogue, log.items(requests), requests.targets)
        for weight, rule in self._rules:
            total += weight * rule(context, items)
        return total

    @cached_property
    def _rules(self) -> list[tuple[float, Reward]]:
        make: dict[str, Callable[[], Reward]] = {
            "hit": HitReward,
            "rank": RankReward,
            "rollout_beam": RolloutBeamReward,
            "novelty": lambda: NoveltyReward(_counts(self.learned.log)),
            "diversity": DiversityReward,
        }
        return [
            (weight, make[name]()) for name, weight in self.weights.model_dump().items() if name in make and weight
        ]


def _counts(log: Log) -> npt.NDArray[np.int64]:
    parts = list(log.dataset.sequences.part("train"))
    return np.bincount(np.concatenate(parts), minlength=len(log.dataset.item_ids)).astype(np.int64)


@dataclass(frozen=True)
class Asking:
    """Asks policies for candidates.

    Args:
        config: the ``align`` section.
        log: what they read.
    """

    config: AlignConfig
    log: Log

    def excluded(self, requests: Requests) -> list[npt.NDArray[np.integer]] | None:
        """Return the items that each request must not be given; None where all may be."""
        return list(self.log.items(requests)) if self.config.exclude_seen else None

    def candidates(
        self,
        policy: Generator,
        requests: Requests,
        reward: Callable[[Requests, Int64], Float32],
        folder: Path,
    ) -> Candidates:
        """Return the policy's beams with their rewards, made part by part by all processes together.

        Args:
            policy: who is asked.
            requests: what it is asked.
            reward: of the candidates.
            folder: where the parts are kept, within a folder of this alignment alone; parts that are done are
                not made again.
        """
        work, (mine, processes) = self.config.model_dump(mode="json"), process_share()
        if mine == 0:
            Parts(folder, work, resume=True)
        wait_for_all()
        parts, starts = Parts(folder, work, resume=True), range(0, len(requests), _EACH)
        missing = [part for part in range(len(starts)) if part % processes == mine and part not in parts]
        if missing:
            with self._recommender(policy) as recommender:
                for part in missing:
                    asked = requests[range(starts[part], min(starts[part] + _EACH, len(requests)))]
                    parts.write(part, self._propose(recommender, asked, reward).table())
        wait_for_all()
        return Candidates.from_table(parts.table())

    @contextmanager
    def _recommender(self, policy: Generator) -> Iterator[Recommender]:
        if self.config.engine == "tree":
            yield Recommender(policy)
            return
        # Another engine reads the policy's files; in a process of its own, since vLLM bears one model a process.
        with tempfile.TemporaryDirectory() as folder:
            policy.save_pretrained(Path(folder))
            engine = ProcessEngine(self.config.engine, Path(folder))
            try:
                yield Recommender(policy, engine=engine)
            finally:
                engine.close()

    def _propose(
        self, recommender: Recommender, requests: Requests, reward: Callable[[Requests, Int64], Float32]
    ) -> Candidates:
        histories, exclude = self.log.events(requests), self.excluded(requests)
        length, beams = self.config.session_length, self.config.beams
        if length == 1:
            ranking = recommender.recommend(histories, beams, beams, exclude)
            items, scores = ranking.items[:, :, None], ranking.scores
        else:
            found = recommender.sessions(histories, length, beams, beams, exclude)
            items, scores = found.items, found.scores
        return Candidates(requests.stops, items, scores, reward(requests, items))
