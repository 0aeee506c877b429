"""Groups of candidates of the policy as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from genrec.decoding import Recommender, Sessions, TreeBeamSearch, Trie
from genrec.decoding.requests import History
from genrec.models import Generator
from genrec_alignment.align.policy import PolicyModule
from genrec_alignment.grpo.config import GrpoConfig
from genrec_alignment.grpo.sampling import TreeSampler


@dataclass(frozen=True)
class Asked:
    """What the policy may be asked.

    Args:
        histories: of each request, ``item_index`` values or events, oldest first, no longer than the policy reads.
        exclude: the items that each request must not be given; None where all may be.
        length: items of a candidate; more than 1 are a session.
    """

    histories: Sequence[History]
    exclude: Sequence[npt.NDArray[np.integer]] | None = None
    length: int = 1

    def __len__(self) -> int:
        return len(self.histories)


class Rollouts:
    """Makes groups with the policy's present weights.

    Args:
        policy: what is trained.
        asked: what it is asked.
        config: settings.
        seed: of draws.
    """

    def __init__(self, policy: PolicyModule, asked: Asked, config: GrpoConfig, seed: int) -> None:
        self._generator: Generator = replace(policy.generator, model=policy.causal)
        self._asked, self._config, self._seed = asked, config, seed
        self._recommender = Recommender(self._generator)
        catalogue = self._generator.catalogue
        trie = Trie.build(catalogue.codes, catalogue.codebook_sizes)
        self._sampler = TreeSampler(TreeBeamSearch(policy.causal, trie, self._generator.vocabulary.offsets))

    def __call__(self, requests: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
        """Return int64 [requests, group, items], ``item_index``; -1 where there is none, as in candidates.

        Args:
            requests: int64 [requests], rows of what may be asked.
            step: of the training; other draws are made in every step.
        """
        asked, group = self._asked, self._config.group
        histories = [asked.histories[row] for row in requests]
        exclude = None if asked.exclude is None else [asked.exclude[row] for row in requests]
        if self._config.rollouts == "draws":
            return self._drawn(histories, exclude, step, int(requests[0])).items
        if asked.length == 1:
            return self._recommender.recommend(histories, group, group, exclude).items[:, :, None]
        return self._recommender.sessions(histories, asked.length, group, group, exclude).items

    def _drawn(
        self, histories: list[History], exclude: list[npt.NDArray[np.integer]] | None, step: int, first: int
    ) -> Sessions:
        seed = int(np.random.SeedSequence([self._seed, step, first]).generate_state(1)[0])
        prompts = self._generator.prompts(histories)
        return self._sampler(prompts, self._asked.length, self._config.group, exclude, seed)
