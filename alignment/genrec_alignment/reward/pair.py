"""Two reward models on one log: trained on disjoint users, measured on users of neither."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from genrec.data import Dataset
from genrec.data.features import Features
from genrec.errors import DataError
from genrec.semantic_ids import Catalogue
from genrec_alignment.reward.average import ItemAverage
from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.configuration import SessionRewardConfig
from genrec_alignment.reward.inputs import LoggedEvents, RewardInputs
from genrec_alignment.reward.measuring import Table, gate, measure
from genrec_alignment.reward.network import SessionRewardModel
from genrec_alignment.reward.scorer import RewardScorer
from genrec_alignment.reward.sessions import Ints, Pieces, SessionLog
from genrec_alignment.reward.training import RewardTraining

Floats = npt.NDArray[np.float32]

MODELS = ("model", "judge")
RESULTS_FILE, USERS_FILE = "results.json", "users.parquet"
_FEWEST_USERS = 6


class ModelPair:
    """Everything that both models share.

    Args:
        config: the settings.
        dataset: where the sessions are from.
        catalogue: its items.
        vectors: float32 [items, dim], what the items are known by.
        seed: of the division of users; of training, with a number added for the second model.
    """

    def __init__(
        self, config: RewardConfig, dataset: Dataset, catalogue: Catalogue, vectors: Floats, seed: int
    ) -> None:
        self.config, self.dataset, self.catalogue, self.seed = config, dataset, catalogue, seed
        self.vectors = vectors
        self.log = SessionLog(dataset, config)
        self.features = Features.fit(dataset, config.features)
        self.events = LoggedEvents(dataset, self.features, self.log.kept)
        self.users = divide_users(self.log.parts["train"].users, config.held_out, seed)

    def make(self, folder: Path, partial: Path) -> dict[str, Any]:
        """Write everything into ``folder`` and return the details.

        Args:
            folder: of the artefact.
            partial: where a finished model waits for the other; what is there is not made again.
        """
        names = [(self.dataset.user_ids[user], part) for part, users in self.users.items() for user in users]
        schema = {"user_id": pl.String, "part": pl.String}
        pl.DataFrame(names, schema=schema, orient="row").write_parquet(folder / USERS_FILE)
        made = {name: self._made(partial, name, self.seed + number) for number, name in enumerate(MODELS)}
        for name in MODELS:
            shutil.copytree(partial / name, folder / name)
        results = {size: {name: made[name][size] for name in MODELS} for size in ("items", "sessions")}
        (folder / RESULTS_FILE).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        return {
            "gate": gate(results["items"], self.config),
            "negatives": self.config.negatives,
            "weights": {objective.name: objective.weight for objective in self.config.objectives},
            "users": {part: len(users) for part, users in self.users.items()},
            "held_out": results,
            "training": {name: made[name]["training"] for name in MODELS},
        }

    def _made(self, partial: Path, name: str, seed: int) -> dict[str, Any]:
        """Return the figures of a model, which is trained unless it is there."""
        file = partial / f"{name}.json"
        if not file.is_file():
            figures = self._one(partial / name, name, seed)
            file.write_text(json.dumps(figures), encoding="utf-8")
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def _one(self, folder: Path, name: str, seed: int) -> dict[str, Any]:
        """Train and save one model; return its training and its tables of single items and of whole sessions."""
        users = self.users[name]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = SessionRewardModel(self._shape())
        model.set_content(torch.from_numpy(self.vectors))
        torch.nn.Module.to(model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        inputs = RewardInputs(self.catalogue, self.features, self.config.network.history_length)
        training = RewardTraining(self.log, inputs, self.events, self.config)
        figures = training.train(model, users, seed)
        RewardScorer(model, inputs).save_pretrained(folder)
        average = self._average(users)
        sizes = {"items": 1, "sessions": self.config.session_length}
        tables = {name: self._measure(training, model, average, size) for name, size in sizes.items()}
        return {"training": figures, **tables}

    def _measure(
        self, training: RewardTraining, model: SessionRewardModel, average: ItemAverage, size: int
    ) -> Table:
        pieces = self._pieces(self.users["held_out"], size)
        predicted = training.predict(model, pieces)
        return measure(pieces.labels, predicted, average.predict(pieces), pieces.users, self.config)

    def _average(self, users: Ints) -> ItemAverage:
        pieces = self._pieces(users, 1)
        return ItemAverage.fit(pieces.items[:, 0], pieces.labels, len(self.catalogue))

    def _pieces(self, users: Ints, size: int) -> Pieces:
        pieces = self.log.pieces("train", users, size)
        if self.config.negatives == "exposures":
            return pieces
        return self.log.with_sampled(pieces, np.random.default_rng(self.seed))

    def _shape(self) -> SessionRewardConfig:
        objectives = self.config.objectives
        return SessionRewardConfig(
            items=len(self.catalogue),
            content_size=self.vectors.shape[1],
            feature_names=list(self.features.names),
            feature_sizes=list(self.features.sizes),
            objectives=[objective.name for objective in objectives],
            weights=[objective.weight for objective in objectives],
            after=[objective.after or "" for objective in objectives],
            funnel=self.config.funnel,
            agreement=self.config.agreement,
            merge=self.config.merge,
            groups=[objective.group for objective in objectives],
            session_length=self.config.session_length,
            shape=self.config.network.model_dump(mode="json"),
            catalogue_digest=self.catalogue.digest,
        )


def divide_users(users: Ints, held_out: float, seed: int) -> dict[str, Ints]:
    """Divide the different users at random: the held-out share, and the rest in two halves.

    Raises:
        DataError: if there are fewer than six.
    """
    different = np.unique(users)
    if len(different) < _FEWEST_USERS:
        raise DataError(
            f"{len(different)} users have sessions in the training part, but two reward models and a test of them "
            f"need {_FEWEST_USERS}.",
            "Take a larger log.",
        )
    shuffled = np.random.default_rng(seed).permutation(different)
    first = max(2, round(held_out * len(shuffled)))
    middle = (first + len(shuffled)) // 2
    parts = {"model": shuffled[first:middle], "judge": shuffled[middle:], "held_out": shuffled[:first]}
    return {name: np.sort(part) for name, part in parts.items()}
