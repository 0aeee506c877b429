"""Make ``run/reward``: two reward models trained on disjoint users, and what both are worth on users of neither.

``model/``         the one to align with
``judge/``         the one to judge with: it has seen none of the other's users
``users.parquet``  user_id and part: ``model``, ``judge`` or ``held_out``
``results.json``   the tables of both
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from genrec.console import remark
from genrec.data import Dataset
from genrec.data.features import Features
from genrec.errors import DataError
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec.semantic_ids import Catalogue
from genrec_alignment.reasoning.pruning import item_vectors
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

KIND = "reward"
MODELS = ("model", "judge")
RESULTS_FILE, USERS_FILE = "results.json", "users.parquet"
_FEWEST_USERS = 6


def make_reward(config: RewardConfig, run: Path, seed: int, *, force: bool = False) -> Manifest:
    """Train both models on the run's dataset and write ``run/reward``.

    The manifest's details hold the tables, the gate (``details["gate"]["passed"]``), which negatives were used and
    the weights of the merged reward. What was interrupted begins anew: one model trains for minutes.

    Args:
        config: the settings.
        run: the run folder; needs ``dataset`` with sessions, and ``semantic_ids``.
        seed: of the division of users, and of training.
        force: make it again even if it is current.

    Raises:
        ArtifactError: if the dataset, the semantic IDs or the items' vectors beside them are missing.
        DataError: if there are no sessions, an objective cannot be had, or there are too few users.
    """
    dataset, ids = Dataset.load(run / "dataset"), open_artifact(run / "semantic_ids", "semantic_ids")
    settings = config.model_dump(mode="json") | {"seed": seed}
    inputs = {"dataset": dataset.manifest.digest, "semantic_ids": ids.digest}
    if not force and is_current(run / KIND, KIND, settings, inputs):
        remark(f"{run / KIND} is up to date.")
        return open_artifact(run / KIND, KIND)
    catalogue = Catalogue.load(run / "semantic_ids")
    if catalogue.item_ids != dataset.item_ids:
        raise DataError(f"The semantic IDs in {run} are of other items than its dataset.", "Run genrec tokenize.")
    with new_artifact(run / KIND, KIND, settings, inputs, seed) as draft:
        vectors = item_vectors(run / "semantic_ids", len(catalogue))
        maker = _Maker(config, dataset, catalogue, vectors, seed)
        draft.details = maker.make(draft.path)
    _say(draft.details)
    return open_artifact(run / KIND, KIND)


class _Maker:
    """Everything that both models share."""

    def __init__(
        self, config: RewardConfig, dataset: Dataset, catalogue: Catalogue, vectors: Floats, seed: int
    ) -> None:
        self.config, self.dataset, self.catalogue, self.seed = config, dataset, catalogue, seed
        self.vectors = vectors
        self.log = SessionLog(dataset, config)
        self.features = Features.fit(dataset, config.features)
        self.events = LoggedEvents(dataset, self.features, self.log.kept)
        self.users = divide_users(self.log.parts["train"].users, config.held_out, seed)

    def make(self, folder: Path) -> dict[str, Any]:
        """Write everything into ``folder`` and return the details."""
        names = [(self.dataset.user_ids[user], part) for part, users in self.users.items() for user in users]
        schema = {"user_id": pl.String, "part": pl.String}
        pl.DataFrame(names, schema=schema, orient="row").write_parquet(folder / USERS_FILE)
        trained, items, sessions = {}, {}, {}
        for number, name in enumerate(MODELS):
            trained[name], items[name], sessions[name] = self._one(folder / name, name, self.seed + number)
        results = {"items": items, "sessions": sessions}
        (folder / RESULTS_FILE).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        return {
            "gate": gate(items, self.config),
            "negatives": self.config.negatives,
            "weights": {objective.name: objective.weight for objective in self.config.objectives},
            "users": {part: len(users) for part, users in self.users.items()},
            "held_out": results,
            "training": trained,
        }

    def _one(self, folder: Path, name: str, seed: int) -> tuple[dict[str, float | int], Table, Table]:
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
        tables = [self._measure(training, model, average, size) for size in (1, self.config.session_length)]
        return figures, tables[0], tables[1]

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


def _say(details: dict[str, Any]) -> None:
    remark(f"Negatives: {details['negatives']}. Merged reward: {details['weights']}.")
    for problem in details["gate"]["problems"]:
        remark(f"The gate ({details['gate']['rule']}) is not passed: {problem}.")
