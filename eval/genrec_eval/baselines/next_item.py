"""What the trained baselines share: stopped where validation NDCG@10 is best, scored by the last state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from genrec.console import remark
from genrec.data import Dataset
from genrec.models.sasrec.config import SequentialConfig
from genrec.models.sasrec.next_item import NextItemModel
from genrec.models.sasrec.training import train_next_item
from genrec_eval.baselines.base import Arrays, Baseline, Items
from genrec_eval.baselines.validation import VALIDATION_USERS, sample_examples, validation_ndcg

C = TypeVar("C", bound=SequentialConfig)
_AT_ONCE = 256


class NextItemBaseline(Baseline, Generic[C]):
    """A network over item sequences. Subclasses say which.

    Args:
        config: its settings.
        exclude_seen: whether items of the history are left out when it decides when to stop.
    """

    def __init__(self, config: C, exclude_seen: bool = True) -> None:
        self.config = config
        self.exclude_seen = exclude_seen

    @abstractmethod
    def build(self, items: int) -> NextItemModel:
        """Return the network, untrained."""

    def fit(self, dataset: Dataset, seed: int = 0) -> Self:
        """Learn from the split ``train``, and stop where NDCG@10 on ``valid`` is best; return ``self``."""
        self._valid = sample_examples(dataset.examples("valid"), VALIDATION_USERS, seed)
        return super().fit(dataset, seed)

    def _fit(self, train: list[Items]) -> None:
        judge = self._judge if len(self._valid) else None
        build = lambda: self.build(self._items)  # noqa: E731
        self.model, self.epochs_run, best = train_next_item(build, train, self.config, self._seed, judge, self.name)
        stop = "no validation part to stop by" if best is None else f"best validation NDCG@10 {best:.4f}"
        remark(f"{self.name}: {self.epochs_run} epochs, {stop}")

    def _judge(self, model: NextItemModel) -> float:
        self.model = model
        return validation_ndcg(self, self._valid, self.exclude_seen)

    @torch.inference_mode()
    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        order = np.argsort([len(history) for history in histories], kind="stable")  # so that little is padding
        parts = [order[start : start + _AT_ONCE] for start in range(0, len(order), _AT_ONCE)]
        states = [self.model.last_states([histories[row] for row in part]) for part in parts]
        scores = self.model.logits(torch.cat(states)).cpu().numpy()
        return scores[np.argsort(order)]

    def _arrays(self) -> Arrays:
        return {name: tensor.numpy() for name, tensor in self.model.state_dict().items()}

    def _restore(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self.model = self.build(self._items)
        self.model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        self.model.eval()
