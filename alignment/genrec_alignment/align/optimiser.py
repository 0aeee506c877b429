"""What a round does to a policy: the interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from genrec.models import Events, Generator
from genrec.processes import process_share
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.next_tokens import NextTokens
from genrec_alignment.align.requests import Requests
from genrec_alignment.preference.candidates import Candidates, Float32, Int64


@dataclass(frozen=True)
class RoundWork:
    """What a round has to work with.

    Args:
        number: 1, 2, …
        policy: this round's own copy, in eval mode and on its device; its weights may be trained in place.
        first: the policy that the alignment began with; not to be changed.
        requests: what may be asked in this round.
        reward: of candidates [requests, candidates, items], float32 [requests, candidates].
        candidates: makes or reads the beams of all requests, with their rewards: those of the round's policy, or of
            the first one where the settings fix the pairs.
        histories: returns what the policy reads of requests.
        exclude: returns the items that a search must leave out.
        next_tokens: rows of the log, to keep the next-token loss on.
        folder: for checkpoints and what else may be resumed; survives a kill.
        resume: whether to go on from what lies there.
        seed: of this round.
        step_size: 1, halved by every roll-back: the learning rate is to be multiplied with it.
    """

    number: int
    policy: Generator
    first: Generator
    requests: Requests
    reward: Callable[[Requests, Int64], Float32]
    candidates: Callable[[], Candidates]
    histories: Callable[[Requests], list[Events]]
    exclude: Callable[[Requests], list[npt.NDArray[np.integer]] | None]
    next_tokens: NextTokens
    folder: Path
    resume: bool
    seed: int
    step_size: float


@dataclass(frozen=True)
class Improved:
    """What a round came to.

    Args:
        policy: a plain model, adapters merged, in eval mode.
        details: for the table and the results: ``pairs``, ``skipped``, ``steps``, losses.
    """

    policy: Generator
    details: dict[str, Any]


def mark_of(config: AlignConfig, work: RoundWork) -> dict[str, Any]:
    """Return what a round's checkpoints depend on."""
    processes = process_share()[1]
    return config.model_dump(mode="json") | {"seed": work.seed, "step": work.step_size, "of": processes}


class Optimiser(Protocol):
    """Trains a policy for a round."""

    def improve(self, work: RoundWork) -> Improved:
        """Return the trained policy. Every process calls it, and every one gets the same policy."""
