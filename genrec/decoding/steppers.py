"""How the tree search drives a model: read the prompts once, then run the beams of one level after the other.

What is the same for all models is in :mod:`genrec.decoding.tree_beam`. What differs is how a prompt is read, which
tokens a code becomes, and which of the logits belong to a level's codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from genrec.decoding.prompts import Prompts
    from genrec.models.histories import HistoryBatch


class Decoding(Protocol):
    """A batch of prompts under way.

    Args:
        logits: float [batch, 1, tokens], what follows each prompt.
        wholes: what an item head adds (:mod:`genrec.decoding.item_scores`), or None.
    """

    logits: torch.Tensor
    wholes: list[torch.Tensor] | None

    def extend(self, origin: torch.Tensor, codes: torch.Tensor, level: int) -> torch.Tensor:
        """Run every beam's newest code; return what follows it, float [batch, width, tokens].

        After the last level's code that is the first code of the session's next item.

        Args:
            origin: int64 [batch, width], the index of each beam's parent among the beams before.
            codes: int [batch, width].
            level: of the codes.
        """
        ...


class Stepper(Protocol):
    """A model that the tree search can drive."""

    @property
    def device(self) -> torch.device:
        """Where its logits are."""
        ...

    @property
    def offsets(self) -> Sequence[int]:
        """Where code 0 of each level stands in the logits that predict it, int [levels]."""
        ...

    @property
    def over_children(self) -> bool:
        """Whether the model's softmax is over the codes that may follow, and not over all that it scores."""
        ...

    @property
    def normalized(self) -> bool:
        """Whether its logits are log-probabilities already."""
        ...

    def start(self, prompts: Prompts | HistoryBatch, items: int) -> Decoding:
        """Read prompts, after each of which sessions of ``items`` items will be written.

        Raises:
            ValueError: if they are unusable.
        """
        ...
