"""Read a trained reward model and score sessions with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError

from genrec.data import Dataset
from genrec.data.features import Features
from genrec.errors import ArtifactError
from genrec.models.histories import Events
from genrec.semantic_ids import Catalogue
from genrec_alignment.reward.config import NetworkConfig
from genrec_alignment.reward.fusion import merged_reward
from genrec_alignment.reward.inputs import History, LoggedEvents, RewardInputs
from genrec_alignment.reward.network import SessionRewardModel

FEATURES_FILE = "features.json"
_AT_ONCE = 1 << 16  # items of sessions in one forward pass, at most (one history's sessions stay together)
_AGAIN = "Make the reward models again: genrec reward"


@dataclass(frozen=True)
class Scores:
    """What a reward model says of sessions.

    Args:
        names: the objectives.
        objectives: float32 [n, k, objectives], probabilities; 0 for a session without items.
        merged: float32 [n, k], their sum by the recipe's weights, or the learned score. A session without items has
            the least value that a merged reward can have, so that it is never a winner.
    """

    names: tuple[str, ...]
    objectives: npt.NDArray[np.float32]
    merged: npt.NDArray[np.float32]


class RewardScorer:
    """A reward model with what it needs to read items: catalogue and features.

    Args:
        model: trained.
        inputs: makes tensors of items.
    """

    def __init__(self, model: SessionRewardModel, inputs: RewardInputs) -> None:
        self.model, self.inputs = model.eval(), inputs
        self.names = tuple(model.config.objectives)
        self.weights = np.asarray(model.config.weights, dtype=np.float32)

    @classmethod
    def from_pretrained(cls, folder: Path, catalogue: Catalogue | None = None) -> RewardScorer:
        """Read what :meth:`save_pretrained` wrote.

        Args:
            folder: such as ``run/reward/model`` or ``run/reward/judge``.
            catalogue: the catalogue whose ``item_index`` will be scored; None: the model's own, unchecked.

        Raises:
            ArtifactError: if the folder holds no reward model, or it was trained with another catalogue.
        """
        folder = Path(folder)
        if not (folder / "config.json").is_file():
            raise ArtifactError(f"{folder} holds no reward model.", _AGAIN)
        try:
            model, found = _with_report(folder)
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise ArtifactError(f"{folder} holds no readable reward model: {error}", _AGAIN) from error
        if found["missing_keys"] or found["unexpected_keys"]:
            raise ArtifactError(f"{folder} holds a reward model of another version of genrec.", _AGAIN)
        own = Catalogue.load(folder)
        if catalogue is not None and catalogue.digest != model.config.catalogue_digest:
            raise ArtifactError(f"{folder} was trained with another catalogue, or another version of it.", _AGAIN)
        shape = NetworkConfig.model_validate(model.config.shape)
        features = Features.load(folder / FEATURES_FILE)
        return cls(model, RewardInputs(own, features, shape.history_length))

    def save_pretrained(self, folder: Path) -> None:
        """Write weights (safetensors), configuration, catalogue and features into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        self.inputs.catalogue.save(folder)
        self.inputs.features.save(folder / FEATURES_FILE)

    def events(self, dataset: Dataset, starts: Sequence[int], stops: Sequence[int]) -> list[Events]:
        """Return histories of a dataset with the features that the model reads.

        Args:
            dataset: whose rows ``starts`` and ``stops`` count, as :class:`~genrec.data.Examples` has them.
            starts: the row that each history begins with.
            stops: the row after the last of each.
        """
        logged = LoggedEvents(dataset, self.inputs.features)
        ends = zip(starts, stops, strict=True)
        return [logged.slice(int(start), int(stop), self.inputs.history_length) for start, stop in ends]

    def score(self, histories: Sequence[History], sessions: npt.NDArray[np.integer]) -> Scores:
        """Return the rewards of k sessions for each history.

        Args:
            histories: n arrays of ``item_index``, or events with features; oldest first; may be empty.
            sessions: int [n, k, m], ``item_index``; -1 is padding. With m = 1 it ranks candidates.

        Raises:
            ValueError: if the counts differ, or an index is none of the catalogue's.
        """
        if len(histories) != len(sessions):
            raise ValueError(f"{len(histories)} histories for {len(sessions)} rows of sessions")
        n, k, m = sessions.shape
        step = max(1, _AT_ONCE // max(1, k * m))
        parts = [
            self._probabilities(histories[start : start + step], sessions[start : start + step])
            for start in range(0, n, step)
        ]
        empty = (sessions < 0).all(-1)
        columns = len(self.names) + (self.model.score is not None)
        found = np.concatenate([np.zeros((0, k, columns), np.float32), *parts])
        found[empty] = 0.0
        least = 0.0 if self.model.score is not None else self.weights.clip(max=0).sum()
        merged = np.where(empty, least, merged_reward(found, self.weights))
        return Scores(self.names, found[..., : len(self.names)], merged.astype(np.float32))

    @torch.inference_mode()
    def _probabilities(
        self, histories: Sequence[History], sessions: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        read, judged = self.inputs.histories(histories), self.inputs.sessions(sessions)
        device = self.model.device
        return self.model(read.to(device), judged.to(device)).sigmoid().float().cpu().numpy()


def _with_report(folder: Path) -> tuple[SessionRewardModel, Mapping[str, object]]:
    """Return a model, and what its file lacked or had too much of."""
    loaded: object = SessionRewardModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    return cast("tuple[SessionRewardModel, Mapping[str, object]]", loaded)
